"""The page on attacks names all ten risks, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "security.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| LLM(\d\d) ([^|]+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
TESTS = sorted(set(re.findall(r"\]\(([^)]*tests/[^)]*)\)", TEXT)))


def test_each_risk_has_its_row_in_owasps_order() -> None:
    assert [number for number, _, _ in ROWS] == [f"{number:02}" for number in range(1, 11)]


@pytest.mark.parametrize("risk", ROWS, ids=lambda row: row[1])
def test_each_risk_has_tests(risk: tuple[str, str, str]) -> None:
    assert re.search(r"\]\(\.\./\.\./tests/[\w/]+\.py\)", risk[2])


@pytest.mark.parametrize("path", TESTS)
def test_the_named_tests_exist(path: str) -> None:
    file = (PAGE.parent / path).resolve()
    assert file.is_file()
    assert re.search(r"^(async )?def test_", file.read_text(encoding="utf-8"), re.MULTILINE)
