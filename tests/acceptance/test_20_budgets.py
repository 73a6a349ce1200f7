"""No client can exhaust the server: requests, questions and answers are limited, and a refusal says when to retry.

Check 20: 100 requests a minute → 429 with Retry-After; a question of 1 MB → 413 before it is tokenised; an answer
without end → cut at the cap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.storage.tables.delivery import InboxRow
from plugins.web.testing.fixtures import answer, ask

if TYPE_CHECKING:
    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit

QUESTION = "Which states exempt hotels from tax?"
PER_MINUTE = 30


def test_of_a_hundred_questions_a_minute_those_over_the_limit_are_told_when_to_come_back(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    client = visit(serve_home(make_web({"limits": {"questions_per_minute": PER_MINUTE}})))
    responses = [ask(client, QUESTION, key=f"key-{number:04}") for number in range(100)]
    assert [response.status_code for response in responses] == [202] * PER_MINUTE + [429] * (100 - PER_MINUTE)
    assert all(1 <= int(response.headers["retry-after"]) <= 60 for response in responses[PER_MINUTE:])


@pytest.mark.parametrize("characters", [900_000, 1_100_000, 4_001])
def test_a_question_over_the_limit_is_refused_before_it_is_tokenised(
    web: ServedHome, visit: Visit, web_engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    counted: list[Any] = []
    monkeypatch.setattr(web_engine, "count_tokens", counted.append)
    assert ask(visit(web), "x" * characters).status_code == 413
    with web.mentee.store.read() as session:
        assert session.query(InboxRow).count() == 0
    assert not counted
    assert not web_engine.requests


def test_an_answer_without_end_is_cut_at_the_cap(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    web_engine.answer = "Hotels are tax exempt in 12 states [1]. " + " ".join(f"{n} states" for n in range(10_000))
    given = answer(visit(serve_home(make_web({"model": {"max_new_tokens": 40}}))), QUESTION)
    assert web_engine.requests[-1].max_new_tokens == 40
    assert 0 < len(given["text"].split()) <= 40


def test_an_answer_that_never_ends_is_cut_by_time(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    first = "Hotels are tax exempt in 12 states [1]."
    web_engine.answer = f"{first} Show the form at the desk."
    web_engine.hold_at = len(first.split()) + 1
    web_engine.gate.clear()
    given = answer(visit(serve_home(make_web({"limits": {"generation_seconds": 0.5}}))), QUESTION)
    assert given["text"].startswith("Hotels are tax exempt in 12 states")
    assert web_engine.cancelled == 1


def test_an_engine_that_never_begins_is_given_up(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    web_engine.gate.clear()
    client = visit(serve_home(make_web({"limits": {"generation_seconds": 0.2}})))
    events = client.get(f"/api/v1/questions/{ask(client, QUESTION).json()['question_id']}/events").text
    assert "I couldn't answer this" in events
