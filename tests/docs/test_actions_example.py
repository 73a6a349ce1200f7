"""The plugin of "Ask before you act" runs as it is printed: its own test, and a whole instance that confirms."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from bot.domain.questions import Question
from bot.testing.questions import ADA, ask

if TYPE_CHECKING:
    from types import ModuleType

    from bot.testing.homes import MakeHome

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "plugins.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module in the section."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Ask before you act\n")[2].partition("\n## ")[0]
    [source] = [token.content for token in MarkdownIt().parse(section) if token.info == "python"]
    path = tmp_path / "tickets_example.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return module


def test_its_own_test_passes(example: ModuleType, make_home: MakeHome) -> None:
    example.test_a_ticket_is_opened_and_withdrawn(make_home)


async def test_it_works_in_an_instance(example: ModuleType, make_home: MakeHome) -> None:
    mentee = make_home(departments=["it"], extra_plugins={"tickets": example})
    audience = mentee.departments.audience_of(ADA)
    question = Question("Open a ticket: no sound", ADA, audience, department="it")
    answer, _ = await ask(mentee, question.text, id=question.id, department="it")
    mentee.recorder.record(question, answer)
    opened = mentee.actions.run(answer.actions[1].id, ADA, [audience])
    assert (opened.state, opened.result) == ("done", "Ticket 1 is open.")
    assert {opened.id: ("no sound", "user:ada", True)} == example.TICKETS
    withdraw = mentee.actions.of_answer(answer.id)[-1]
    assert mentee.actions.run(withdraw.id, ADA, [audience]).result == "The ticket is withdrawn."
    assert example.TICKETS == {}
