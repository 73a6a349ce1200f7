"""Where the demo departments' pages lie."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "handbook"


def pages(department: str) -> tuple[str, ...]:
    """Return the folder of a department's handbook pages, relative to the working directory where it lies below it.

    Empty where the examples are not on this machine (they are not part of the wheel).
    """
    folder = EXAMPLES / department
    if not folder.is_dir():
        return ()
    here = Path.cwd()
    return (str(folder.relative_to(here) if folder.is_relative_to(here) else folder),)
