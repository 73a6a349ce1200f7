"""A plugin package made by somebody else, installed from its folder, acts in one department and not in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.testing.homes import MakeHome

pytestmark = pytest.mark.full


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of the test's own that packages are installed into."""
    return tmp_path / "site"


@pytest.fixture
def mentee_command(make_home: MakeHome, tmp_path: Path, site: Path) -> Callable[..., str]:
    """Run `mentee` in its own process, with what is installed in ``site``."""
    make_home(departments=("it", "hr")).close()

    def run(*arguments: str, ok: bool = True) -> str:
        # no model: what answers is the plugin, or nothing does
        command = [sys.executable, "-c", "from bot.cli.main import main; main()", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(site), "MENTEE_MODELS_DIR": str(tmp_path / "models")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)
        assert (done.returncode == 0) is ok, done.stderr
        return done.stdout if ok else done.stderr

    return run


def install(folder: Path, site: Path) -> None:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, str(folder)], check=True, timeout=120, capture_output=True)


@pytest.mark.timeout(180)
def test_a_new_plugin_is_written_installed_switched_and_configured(
    mentee_command: Callable[..., str], tmp_path: Path, site: Path
) -> None:
    mentee_command("plugins", "new", "greeter", "--folder", str(tmp_path))
    own_test = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        str(tmp_path / "greeter"),
    ]
    subprocess.run(
        own_test,
        check=True,
        timeout=100,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "greeter")},
    )
    install(tmp_path / "greeter", site)
    listed = {row["name"]: row for row in json.loads(mentee_command("plugins", "list", "--json"))}
    assert (listed["greeter"]["origin"], listed["greeter"]["enabled"]) == ("greeter 0.1.0", True)

    mentee_command("plugins", "configure", "greeter", "greeting=Good day", "--department", "it")
    mentee_command("plugins", "disable", "greeter", "--department", "hr")

    greeted = json.loads(mentee_command("ask", "Hello!", "--department", "it", "--json"))
    assert greeted["answer"] == "Good day from it!"
    assert greeted["provenance"]["plugins"]["greeter"] == "0.1.0"
    without = json.loads(mentee_command("ask", "Hello!", "--department", "hr", "--json"))
    assert "Good day" not in without["answer"], "Mentee greets by itself"
    assert "greeter" not in without["provenance"]["plugins"]


def test_an_unknown_plugin_or_setting_is_named(mentee_command: Callable[..., str]) -> None:
    assert "There is no plugin 'greter'" in mentee_command("plugins", "disable", "greter", ok=False)
    assert "has no settings" in mentee_command("plugins", "configure", "secrets", "a=b", ok=False)
