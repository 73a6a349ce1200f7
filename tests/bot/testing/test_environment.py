"""What all tests share: the environment stays as it was, and what they measure is shown."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import os

def test_a_variable(): os.environ["LEFT_BEHIND"] = "1"
def test_a_variable_removed(): del os.environ["HOME"]
def test_the_folder(tmp_path): os.chdir(tmp_path)
def test_the_umask(): os.umask(0o007)
def test_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("LEFT_BEHIND", "1")
    monkeypatch.chdir(tmp_path)
def test_a_measurement(record_property): record_property("measured", "hijacked 15 of 100")
def test_what_others_left():
    assert "LEFT_BEHIND" not in os.environ
    assert "HOME" in os.environ
"""


def test_a_test_that_leaves_the_environment_changed_fails_and_the_next_ones_see_nothing_of_it(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--rootdir", "."]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert "7 passed, 4 errors" in ran.stdout, ran.stdout + ran.stderr
    assert "= measured =" in ran.stdout
    assert "\nhijacked 15 of 100\n" in ran.stdout
    assert "left the environment changed: LEFT_BEHIND" in ran.stdout
    assert "left the environment changed: HOME" in ran.stdout
    assert f"{tmp_path}" in ran.stdout
    assert "0007 (was 0022)" in ran.stdout
