"""The reading order names files that are there, with lengths that still hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONBOARDING = (ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")
ORDER = re.findall(r"^\| \d+ \| \[([\w/.]+)\]\(\.\./([\w/.]+)\) \| (\d+) \|", ONBOARDING, re.MULTILINE)
TOLERANCE = 0.2


def test_there_is_an_order():
    assert len(ORDER) >= 7


@pytest.mark.parametrize(("name", "target", "lines"), ORDER)
def test_a_length_is_about_right(name, target, lines):
    assert name == target
    actual = (ROOT / name).read_text(encoding="utf-8").count("\n")
    assert abs(int(lines) - actual) <= TOLERANCE * actual, f"{name} has {actual} lines"


def test_rooms_are_those_of_the_tree():
    rooms = set(re.findall(r"^([a-z]+)/", ONBOARDING, re.MULTILINE))
    assert rooms == {"bot", "plugins", "retrieval", "tuning", "tests", "deploy"}
    assert all((ROOT / room).is_dir() for room in rooms)
