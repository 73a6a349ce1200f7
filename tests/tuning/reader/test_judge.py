"""A reader made anew is held against the shipped one, each read as its own card says."""

import json

import pytest

from bot.artifacts import writing
from bot.errors import ArtifactError
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin
from tuning.reader.judge import compare_readers, right_answers
from tuning.reader.rows import ReadingRow

ROWS = [
    ReadingRow(f"q{number}", "written", "CC0-1.0", question, answer, "travel", facts, "travel/lodging.md")
    for number, (question, answer, facts) in enumerate(
        (
            ("Are hotels tax exempt?", "In 12 states.", ("12 states", "form 9")),
            ("Which form do hotels want?", "", ()),
        )
    )
]


@pytest.fixture
def make_reader(tmp_path):
    def make(name, passages):
        with writing(tmp_path / name, "adapter") as draft:
            (draft.path / "adapter_config.json").write_text(json.dumps({"name": name}))
            draft.meta |= {"base_model": "scripted", "answers": {"passages": passages}}
        return tmp_path / name

    return make


@pytest.fixture
def make_mentee(make_home):
    def make(answer):
        retriever = NotesRetriever()
        plugins = {"notes": make_plugin(register_retriever=lambda: retriever)}
        return make_home(departments=("travel",), engine=ScriptedEngine(answer), extra_plugins=plugins)

    return make


def test_key_facts_count_by_their_share_and_a_refusal_where_there_is_no_answer(make_mentee, make_reader):
    reader, seen = make_reader("fresh", 2), []

    def answer(request):
        seen.append((request.adapter.path, request.adapter.starter))
        text = request.messages[-1].content
        return "Hotels are tax exempt in 12 states [1]." if "tax exempt?" in text else "I don't find this."

    mentee, told = make_mentee(answer), []
    assert right_answers(mentee, reader, ROWS, told.append) == [0.5, 1.0]
    assert set(seen) == {(reader, True)}
    assert mentee.departments.get("travel").answers.passages == 2
    assert told == [1, 2]


def test_who_answers_what_has_no_answer_is_wrong(make_mentee, make_reader):
    mentee = make_mentee("Hotels are tax exempt in 12 states [1].")
    assert right_answers(mentee, make_reader("shipped", 1), ROWS) == [0.5, 0.0]


def test_a_reader_that_was_altered_is_not_asked(make_mentee, make_reader):
    reader = make_reader("fresh", 1)
    (reader / "adapter_config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"altered adapter_config\.json"):
        right_answers(make_mentee("x"), reader, ROWS)


def test_the_fresh_reader_is_better_only_where_it_is_so_by_the_interval():
    rows = [ReadingRow(f"q{n}", "written", "", chr(97 + n % 26) * (4 + n), "x") for n in range(40)]
    better = compare_readers([0.0] * 40, [1.0] * 30 + [0.0] * 10, rows)
    assert (better.champion, better.challenger, better.n) == (0.0, 0.75, 40)
    assert better.interval[0] > 0
    assert compare_readers([1.0, 0.0] * 20, [0.0, 1.0] * 20, rows).interval[0] < 0
