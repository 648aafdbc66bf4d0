"""An npm registry of small packages in a dependency tree, and a project whose lock file pins all of them."""
from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

from . import names

COUNT = 340
FANOUT = 3
VERSION = "1.0.0"


def package_name(index: int) -> str:
    return f"@fixture/scoped-{index:03}" if index % 20 == 7 else f"fixture-{index:03}"


def children(index: int) -> list[int]:
    first = index * FANOUT + 1
    return [child for child in range(first, first + FANOUT) if child < COUNT]


def tarball(files: dict[str, str], top: str = "package") -> bytes:
    """A .tgz with fixed times, so that equal content has an equal digest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mode, entry.mtime = len(text.encode()), 0o644, 1_600_000_000
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def build(www: Path, project: Path) -> None:
    locked = {}
    for index in range(COUNT):
        name = package_name(index)
        needs = {package_name(child): VERSION for child in children(index)}
        manifest = {"name": name, "version": VERSION, "license": "MIT", "main": "index.js", "dependencies": needs}
        code = "exports.count = 1" + "".join(f" + require({json.dumps(n)}).count" for n in needs) + ";\n"
        packed = tarball({"package.json": json.dumps(manifest), "index.js": code, "README.md": name * 50})
        path = f"{name}/-/{name.split('/')[-1]}-{VERSION}.tgz"
        url = f"https://{names.NPM}/{path}"
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()
        (www / path).parent.mkdir(parents=True)
        (www / path).write_bytes(packed)
        published = {**manifest, "dist": {"tarball": url, "integrity": integrity}}
        packument = {"name": name, "dist-tags": {"latest": VERSION}, "versions": {VERSION: published}}
        (www / name / "packument.json").write_text(json.dumps(packument))
        locked[f"node_modules/{name}"] = {"version": VERSION, "resolved": url, "integrity": integrity,
                                          **({"dependencies": needs} if needs else {})}
    root = {"name": "job", "version": "0.0.0", "dependencies": {package_name(0): VERSION}}
    project.mkdir(parents=True)
    (project / "package.json").write_text(json.dumps(root))
    lock = {"name": "job", "version": "0.0.0", "lockfileVersion": 3, "requires": True, "packages": {"": root, **locked}}
    (project / "package-lock.json").write_text(json.dumps(lock, indent=1))
    (project / "count.js").write_text(f"console.log(require({json.dumps(package_name(0))}).count);\n")
