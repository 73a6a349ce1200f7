"""The example of testing a plugin in Slack is a test: it runs as a plugin author's project would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-in-slack.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TESTS = 6


@pytest.mark.full
@pytest.mark.timeout(180)
def test_the_example_passes_in_a_project_of_its_own(tmp_path: Path) -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    (tmp_path / "pyproject.toml").write_text(blocks["text"], encoding="utf-8")
    (tmp_path / "test_ticket_status.py").write_text(blocks["python"], encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{TESTS} passed" in ran.stdout
