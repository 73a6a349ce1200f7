"""``mentee plugins new``: what it writes passes its test and the usual checks, and bad names are refused truly."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from bot.domain.errors import SettingsError
from bot.hooks.scaffold import write_plugin

ROOT = Path(__file__).parents[3]


def _run(*arguments: str | Path, folder: Path, python: str | Path = sys.executable) -> str:
    environment = {**os.environ, "PYTHONPATH": "", "MYPYPATH": "", "MYPY_CACHE_DIR": str(folder / ".mypy")}
    command = [str(python), "-m", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("class", "it is a keyword of Python", "class-plugin"),
        ("json", "Python's standard library has a module 'json'", "json-plugin"),
        ("bot", "a module 'bot' is already installed", "bot-plugin"),
        ("grounding", "Mentee comes with a plugin of this name", "grounding-plugin"),
        ("1st", "Begin with a letter", "plugin-1st"),
        ("My_Plugin", "only lower-case letters", "my-plugin"),
        ("a--b", "single hyphens", "a-b"),
        ("x" * 41, "more than 40 characters", "shorter"),
    ],
)
def test_a_name_that_cannot_work_is_refused_with_the_rule_it_breaks(
    tmp_path: Path, name: str, problem: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        write_plugin(name, tmp_path)
    assert problem in raised.value.text
    assert hint in raised.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_new_package_says_what_it_needs(tmp_path: Path) -> None:
    path = write_plugin("ticket-status", tmp_path)
    project = tomllib.loads((path / "pyproject.toml").read_text())["project"]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ours["requires-python"]
    assert project["license"]
    assert project["dependencies"] == ["mentee>=0.1,<0.2"]
    assert project["optional-dependencies"] == {"test": ["mentee[testing]"]}
    assert (path / project["readme"]).is_file()
    assert (path / "ticket_status" / "py.typed").is_file()


def test_its_test_passes_and_linters_find_nothing(tmp_path: Path) -> None:
    path = write_plugin("ticket-status", tmp_path)
    _run("pytest", "-q", "-p", "no:cacheprovider", path, folder=tmp_path)
    for arguments in (("check", "--isolated", "--extend-select", "I,B,UP,ANN"), ("format", "--isolated", "--check")):
        _run("ruff", *arguments, "--no-cache", path, folder=path)


@pytest.mark.full
@pytest.mark.timeout(300)
def test_it_installs_type_checks_and_is_tested_as_printed(tmp_path: Path) -> None:
    path = write_plugin("ticket-status", tmp_path)
    _run("mypy", "--strict", "ticket_status", "tests", folder=path)
    venv.create(tmp_path / "venv", system_site_packages=True, with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    found = [each for each in sys.path if each.endswith("site-packages")]
    (site / "ours.pth").write_text("".join(f"import site; site.addsitedir({each!r})\n" for each in found))
    _run("pip", "install", "-q", "--no-deps", "--no-build-isolation", path, folder=tmp_path, python=python)
    assert "2 passed" in _run("pytest", "-q", path, folder=tmp_path, python=python)
