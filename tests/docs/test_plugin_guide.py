"""The guide to plugins is followed as it is printed: files written, commands run, and what they print is compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "plugins.md"
TEXT = PAGE.read_text(encoding="utf-8")
PATH, FURTHER = TEXT.split("\n## What happens when it fails\n")
WITH_TESTS = ("Ask before you act", "Bring a channel", "Check answers, count, show and add commands")


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the kind and the content of each block, and the paragraph before it."""
    before = ""
    for token in MarkdownIt().parse(text):
        if token.type == "inline":
            before = token.content
        elif token.type == "fence":
            yield token.info, token.content, before


class Reader:
    """Somebody who follows the page in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, [ROOT, folder / "ticket-status", self.site])),
            "MENTEE_HOME": str(folder / ".mentee"),
            "MENTEE_MODELS_DIR": str(folder / "models"),
            "MENTEE_MODEL__EMBEDDER": "hashing",
            "COLUMNS": "200",
        }

    def run(self, line: str) -> str:
        words = shlex.split(line)
        environment = dict(self.environment)
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        if words[0] == "pip":
            return self._install(words)
        programs = {"mentee": ["-c", "from bot.cli.main import main; main()"], "pytest": ["-m", "pytest", "-q"]}
        command = [sys.executable, *programs[words[0]], *words[1:]]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=self.folder, timeout=100, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def _install(self, words: list[str]) -> str:
        """Do what pip does, without the network: leave the metadata with the entry point where Python finds it."""
        if words[1] == "wheel":
            return ""
        project = (self.folder / "ticket-status" / "pyproject.toml").read_text()
        found = re.search(r"\[project\.entry-points\.mentee\]\n(.*)\n", project)
        assert found is not None
        metadata = self.site / "ticket_status-0.1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ticket-status\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text(f"[mentee]\n{found[1].replace(chr(34), '')}\n")
        return ""


@pytest.mark.timeout(240)
def test_the_path_leads_from_nothing_to_a_configured_plugin(tmp_path: Path) -> None:
    reader, written = Reader(tmp_path), []
    for kind, content, before in blocks(PATH):
        if kind == "python":
            [name] = re.findall(r"`([\w/-]+\.py)` with:", before)
            assert (tmp_path / name).is_file(), "the page replaces what `plugins new` wrote"
            (tmp_path / name).write_text(content, encoding="utf-8")
            written.append(name)
        elif kind == "toml":
            project = (tmp_path / "ticket-status" / "pyproject.toml").read_text()
            for line in filter(None, content.splitlines()):
                assert line in project
        elif kind == "console":
            _follow(reader, content)
    assert written == ["ticket-status/ticket_status/__init__.py", "ticket-status/tests/test_ticket_status.py"]


def _follow(reader: Reader, block: str) -> None:
    said = ""
    for line in block.splitlines():
        if line.startswith("$ "):
            said = reader.run(line[2:])
        else:
            assert line in " ".join(said.split()) or line in said, f"not printed: {line}\n{said}"


@pytest.mark.parametrize("section", WITH_TESTS)
def test_the_tests_of_a_section_pass(section: str, tmp_path: Path) -> None:
    [source] = [
        content
        for kind, content, _ in blocks(FURTHER.partition(f"\n## {section}\n")[2].partition("\n## ")[0])
        if kind == "python"
    ]
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nasyncio_mode = "auto"\n')
    (tmp_path / "test_section.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
