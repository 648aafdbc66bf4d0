"""A sparse cargo registry, its crates on another host, and a project with a lock file."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

from . import names
from .npm_packages import tarball

COUNT = 8
REGISTRY = f"sparse+https://{names.CRATES_INDEX}/"


def package_name(index: int) -> str:
    return f"fixture-crate-{index}"


def build(index_www: Path, crates_www: Path, project: Path) -> None:
    index_www.mkdir(parents=True)
    (index_www / "config.json").write_text(json.dumps({"dl": f"https://{names.CRATES}/crates"}))
    lock = 'version = 3\n\n[[package]]\nname = "job"\nversion = "0.1.0"\n'
    lock += f'dependencies = [\n "{package_name(0)}",\n]\n'
    for index in range(COUNT):
        name = package_name(index)
        needs = [package_name(index + 1)] if index + 1 < COUNT else []
        manifest = f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n[dependencies]\n'
        manifest += "".join(f'{n} = "1.0.0"\n' for n in needs)
        packed = tarball({"Cargo.toml": manifest, "src/lib.rs": "pub fn one() -> u32 { 1 }\n"}, f"{name}-1.0.0")
        digest = hashlib.sha256(packed).hexdigest()
        file = crates_www / "crates" / name / "1.0.0" / "download"
        file.parent.mkdir(parents=True)
        file.write_bytes(packed)
        entry = {"name": name, "vers": "1.0.0", "cksum": digest, "features": {}, "yanked": False,
                 "deps": [{"name": n, "req": "^1.0.0", "features": [], "optional": False, "default_features": True,
                           "target": None, "kind": "normal"} for n in needs]}
        place = index_www / name[0:2] / name[2:4] / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(entry) + "\n")
        lock += f'\n[[package]]\nname = "{name}"\nversion = "1.0.0"\nsource = "{REGISTRY}"\nchecksum = "{digest}"\n'
        if needs:
            lock += "dependencies = [\n" + "".join(f' "{n}",\n' for n in needs) + "]\n"
    (project / "src").mkdir(parents=True)
    (project / "src" / "main.rs").write_text("fn main() {}\n")
    (project / "Cargo.toml").write_text(
        '[package]\nname = "job"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
        f'{package_name(0)} = {{ version = "1.0.0", registry = "fixture" }}\n')
    (project / "Cargo.lock").write_text(lock)
