"""A simple index (PEP 503) of wheels; the files live on another host than the index, as in the wild."""
from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

from . import names

COUNT = 6


def package_name(index: int) -> str:
    return f"fixture-wheel-{index}"


def wheel(name: str, needs: list[str]) -> bytes:
    module = name.replace("-", "_")
    meta = f"{module}-1.0.dist-info"
    files = {
        f"{module}.py": f"NAME = {name!r}\n" + "".join(f"import {n.replace('-', '_')}\n" for n in needs),
        f"{meta}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
                            + "".join(f"Requires-Dist: {n}\n" for n in needs),
        f"{meta}/WHEEL": "Wheel-Version: 1.0\nGenerator: fixture\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    files[f"{meta}/RECORD"] = record + f"{meta}/RECORD,,\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return out.getvalue()


def build(index_www: Path, files_www: Path, project: Path) -> None:
    files_www.mkdir(parents=True)
    for index in range(COUNT):
        name = package_name(index)
        needs = [package_name(index + 1)] if index + 1 < COUNT else []
        file = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        packed = wheel(name, needs)
        (files_www / file).write_bytes(packed)
        page = index_www / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        digest = hashlib.sha256(packed).hexdigest()
        page.write_text(f'<!DOCTYPE html><html><body><a href="https://{names.PYPI_FILES}/{file}#sha256={digest}">{file}</a>'
                        "</body></html>\n")
    project.mkdir(parents=True)
    (project / "requirements.txt").write_text(package_name(0) + "==1.0\n")
