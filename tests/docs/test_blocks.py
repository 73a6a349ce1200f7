"""Every block of the documentation is run or checked: Python runs, TOML loads, commands exist with their options."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import pluggy
import pytest
import yaml

from bot import hookspecs
from bot.cli import command_line
from bot.settings import CONFIG_NAME, Settings, load_settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = [page for page in PAGES if not page.read_text(encoding="utf-8").startswith("<!-- written by")]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)
KINDS = {"console", "toml", "python", "json", "jsonl", "yaml", "text", "mermaid"}
OTHER_PROGRAMS = {"cd", "cp", "createdb", "curl", "docker", "git", "kubectl", "openssl", "pg_dump", "pip", "tar"}


def _blocks(*kinds):
    for page in WRITTEN:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            if found["kind"] in kinds or not kinds:
                line = text[: found.start()].count("\n") + 1
                indent = len(found["indent"])
                body = "".join(row[indent:] for row in found["text"].splitlines(keepends=True))
                yield pytest.param(body, id=f"{page.relative_to(ROOT)}:{line}")


def test_every_block_says_what_it_is():
    kinds = {found["kind"] for page in WRITTEN for found in BLOCK.finditer(page.read_text(encoding="utf-8"))}
    assert kinds <= KINDS


@pytest.mark.parametrize("block", list(_blocks("toml")))
def test_toml_is_what_its_reader_accepts(block, tmp_path, monkeypatch):
    tables = tomllib.loads(block)
    if "project" in tables:
        assert all(point for point in tables["project"]["entry-points"][hookspecs.GROUP].values())
    else:
        assert set(tables) <= set(Settings.model_fields)
        (tmp_path / CONFIG_NAME).write_text(block, encoding="utf-8")
        monkeypatch.setenv("MENTEE_HOME", str(tmp_path))
        load_settings()


@pytest.mark.parametrize("block", list(_blocks("python")))
def test_python_runs_and_its_hooks_are_hooks(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "block_of_the_documentation"}
    exec(compile(block, "block", "exec", dont_inherit=True), namespace)
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(
        type("Plugin", (), {name: staticmethod(value) for name, value in namespace.items() if callable(value)})
    )
    manager.check_pending()


@pytest.mark.parametrize("block", list(_blocks("json", "jsonl", "yaml")))
def test_data_can_be_parsed(block):
    try:
        json.loads(block)
    except json.JSONDecodeError:
        if not all(json.loads(line) for line in block.splitlines() if line.startswith("{")) or "{" not in block:
            yaml.safe_load(block)


@pytest.fixture(scope="module")
def root_command():
    root, plugins = command_line(discover=False)
    plugins.close()
    return root


TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("block", list(_blocks("console")))
def test_commands_exist_with_their_options(block, root_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [line[2:] for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
    assert lines, "a console block has a line that begins with a dollar sign"
    for line in lines:
        for part in re.split(r" (?:\||&&) ", line):
            _check_command(part, root_command)


def _check_command(line, root_command):
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    words = words[: next((n for n, word in enumerate(words) if word in {">", "<"}), len(words))]
    program = words[0].removeprefix(".venv/bin/")
    if program == "make":
        assert set(words[1:]) <= TARGETS
    elif program == "mentee":
        _check_mentee(words[1:], root_command)
    elif program in {"python", "pytest"}:
        scripts = [word for word in words[1:] if word.endswith(".py")]
        assert all((ROOT / script).is_file() for script in scripts)
    else:
        assert program in OTHER_PROGRAMS


def _check_mentee(words, command):
    for word in words:
        if Path(word).suffix in {".jsonl", ".md", ".pdf"}:  # some arguments must name a file that is there
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    context = click.Context(command, info_name="mentee", **command.context_settings)
    while isinstance(command, click.Group):
        assert words, "a group needs a command"
        assert words[0] in command.commands, f"no such command: {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words), parent=context)


LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)|(?:src|href)=\"(?P<attribute>[^\"]+)\"")


def _links():
    for page in WRITTEN:
        text = BLOCK.sub("", page.read_text(encoding="utf-8"))
        for found in LINK.finditer(text):
            yield page, found["target"] or found["attribute"]


@pytest.mark.parametrize(("page", "target"), list(_links()), ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_links_lead_somewhere(page, target):
    if target.startswith(("https://", "http://127.0.0.1", "mailto:")):
        return
    path, _, anchor = target.partition("#")
    found = (page.parent / path) if path else page
    assert found.exists()
    if anchor:
        titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
