"""Write the line counts of the reading order in docs/onboarding.md.

Run as: ``.venv/bin/python scripts/onboarding.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "onboarding.md"
ROW = re.compile(r"^(\| \d+ \| \[([\w/.]+)\]\([^)]*\) \| )\d+( \|)", re.MULTILINE)


def lines(path: Path) -> int:
    """Return the lines of a file, or of all modules in a folder."""
    files = path.glob("*.py") if path.is_dir() else [path]
    return sum(file.read_text(encoding="utf-8").count("\n") for file in files)


def page() -> str:
    """Return the page with the counts of today."""
    return ROW.sub(lambda row: f"{row[1]}{lines(ROOT / row[2])}{row[3]}", PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
