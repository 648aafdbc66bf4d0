"""A bare repository behind smart HTTP that may be pushed to."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

PATH = "team/project.git"
BLOB_BYTES = 3 << 20  # more than http.postBuffer, so that a push of as much is chunked


def build(root: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1",
                   "GIT_AUTHOR_NAME": "Fixture", "GIT_AUTHOR_EMAIL": "fixture@git.example",
                   "GIT_COMMITTER_NAME": "Fixture", "GIT_COMMITTER_EMAIL": "fixture@git.example"}

    def git(*argv: str) -> None:
        subprocess.run(["git", *argv], check=True, capture_output=True, env=environment)

    bare, work = root / PATH, root / "work"
    git("init", "-q", "-b", "main", str(work))
    (work / "blob.bin").write_bytes(os.urandom(BLOB_BYTES))
    for turn in range(5):
        (work / "README").write_text(f"turn {turn}\n")
        git("-C", str(work), "add", "-A")
        git("-C", str(work), "commit", "-q", "-m", f"turn {turn}")
    git("clone", "-q", "--bare", str(work), str(bare))
    git("-C", str(bare), "config", "http.receivepack", "true")
