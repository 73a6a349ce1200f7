"""The README's promises and the acceptance tests that prove them name each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<promise>[^|]+) \| \[(?P<name>test_\d\d_\w+)\]\((?P<path>tests/acceptance/\w+\.py)\) \|$", re.MULTILINE
)
PROMISES = {found["path"]: found["promise"].strip() for found in ROW.finditer(README)}
TESTS = sorted((ROOT / "tests" / "acceptance").glob("test_*.py"))


def _promise(path: Path) -> str:
    first = (
        (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0].removeprefix("Promise: ")
    )
    return f"{first[0].upper()}{first[1:]}".rstrip(".")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_readme_makes_the_promise_that_the_test_proves(path: Path) -> None:
    assert re.fullmatch(r"test_\d\d_\w+\.py", path.name)
    assert PROMISES.get(str(path.relative_to(ROOT))) == _promise(path), "run .venv/bin/python scripts/promises.py"


@pytest.mark.parametrize("path", PROMISES)
def test_no_promise_is_without_its_test(path: str) -> None:
    assert (ROOT / path).is_file()
