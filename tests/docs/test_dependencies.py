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
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.config.extras import EXTRAS

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
OURS = ("bot", "plugins", "retrieval", "tuning")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BESIDE = {"recipes", "mentee_reader"}  # ours, too, and not in the wheel
MADE_BY_TESTS = {"benchmarks", "hostile_parsers"}  # found on a path that the test itself extends
PEERS = {
    "errbot",
    "llama_cpp",
    "markitdown",
    "opsdroid",
    "pdf_inspector",
    "pdfplumber",
    "pymupdf4llm",
    "socketio",
    "xberg",
}
"""Benchmarks measure them where somebody has installed them."""
WITHOUT_IMPORT = {
    "onnxruntime": "what rapidocr runs its models with",
    "psycopg": "the database driver, loaded by SQLAlchemy",
    "uvicorn": "imported by name",
}


USERS = {
    "local": ("bot/inference/", "retrieval/embed.py", "tuning/training/", "tuning/evaluation/", "tuning/rounds/"),
    "slack": ("plugins/slack/",),
    "tuning": ("tuning/",),
    "ocr": ("retrieval/parse/pdf/",),
    "postgres": (),
}
"""Where the modules of an extra may be imported, beside the test kit. Everything else runs without it."""


def _names(requirements: Iterable[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(text).name)) for text in requirements} - {"mentee"}


CORE = _names(PROJECT["dependencies"])
DECLARED = CORE.union(*(_names(PROJECT["optional-dependencies"][extra]) for extra in EXTRAS))
TEST_KIT = _names(PROJECT["optional-dependencies"]["testing"])
FOR_DEVELOPMENT = _names(PROJECT["optional-dependencies"]["dev"]) | TEST_KIT


def _modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add((node.module or "").split(".")[0])
    return modules


def _imported(*folders: str) -> set[str]:
    modules: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            modules |= _modules(path)
    scripts = [folder for folder in folders if folder not in OURS]  # which import each other by their bare names
    beside = {path.stem for folder in scripts for path in (ROOT / folder).rglob("*.py")}
    return modules - set(sys.stdlib_module_names) - beside - {*OURS, *BESIDE, *MADE_BY_TESTS, "tests", "__future__"}


def _distributions(modules: Iterable[str]) -> dict[str, set[str]]:
    known = packages_distributions()
    return {module: {canonicalize_name(name) for name in known.get(module, [module])} for module in modules}


def test_every_extra_names_the_modules_that_it_installs() -> None:
    for extra, modules in EXTRAS.items():
        wanted = PROJECT["optional-dependencies"][extra]
        within = {part for text in wanted if text.startswith("mentee[") for part in Requirement(text).extras}
        names = _names(wanted).union(*(_names(PROJECT["optional-dependencies"][part]) for part in within))
        assert {next(iter(found)) for found in _distributions(modules).values()} == names, extra


def test_the_extra_all_is_all_of_them() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(everything).extras == set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_runs_without_an_extra_imports_nothing_of_it(extra: str) -> None:
    modules = set(EXTRAS[extra]) - (set(EXTRAS["local"]) if extra == "tuning" else set())
    files = {path for folder in OURS for path in (ROOT / folder).rglob("*.py")}
    users = {str(path.relative_to(ROOT)) for path in files if _modules(path) & modules}
    assert [name for name in sorted(users) if not name.startswith(USERS[extra]) and "/testing/" not in name] == []


def test_everything_the_product_imports_is_declared() -> None:
    undeclared = {m for m, names in _distributions(_imported(*OURS)).items() if not names & (DECLARED | TEST_KIT)}
    assert not undeclared, ", ".join(sorted(undeclared))


def test_everything_the_tests_import_is_declared() -> None:
    used = _distributions(_imported("tests", "benchmarks", "scripts", "recipes", "reader") - {"packaging", *PEERS})
    undeclared = {module for module, names in used.items() if not names & (DECLARED | FOR_DEVELOPMENT)}
    assert not undeclared, ", ".join(sorted(undeclared))


def test_nothing_is_declared_that_nobody_imports() -> None:
    used: set[str] = set().union(*_distributions(_imported(*OURS)).values())
    idle = DECLARED - used - set(WITHOUT_IMPORT)
    assert not idle, ", ".join(sorted(idle))


def test_every_dependency_is_pinned_and_within_its_range() -> None:
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
    "module",
    [
        "bot.cli.main",
        "bot.app",
        "bot.hooks.host",
        "tuning.evaluation.gate",
        "tuning.rounds.registry",
        "tuning.rounds.worker",
    ],
)
def test_what_must_start_fast_loads_no_model_library(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_packages_come_from_wherever_this_machine_says() -> None:
    option = re.compile(r"--(extra-)?index-url|--find-links")
    files = [path for folder in ("scripts", "deploy", ".ci") for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert [
        path.name for path in files if path.suffix != ".pyc" and option.search(path.read_text(encoding="utf-8"))
    ] == []


def test_pre_commit_runs_the_tools_that_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"], "tools come from .venv, in the versions of constraints.txt"
    tools = {hook["entry"].split()[0].removeprefix(".venv/bin/") for repo in hooks for hook in repo["hooks"]}
    assert tools == {"ruff", "codespell", "validate-pyproject"}
    assert all(f"$bin/{tool}" in (ROOT / "scripts" / "lint").read_text() for tool in tools)
