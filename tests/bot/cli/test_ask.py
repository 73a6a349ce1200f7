from __future__ import annotations

from bot.cli.commands.ask import answer_json
from bot.domain.answers import Answer, Citation, Provenance


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
