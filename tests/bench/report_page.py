"""What the reports of the benchmarks share: the machine, the cells of a table, generated sections of a page."""
from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> dict:
    return {"kernel": ".".join(platform.release().split(".")[:2]), "cores": os.cpu_count()}


def cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def replace_section(page: Path, begin: str, end: str, text: str) -> None:
    """Puts `text` between two markers of a page, which has both."""
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise RuntimeError(f"{page} has no section {begin}")
    page.write_text(f"{before}{begin}\n{text}{end}{after}")
