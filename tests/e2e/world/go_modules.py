"""A Go module proxy (static files) and a module that needs what it serves."""
from __future__ import annotations

import zipfile
from pathlib import Path

COUNT = 12


def module_path(index: int) -> str:
    return f"mod.example/fixture/m{index}"


def build(www: Path, project: Path) -> None:
    for index in range(COUNT):
        path = module_path(index)
        manifest = f"module {path}\n\ngo 1.18\n"
        if index + 1 < COUNT:
            manifest += f"\nrequire {module_path(index + 1)} v1.0.0\n"
        folder = www / path / "@v"
        folder.mkdir(parents=True)
        (folder / "list").write_text("v1.0.0\n")
        (folder / "v1.0.0.info").write_text('{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}')
        (folder / "v1.0.0.mod").write_text(manifest)
        with zipfile.ZipFile(folder / "v1.0.0.zip", "w") as archive:
            archive.writestr(f"{path}@v1.0.0/go.mod", manifest)
            archive.writestr(f"{path}@v1.0.0/m.go", f"package m{index}\n\nconst One = 1\n")
    project.mkdir(parents=True)
    (project / "go.mod").write_text(f"module job.example/job\n\ngo 1.18\n\n"
                                    + "".join(f"require {module_path(n)} v1.0.0\n" for n in range(COUNT)))
    (project / "main.go").write_text(f'package main\n\nimport _ "{module_path(0)}"\n\nfunc main() {{}}\n')
