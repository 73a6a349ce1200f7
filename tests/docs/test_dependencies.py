"""What is imported is declared, what is declared is imported and pinned, and light parts stay light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = ("bot", "plugins", "retrieval", "tuning")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MADE_BY_TESTS = {"benchmarks", "hostile_parsers"}  # found on a path that the test itself extends
PEERS = {"llama_cpp"}  # benchmarks measure them where somebody has installed them
WITHOUT_IMPORT = {"psycopg": "the database driver, loaded by SQLAlchemy", "uvicorn": "imported by name"}


def _names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


DECLARED = _names(PROJECT["dependencies"])
TEST_KIT = _names(PROJECT["optional-dependencies"]["testing"])
FOR_DEVELOPMENT = _names(PROJECT["optional-dependencies"]["dev"]) | TEST_KIT


def _imported(*folders):
    modules = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    modules.add(node.module.split(".")[0])
    beside = {path.stem for folder in folders for path in (ROOT / folder).rglob("*.py")}
    return modules - set(sys.stdlib_module_names) - beside - {*OURS, *MADE_BY_TESTS, "__future__"}


def _distributions(modules):
    known = packages_distributions()
    return {module: {canonicalize_name(name) for name in known.get(module, [module])} for module in modules}


def test_everything_the_product_imports_is_declared():
    undeclared = {m for m, names in _distributions(_imported(*OURS)).items() if not names & (DECLARED | TEST_KIT)}
    assert not undeclared, ", ".join(sorted(undeclared))


def test_everything_the_tests_import_is_declared():
    used = _distributions(_imported("tests", "benchmarks", "scripts") - {"packaging", *PEERS})
    undeclared = {module for module, names in used.items() if not names & (DECLARED | FOR_DEVELOPMENT)}
    assert not undeclared, ", ".join(sorted(undeclared))


def test_nothing_is_declared_that_nobody_imports():
    used = set().union(*_distributions(_imported(*OURS)).values())
    idle = DECLARED - used - set(WITHOUT_IMPORT)
    assert not idle, ", ".join(sorted(idle))


def test_every_dependency_is_pinned_and_within_its_range():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    declared = [
        Requirement(text) for text in (*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values()))
    ]
    outside = {
        str(requirement)
        for requirement in declared
        if (name := canonicalize_name(requirement.name)) not in {"mentee", "torch"}
        and (name not in pinned or not requirement.specifier.contains(pinned[name]))
    }
    assert outside == set()


HEAVY = ("torch", "transformers", "peft", "faiss", "sentence_transformers", "sklearn", "matplotlib", "datasets")


@pytest.mark.parametrize(
    "module", ["bot.cli", "bot.app", "bot.hooks", "tuning.gate", "tuning.registry", "tuning.rounds"]
)
def test_what_must_start_fast_loads_no_model_library(module):
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_packages_come_from_wherever_this_machine_says():
    option = re.compile(r"--(extra-)?index-url|--find-links")
    files = [path for folder in ("scripts", "deploy", ".ci") for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert [
        path.name for path in files if path.suffix != ".pyc" and option.search(path.read_text(encoding="utf-8"))
    ] == []
