from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from bot.domain.answers import Answer, Citation, Provenance
from bot.domain.errors import InputFileError
from bot.testing.notes import NotesRetriever, make_plugin
from tuning.commands.evaluate import evaluate
from tuning.evaluation.keyfacts import FactQuestion, Silent, ask_all, flat, holds, read_fact_questions, score_facts

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome

ASKED = FactQuestion("when?", "travel", True, ("15 days", "Concur"), ("travel/flights.md",))
UNKNOWN = FactQuestion("who?", "travel", False, (), ("travel/flights.md",))


def answer(
    text: str, *, known: bool = True, document: str = "pages/travel/flights.md", source: Any = "model"
) -> Answer:
    citations = (Citation(1, document, "Flights", "…", "c"),)
    return Answer("q", text, known, "travel", citations, Provenance(source=source))


def test_key_facts_are_compared_as_the_data_says() -> None:
    assert flat("“At-will” – 50%, or $5.00!") == "at will 50% or $5.00"
    assert holds("It is **15 days**, in CONCUR.", ["15 days", "concur"])
    assert not holds("It is 150 days", ["15 days"])
    assert not holds("I know nothing of a CONCERT [2].", ["no", "CO", "2"]), (
        "only whole words count, and no source's number"
    )


def test_a_right_answer_and_a_wrong_one() -> None:
    right = score_facts(ASKED, answer("15 days ahead in Concur [1]."))
    assert right == {"key_facts": 1.0, "page_cited": 1.0, "refused": None, "wrongly_refused": 0.0, "quoted": 0.0}
    half = score_facts(ASKED, answer("In Concur [1].", document="pages/hr/leave.md"))
    assert (half["key_facts"], half["page_cited"]) == (0.5, 0.0)
    assert score_facts(ASKED, answer("x", document="travel/old-flights.md"))["page_cited"] == 0.0


def test_refusals_are_right_or_wrong() -> None:
    refusal = answer("I don't find this. The nearest page: Concur [1].", known=False, source="none")
    assert score_facts(UNKNOWN, refusal)["refused"] == 1.0
    wrong = score_facts(ASKED, refusal)
    assert (wrong["wrongly_refused"], wrong["page_cited"], wrong["key_facts"]) == (1.0, 0.0, 0.0)


def test_rows_without_key_facts_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "when?", "answerable": true, "key_facts": []}')
    with pytest.raises(InputFileError, match=r'q.jsonl.*"key_facts" is empty'):
        read_fact_questions(path)


@pytest.mark.parametrize(
    "row", [{"key_facts": "15 days"}, {"key_facts": ["a"], "section_ids": [1]}, {"key_facts": ["a"], "history": [{}]}]
)
def test_malformed_rows_are_refused_by_name(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "when?", **row}))
    with pytest.raises(InputFileError, match=r"q.jsonl.*(key_facts|section_ids|history)"):
        read_fact_questions(path)


def test_an_engine_that_says_nothing_leaves_the_quotation(make_home: MakeHome) -> None:
    retriever = NotesRetriever()
    plugins = {"notes": make_plugin(register_retriever=lambda: retriever)}
    mentee = make_home(departments=("travel",), engine=Silent(), extra_plugins=plugins)
    asked = FactQuestion("Are hotels tax exempt?", "travel", True, ("12 states",), ("lodging.md",))
    (found,) = ask_all(mentee, [asked])
    assert found.provenance.source == "passage"
    assert score_facts(asked, found)["key_facts"] == 1.0


def test_the_command_needs_questions_and_an_adapter_needs_its_department(make_home: MakeHome, tmp_path: Path) -> None:
    make_home(departments=("travel",))
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "when?", "key_facts": ["x"], "department": "travel"}))
    assert "--keyfacts needs --questions" in CliRunner().invoke(evaluate, ["--keyfacts"]).output
    result = CliRunner().invoke(evaluate, ["--keyfacts", "--questions", str(path), "--adapter", "travel-1"])
    assert isinstance(result.exception, InputFileError)
    assert "--department" in result.exception.hint


def test_a_fact_in_any_script_is_held_as_whole_words() -> None:
    assert holds("员工每年有十五天年假。", ["十五天"])
    assert holds("Das gilt ab dem 1. März.", ["märz"])
    assert not holds("员工每年有二十天年假。", ["十五天"])
