"""The reading order names files and folders that exist, with their lengths; the tree is the real one."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
ONBOARDING = (ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")
ORDER = re.findall(r"^\| \d+ \| \[([\w/.]+)\]\(\.\./([\w/.]+)\) \| \d+ \|", ONBOARDING, re.MULTILINE)


def test_the_order_names_files_and_folders_that_exist() -> None:
    assert len(ORDER) >= 7
    assert [name for name, target in ORDER if name != target or not (ROOT / name).exists()] == []


def test_the_lengths_are_those_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    assert importlib.import_module("onboarding").page() == ONBOARDING, "run .venv/bin/python scripts/onboarding.py"


def test_rooms_are_those_of_the_tree() -> None:
    rooms = set(re.findall(r"^([a-z]+)/", ONBOARDING, re.MULTILINE))
    assert rooms == {"bot", "plugins", "retrieval", "tuning", "reader", "recipes", "tests", "deploy"}
    assert all((ROOT / room).is_dir() for room in rooms)
