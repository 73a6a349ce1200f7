"""Questions without an answer: listed while they run, stopped by their asker alone, and for good."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from plugins.web.testing.fixtures import SAID, ask, events

if TYPE_CHECKING:
    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit

QUESTION = "Which states exempt hotels from tax?"


def test_a_question_is_stopped_by_its_asker_and_not_answered_after_a_restart(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    mentee = make_web()
    home = serve_home(mentee)
    client = visit(home)
    web_engine.delay = 0.5
    accepted = ask(client, QUESTION).json()
    while not web_engine.running:
        time.sleep(0.02)
    (running,) = client.get("/api/v1/questions").json()
    assert (running["state"], running["text"], running["events"]) == ("running", QUESTION, accepted["events"])
    assert [each["running"] for each in client.get("/api/v1/conversations").json()] == [True]

    stop = f"/api/v1/questions/{accepted['question_id']}/stop"
    assert client.post(stop, json={}).json() == {"stopped": True}
    assert client.post(stop, json={}).json() == {"stopped": False}
    while web_engine.running:
        time.sleep(0.02)
    assert (web_engine.cancelled, web_engine.finished) == (1, 0)
    home.stop()

    web_engine.delay = 0.0
    again = visit(serve_home(mentee))
    name, told = events(again, accepted["events"])[-1]
    assert (name, told["stopped"]) == ("failed", True)
    assert [each["state"] for each in again.get("/api/v1/questions").json()] == ["stopped"]
    assert again.get("/api/v1/conversations/conversation-1").json() == []
    assert [each["running"] for each in again.get("/api/v1/conversations").json()] == [False]
    assert web_engine.finished == 0


def test_what_has_ended_or_is_somebody_elses_cant_be_stopped(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    client = visit(serve_home(make_web()))
    accepted = ask(client, QUESTION).json()
    name, answer = events(client, accepted["events"])[-1]
    assert (name, answer["text"]) == ("done", SAID)
    assert client.post(f"/api/v1/questions/{accepted['question_id']}/stop", json={}).json() == {"stopped": False}
    assert client.get("/api/v1/questions").json() == []
    refused = client.post("/api/v1/questions/q_in_of_somebody_else/stop", json={})
    assert refused.status_code == 404
