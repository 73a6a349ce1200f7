"""The folders of the demo departments' handbook pages."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).with_name("pages")
"""In a wheel; ``hatch_build.py`` puts them there."""
CHECKOUT = Path(__file__).resolve().parents[2] / "examples" / "handbook"


def pages(department: str) -> tuple[str, ...]:
    """Return the folder of a department's handbook pages, relative to the working directory if it is below it.

    Empty for a department without pages.
    """
    folder = (SHIPPED if SHIPPED.is_dir() else CHECKOUT) / department
    if not folder.is_dir():
        return ()
    here = Path.cwd()
    return (str(folder.relative_to(here) if folder.is_relative_to(here) else folder),)
