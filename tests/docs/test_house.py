"""The script that measures the layout of the code finds what misses a target."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("house")


def test_cycles_are_found_whatever_their_length(house: ModuleType) -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"g"}, "g": {"f"}}
    assert house.cycles(graph) == [["a", "b", "c"], ["f", "g"]]
    assert house.cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_packages_that_import_each_other_are_a_cycle_though_no_modules_are(house: ModuleType) -> None:
    graph = {"app.x.one": {"app.y.one"}, "app.y.two": {"app.x.two"}}
    assert house.cycles(graph) == []
    assert house.cycles(house.siblings(graph)) == [["app.x", "app.y"]]


def test_the_longest_chain_takes_the_longer_way_and_ends_in_a_cycle(house: ModuleType) -> None:
    assert house.longest_chain({"a": {"b", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}) == ["a", "b", "c", "d"]
    assert len(house.longest_chain({"a": {"b"}, "b": {"a"}})) == 2


def test_functions_are_measured_with_their_docstrings(house: ModuleType) -> None:
    source = 'class A:\n    def f(self):\n        """Do."""\n        return 1\n\n\nasync def g():\n    pass\n'
    assert sorted(house.functions({"m.py": source})) == [("m.py::f", 3, True), ("m.py::g", 2, False)]
    assert house.code_lines("# x\n\nx = 1  # y\n    # z\n") == 1


def test_a_package_counts_neither_its_init_nor_its_subpackages(house: ModuleType) -> None:
    names = ["p/__init__.py", "p/a.py", "p/b.py", "p/q/__init__.py", "p/q/c.py"]
    assert house.modules_per_package(dict.fromkeys(names, "")) == {"p": 2, "p/q": 1}


def test_what_misses_a_target_is_named(house: ModuleType) -> None:
    figure = house.Figure("lines per file", "max 500", "max 400", house.over(400, {"long.py": 500, "short.py": 20}))
    console = Console(record=True, width=120, file=None, quiet=False)
    with console.capture() as shown:
        house.show([figure], console)
    assert "missed" in shown.get()
    assert "long.py: 500" in shown.get()
    assert "short.py" not in shown.get()


def test_this_tree_is_measured(house: ModuleType) -> None:
    names = {figure.name for figure in [*house.layout(), *house.sizes(), house.growth("no-such-revision")]}
    assert {"modules per package", "import cycles between modules", "lines per function", "lines of code"} <= names
    assert any(name == "bot/app.py" for name in house.read("bot"))


def test_nothing_imports_itself_in_a_circle_types_and_late_imports_included(house: ModuleType) -> None:
    graph = house.imports()
    assert house.cycles(graph) == []
    assert house.cycles(house.siblings(graph)) == []


def test_a_package_has_few_enough_modules(house: ModuleType) -> None:
    packages = house.modules_per_package(house.read(*house.PRODUCT))
    assert house.over(house.PACKAGE_MODULES, packages) == []


def test_no_file_and_no_function_is_too_long(house: ModuleType) -> None:
    assert [figure.offenders for figure in house.sizes() if figure.offenders] == []
