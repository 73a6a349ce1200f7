"""The public API: documented, typed, and all that the documentation, examples and new plugins import."""

from __future__ import annotations

import ast
import inspect
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from bot.hooks.scaffold import write_plugin

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
PUBLIC = ("bot", "bot.testing")
OURS = ("bot", "plugins", "retrieval", "tuning", "recipes", "mentee_reader")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*/README.md")]
NAMES = [(package, name) for package in PUBLIC for name in import_module(package).__all__]


def _not_public(source: str) -> list[str]:
    """Return what a text of Python imports from Mentee that isn't public."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.partition(".")[0] in OURS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
            public = import_module(node.module or "").__all__ if node.module in PUBLIC else []
            found += [f"{node.module}.{name.name}" for name in node.names if name.name not in public]
    return found


def _python(page: Path) -> list[str]:
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info.startswith("py")]


@pytest.mark.parametrize("page", [page for page in PAGES if _python(page)], ids=lambda page: page.name)
def test_the_documentation_imports_only_the_public_api(page: Path) -> None:
    assert [name for block in _python(page) for name in _not_public(block)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if _python(page)], ids=lambda page: page.name)
def test_questions_in_the_documentation_are_asked_by_a_person(page: Path) -> None:
    """A question has a person by its type, and nobody type-checks these blocks."""
    calls = [node for block in _python(page) for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == "Question":
            given = [*call.args, *(each.value for each in call.keywords)]
            assert len(given) >= 2
            assert not [each for each in given if isinstance(each, ast.Constant) and each.value is None]


@pytest.mark.parametrize("path", [*(ROOT / "examples").rglob("*.py")], ids=lambda path: path.name)
def test_examples_import_only_the_public_api(path: Path) -> None:
    assert _not_public(path.read_text(encoding="utf-8")) == []


def test_a_new_plugin_imports_only_the_public_api(tmp_path: Path) -> None:
    folder = write_plugin("ticket-status", tmp_path)
    modules = [*folder.rglob("*.py")]
    assert len(modules) >= 2
    assert [name for path in modules for name in _not_public(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from bot import hookimpl", []),
        ("from bot.testing import ModelContract", []),
        ("from bot import command_line", ["bot.command_line"]),
        ("from bot.domain.answers import Answer", ["bot.domain.answers.Answer"]),
        ("def f():\n    import retrieval.search", ["retrieval.search"]),
    ],
)
def test_other_imports_are_found(source: str, found: list[str]) -> None:
    assert _not_public(source) == found


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_every_public_name_is_there_and_documented(package: str, name: str) -> None:
    value = getattr(import_module(package), name)
    _, heading, section = API.partition(f"\n### {name}\n")
    assert heading, "run .venv/bin/python scripts/reference.py"
    text = section.partition("\n### ")[0].rpartition("```")[2]
    assert text.strip(), f"{name} has no documentation"
    if inspect.isclass(value):
        assert value.__doc__


def test_public_classes_and_functions_are_typed() -> None:
    assert (ROOT / "bot" / "py.typed").is_file()
    for package, name in NAMES:
        value = getattr(import_module(package), name)
        functions = [value, *vars(value).values()] if inspect.isclass(value) else [value]
        for function in functions:
            if inspect.isfunction(function) and function.__qualname__.startswith(name):
                given = {parameter for parameter in inspect.signature(function).parameters if parameter != "self"}
                assert given | {"return"} <= {*function.__annotations__} or function.__name__.startswith("__"), name


def test_nothing_refers_to_sections_of_no_document() -> None:
    found = subprocess.run(
        ["git", "grep", "-lE", "design §|design\\.md", "--", ".", ":!tests/docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
