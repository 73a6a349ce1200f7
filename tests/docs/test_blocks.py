"""Every block of the documentation is run or checked: Python runs, TOML loads, commands exist with their options."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pluggy
import pytest
import yaml
from markdown_it import MarkdownIt

from bot.cli.main import command_line
from bot.config.sections import check_sections
from bot.config.settings import CONFIG_NAME, load_settings
from bot.hooks import specs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from _pytest.mark import ParameterSet
    from markdown_it.token import Token
    from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "reader", "recipes", "examples/support")
PAGES = [*sorted(ROOT.glob("*.md")), *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md")))]
PAGES.remove(ROOT / "recipes" / "reader" / "card.md")  # a template, whose pictures are beside what is made of it
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
WRITTEN = [page for page, text in TEXTS.items() if not text.startswith("<!-- written by")]
KINDS = {"console", "toml", "python", "json", "jsonl", "yaml", "text", "mermaid"}
OTHER_PROGRAMS = {
    "cd",
    "cp",
    "createdb",
    "curl",
    "docker",
    "export",
    "git",
    "kubectl",
    "openssl",
    "pip",
    "tar",
}


def _tokens(page: Path) -> list[Token]:
    """Return all blocks of code of a page as Markdown sees them: fenced or indented, in lists and quotes, too."""
    tokens = MarkdownIt("commonmark").enable("table").parse(TEXTS[page])
    return [token for token in tokens if token.type in {"fence", "code_block"}]


def _blocks(*kinds: str) -> list[ParameterSet]:
    """Return the blocks of some kinds in the pages that people write, named by their places."""
    return [
        pytest.param(token.content, id=f"{page.relative_to(ROOT)}:{token.map[0] + 1}")
        for page in WRITTEN
        for token in _tokens(page)
        if token.info in kinds and token.map and "import ticket_status" not in token.content  # see test_plugin_guide.py
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    """An indented block can't: it would be neither run nor checked."""
    assert {token.info for token in _tokens(page)} <= KINDS
    assert [token.content for token in _tokens(page) if token.type == "code_block"] == []


def test_blocks_are_found_wherever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "```toml\na\n```\n\n1. List\n\n   ```json\n   {}\n   ```\n\n> ~~~text\n> b\n> ~~~\n\nNext:\n\n    indented\n"
    monkeypatch.setitem(TEXTS, ROOT, text)
    kinds = [token.info or token.type for token in _tokens(ROOT)]
    assert kinds == ["toml", "json", "text", "code_block"]


@pytest.fixture(scope="module")
def sections() -> Iterator[Mapping[str, type[BaseModel]]]:
    """The sections of ``mentee.toml`` that built-in plugins bring."""
    _, plugins = command_line(discover=False)
    yield plugins.register_section()
    plugins.close()


@pytest.mark.parametrize("block", _blocks("toml"))
def test_toml_is_what_its_reader_accepts(
    block: str, sections: Mapping[str, type[BaseModel]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tomllib.loads(block)
    if "project" in tables:
        assert all(point for point in tables["project"]["entry-points"][specs.GROUP].values())
    else:
        (tmp_path / CONFIG_NAME).write_text(block, encoding="utf-8")
        monkeypatch.setenv("MENTEE_HOME", str(tmp_path))
        check_sections(load_settings(), sections)


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_runs_and_its_hooks_are_hooks(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "block_of_the_documentation", "__file__": str(tmp_path / "block.py")}
    exec(compile(block, "block", "exec", dont_inherit=True), namespace)
    manager = pluggy.PluginManager(specs.GROUP)
    manager.add_hookspecs(specs)
    manager.register(
        type("Plugin", (), {name: staticmethod(value) for name, value in namespace.items() if callable(value)})
    )
    manager.check_pending()


@pytest.mark.parametrize("block", _blocks("json", "jsonl", "yaml"))
def test_data_can_be_parsed(block: str) -> None:
    try:
        json.loads(block)
    except json.JSONDecodeError:
        if not all(json.loads(line) for line in block.splitlines() if line.startswith("{")) or "{" not in block:
            yaml.safe_load(block)


@pytest.fixture(scope="module")
def root_command() -> click.Group:
    root, plugins = command_line(discover=False)
    plugins.close()
    return root


TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("block", _blocks("console"))
def test_commands_exist_with_their_options(
    block: str, root_command: click.Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line[2:] for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
    assert lines, "a console block has a line that begins with a dollar sign"
    for line in lines:
        for part in re.split(r" (?:\||&&) ", line):
            _check_command(part, root_command)


def _check_command(line: str, root_command: click.Group) -> None:
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


def _check_mentee(words: list[str], command: click.Command) -> None:
    for word in words:
        if Path(word).suffix in {".jsonl", ".md", ".pdf"}:  # some arguments must name a file that is there
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    context = click.Context(command, info_name="mentee", **command.context_settings)
    while isinstance(command, click.Group):
        assert words, "a group needs a command"
        assert words[0] in command.commands, f"no such command: {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, words, parent=context)


LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)|(?:src|href)=\"(?P<attribute>[^\"]+)\"")


def _without_blocks(page: Path) -> str:
    lines = TEXTS[page].splitlines()
    for token in _tokens(page):
        start, end = token.map or (0, 0)
        lines[start:end] = [""] * (end - start)
    return "\n".join(lines)


def _links() -> Iterator[tuple[Path, str]]:
    for page in WRITTEN:
        text = _without_blocks(page)
        for found in LINK.finditer(text):
            yield page, found["target"] or found["attribute"]


@pytest.mark.parametrize(("page", "target"), list(_links()), ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_links_lead_somewhere(page: Path, target: str) -> None:
    if target.startswith(("https://", "http://127.0.0.1", "mailto:")):
        return
    path, _, anchor = target.partition("#")
    found = (page.parent / path) if path else page
    assert found.exists()
    if anchor:
        titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


NAMED = re.compile(
    r"`((?:bot|plugins|retrieval|tuning|tests|benchmarks|scripts|recipes|reader|deploy|examples)/[\w./-]+)`"
)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    assert [name for name in NAMED.findall(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()] == []


def test_pages_that_the_code_names_exist() -> None:
    sources = [path for room in ("bot", "plugins", "retrieval", "tuning") for path in (ROOT / room).rglob("*.py")]
    names = {name for path in sources for name in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))}
    assert [name for name in sorted(names) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_have_no_leftovers_of_a_merge(page: Path) -> None:
    assert re.findall(r"^(?:<{7}|>{7}) .*$", page.read_text(encoding="utf-8"), re.MULTILINE) == []
