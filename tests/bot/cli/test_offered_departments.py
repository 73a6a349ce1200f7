"""Departments that plugins offer: added as they are described, and brought up to date without undoing an operator."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from bot.app import open_mentee
from bot.cli.main import run
from bot.config.settings import load_settings
from bot.domain.departments import DepartmentSpec
from bot.testing.engines import ScriptedEngine
from bot.testing.homes import OFFLINE
from bot.testing.notes import make_plugin
from bot.testing.questions import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.access.departments import Department
    from bot.testing.homes import MakeHome

    Command = Callable[..., str]


@pytest.fixture
def offers(tmp_path: Path) -> list[DepartmentSpec]:
    """What the installed plugin offers; tests change it, as an upgrade would."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "visa.md").write_text("# Visas\n\nLegal applies for visas.\n")
    return [DepartmentSpec("legal", "Legal", "Be exact.", {"NDA": "a promise"}, (str(pages),), ("Visa?",), open=False)]


@pytest.fixture
def command(
    offers: list[DepartmentSpec],
    make_home: MakeHome,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    monkeypatch.setitem(sys.modules, "lawyers", make_plugin(register_departments=lambda: list(offers)))
    monkeypatch.setattr("bot.hooks.registry.entry_points", lambda **_: [EntryPoint("lawyers", "lawyers", "mentee")])
    monkeypatch.setenv("MENTEE_MODEL__EMBEDDER", OFFLINE["model"]["embedder"])
    monkeypatch.setenv("COLUMNS", "300")
    make_home(discover=True).close()

    def call(*arguments: str, exit_code: int = 0) -> str:
        capsys.readouterr()
        assert run([*arguments]) == exit_code
        said = capsys.readouterr()
        return said.out + said.err

    return call


def legal() -> Department:
    mentee = open_mentee(load_settings())
    try:
        return mentee.departments.get("legal")
    finally:
        mentee.close()


def test_a_department_is_added_as_it_is_described(command: Command) -> None:
    said = command("departments", "add", "legal")
    assert "Only members can ask it" in said
    assert "1 added" in said or "visa.md" in said, "its documents were read"
    assert "documents add PATH" not in said
    found = legal()
    assert (found.open, found.instructions, found.glossary) == (False, "Be exact.", {"NDA": "a promise"})
    assert "visa.md" in command("documents", "list", "--department", "legal", "--json")


def test_an_upgrade_reaches_what_nobody_changed_by_hand(command: Command, offers: list[DepartmentSpec]) -> None:
    command("departments", "add", "legal")
    command("departments", "configure", "legal", "title=Lawyers")
    assert "legal is up to date." in command("departments", "refresh", "legal")
    offers[0] = replace(offers[0], title="Legal affairs", glossary={"NDA": "an agreement"}, open=True)
    assert "glossary: {'NDA': 'an agreement'}" in command("departments", "refresh", "--dry-run")
    assert legal().glossary == {"NDA": "a promise"}
    command("departments", "refresh")
    found = legal()
    assert (found.title, found.glossary, found.open) == ("Lawyers", {"NDA": "an agreement"}, True)
    assert "legal is up to date." in command("departments", "refresh")


def test_new_sources_are_read(command: Command, offers: list[DepartmentSpec], tmp_path: Path) -> None:
    command("departments", "add", "legal")
    (tmp_path / "nda.md").write_text("# NDAs\n\nSign it twice.\n")
    offers[0] = replace(offers[0], sources=(*offers[0].sources, str(tmp_path / "nda.md")))
    command("departments", "refresh", "legal")
    assert "nda.md" in command("documents", "list", "--department", "legal", "--json")


def test_a_department_that_no_plugin_offers_is_named(command: Command) -> None:
    command("departments", "add", "garden")
    assert "No plugin offers the department 'garden'." in command("departments", "refresh", "garden", exit_code=1)


def test_a_source_that_cannot_be_read_leaves_a_department_that_says_it_has_no_documents(
    command: Command, offers: list[DepartmentSpec]
) -> None:
    offers[0] = replace(offers[0], sources=("/nowhere/handbook",))
    said = command("departments", "add", "legal", exit_code=1)
    assert "Department legal added" in said
    assert "/nowhere/handbook" in said
    assert "legal" in command("departments", "list", "--json")


async def test_the_model_invents_nothing_while_the_documents_are_missing(make_home: MakeHome) -> None:
    mentee = make_home(departments=(), engine=ScriptedEngine("Ninety days."))
    offered = DepartmentSpec("legal", "Legal", sources=("/nowhere/handbook",))
    mentee.add_department(offered, actor="test", offered=offered)
    mentee.add_department(DepartmentSpec("chat", "Chat"), actor="test")
    answer, _ = await ask(mentee, "How long is the notice?", department="legal")
    assert answer.text == "I can't answer this yet: Legal has no documents."
    answer, _ = await ask(mentee, "How long is the notice?", department="chat")
    assert answer.text == "Ninety days."
    mentee.departments.configure("legal", {"answers.chat_without_documents": True}, actor="test")
    answer, _ = await ask(mentee, "How long is the notice?", department="legal")
    assert answer.text == "Ninety days.", "an operator decides"
