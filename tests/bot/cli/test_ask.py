from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING

from bot.cli.commands.ask import answer_json
from bot.cli.main import run
from bot.domain.answers import Answer, Citation, Provenance
from bot.domain.errors import EngineError
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from bot.domain.generation import GenerationRequest
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome


def test_the_json_of_an_answer_has_the_documented_keys() -> None:
    provenance = Provenance(adapter="it-1", base_model="m", snapshot="it-20261130T010203-abcdef", prompt_version="3")
    citation = Citation(1, "it/laptops.md", "Laptops", "After five days.", chunk_id="c_1")
    printed = answer_json(Answer("q_1", "After five days [1].", True, "it", (citation,), provenance, "a_1"))
    assert set(printed) == {"answer", "known", "department", "citations", "actions", "elsewhere", "provenance"}
    assert printed["citations"] == [
        {"n": 1, "document": "it/laptops.md", "heading": "Laptops", "text": "After five days."}
    ]
    shown = printed["provenance"]
    documented = {"adapter", "base_model", "source", "generation", "prompt_version", "chunks", "timings"}
    assert documented <= set(shown)
    assert (shown["generation"], shown["answer_id"]) == ("it-20261130T010203-abcdef", "a_1")
    assert "snapshot" not in shown


def notes() -> NotesRetriever:
    return NotesRetriever()


def test_a_row_that_fails_does_not_keep_the_others_from_their_answers(
    make_home: MakeHome,
    scripted_engine: ScriptedEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def answer(request: GenerationRequest) -> str:
        asked = request.messages[-1].content
        if "trains" in asked:
            raise EngineError("The engine was stopped.", hint="Try again.")
        if "planes" in asked:
            raise ZeroDivisionError("by zero")
        return "Yes."

    scripted_engine.answer = answer
    mentee = make_home(
        departments=("support",),
        engine=scripted_engine,
        built_in=(),
        extra_plugins={"notes": make_plugin(register_retriever=notes)},
    )
    monkeypatch.setattr("bot.cli.commands.ask.opened", lambda: nullcontext(mentee))
    path = tmp_path / "questions.jsonl"
    rows = [("Are there trains?", "support"), ("Who pays?", "finance"), ("Are there planes?", "support")]
    asked = [*rows, ("Are hotels taxed?", "support")]
    path.write_text("\n".join(json.dumps({"question": text, "department": name}) for text, name in asked))
    assert run(["ask", "--file", str(path)]) == 1
    printed, said = capsys.readouterr()
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [row["question"] for row in found] == [text for text, _ in asked]
    assert found[0]["error"] == {"text": "The engine was stopped.", "hint": "Try again."}
    assert "There is no department 'finance'" in found[1]["error"]["text"]
    assert found[2]["error"]["text"] == "ZeroDivisionError: by zero"
    assert found[3]["answer"] == "Yes."
    assert "3 of 4 questions failed" in said
