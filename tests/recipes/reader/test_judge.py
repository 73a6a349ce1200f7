"""A reader made anew is held against the shipped one, each read as its own card says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import pytest

from bot.domain.errors import ArtifactError
from bot.storage.artifacts import writing
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin
from recipes.reader.judge import compare_readers, right_answers, starting_with
from recipes.reader.rows import ReadingRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.app import Mentee
    from bot.domain.generation import GenerationRequest
    from bot.testing.homes import MakeHome

ROWS = [
    ReadingRow(f"q{number}", "written", "CC0-1.0", question, answer, "travel", facts, "travel/lodging.md")
    for number, (question, answer, facts) in enumerate(
        (
            ("Are hotels tax exempt?", "In 12 states.", ("12 states", "form 9")),
            ("Which form do hotels want?", "", ()),
        )
    )
]


class MakeReader(Protocol):
    def __call__(self, name: str, passages: int) -> Path: ...


class MakeMentee(Protocol):
    def __call__(self, answer: str | Callable[[GenerationRequest], str], reader: Path) -> Mentee: ...


@pytest.fixture
def make_reader(tmp_path: Path) -> MakeReader:
    def make(name: str, passages: int) -> Path:
        with writing(tmp_path / name, "adapter") as draft:
            (draft.path / "adapter_config.json").write_text(json.dumps({"name": name}))
            draft.meta |= {"base_model": "scripted", "answers": {"passages": passages}}
        return tmp_path / name

    return make


@pytest.fixture
def make_mentee(make_home: MakeHome) -> MakeMentee:
    def make(answer: str | Callable[[GenerationRequest], str], reader: Path) -> Mentee:
        retriever = NotesRetriever()
        plugins = {"notes": make_plugin(register_retriever=lambda: retriever)}
        engine, adapters = ScriptedEngine(answer), starting_with(reader)
        return make_home(departments=("travel",), engine=engine, extra_plugins=plugins, active_adapters=adapters)

    return make


def test_key_facts_count_by_their_share_and_a_refusal_where_there_is_no_answer(
    make_mentee: MakeMentee, make_reader: MakeReader
) -> None:
    reader = make_reader("fresh", 2)
    seen: list[tuple[Path, bool]] = []
    told: list[int] = []

    def answer(request: GenerationRequest) -> str:
        assert request.adapter is not None
        seen.append((request.adapter.path, request.adapter.starter))
        text = request.messages[-1].content
        return "Hotels are tax exempt in 12 states [1]." if "tax exempt?" in text else "I don't find this."

    mentee = make_mentee(answer, reader)
    assert right_answers(mentee, reader, ROWS, told.append) == [0.5, 1.0]
    assert set(seen) == {(reader, True)}
    assert mentee.departments.get("travel").answers.passages == 2
    assert told == [1, 2]


def test_who_answers_what_has_no_answer_is_wrong(make_mentee: MakeMentee, make_reader: MakeReader) -> None:
    reader = make_reader("shipped", 1)
    mentee = make_mentee("Hotels are tax exempt in 12 states [1].", reader)
    assert right_answers(mentee, reader, ROWS) == [0.5, 0.0]


def test_a_reader_that_was_altered_is_not_asked(make_mentee: MakeMentee, make_reader: MakeReader) -> None:
    reader = make_reader("fresh", 1)
    (reader / "adapter_config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"altered adapter_config\.json"):
        make_mentee("x", reader)


def test_the_fresh_reader_is_better_only_where_it_is_so_by_the_interval() -> None:
    rows = [ReadingRow(f"q{n}", "written", "", chr(97 + n % 26) * (4 + n), "x") for n in range(40)]
    better = compare_readers([0.0] * 40, [1.0] * 30 + [0.0] * 10, rows)
    assert (better.champion, better.challenger, better.n) == (0.0, 0.75, 40)
    assert better.interval[0] > 0
    assert compare_readers([1.0, 0.0] * 20, [0.0, 1.0] * 20, rows).interval[0] < 0
