"""Actions: confirmed by who asked, at most once, and told truthfully, on both databases."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
import pytest
from sqlalchemy import update

from bot.cli.asking import confirm_action, print_actions
from bot.delivery.retention import Retention
from bot.domain.answers import DirectAnswer, Status
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import BusyError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.identifiers import now
from bot.domain.plugins.actions import Action, ActionResult
from bot.feedback.action_rows import EXPIRED
from bot.feedback.actions import TOO_LATE, WENT_WRONG
from bot.hooks.methods.questions import DONE, NOT_DONE
from bot.hooks.workers import WORKERS
from bot.storage.tables.access import AuditRow
from bot.storage.tables.actions import ActionRow
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.documents import DocumentRow
from bot.testing.notes import make_plugin
from bot.testing.questions import ADA, ask
from tests.bot.feedback.offers import BOB, offer_ticket, offered, row, run, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot import PluginContext
    from bot.app import Mentee
    from bot.domain.people import Person
    from bot.domain.questions import Question
    from bot.testing.engines import ScriptedEngine

    MakeMentee = Callable[..., Mentee]


async def test_a_confirmed_action_is_done_once_and_cancels_the_others(make_tickets: Any, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    mentee = make_tickets()
    first, second = await offered(mentee, f"ticket {calls}")
    assert (first.state, first.action.label, second.confirm) == ("offered", "Open a ticket", "Are you sure?")
    ended = run(mentee, first)
    assert (ended.state, ended.result) == ("done", "Ticket IT-42 is open.")
    again = run(mentee, first)
    assert (again.state, again.result) == ("done", "Ticket IT-42 is open.")
    assert run(mentee, second).state == "cancelled"
    assert calls.read_text() == f"open {first.id}\n"
    *_, follow_up = mentee.actions.of_answer(mentee.actions.answer_of(first.id))
    assert (follow_up.action.label, follow_up.state) == ("Close it again", "offered")
    assert run(mentee, follow_up).state == "done"
    assert calls.read_text().splitlines()[1:] == [f"close {follow_up.id}"]


async def test_nobody_else_can_confirm_it(make_tickets: Any, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    mentee = make_tickets()
    first, _ = await offered(mentee, f"ticket {calls}")
    with pytest.raises(ForbiddenError, match="Only the person who asked"):
        run(mentee, first, BOB)
    with pytest.raises(NotFoundError):
        mentee.actions.run("act_unknown", ADA, [])
    assert not calls.exists()
    assert state(mentee, first) == ("offered", "")


async def test_rights_are_asked_again_at_the_click(make_tickets: Any) -> None:
    called: list[str] = []
    closed = DepartmentSpec("it", "IT", open=False)
    mentee = make_tickets(lambda action: called.append(action.name), departments=(closed,))
    mentee.departments.set_member("it", "user:ada", member=True, actor="test")
    first, _ = await offered(mentee)
    mentee.departments.set_member("it", "user:ada", member=False, actor="test")
    with pytest.raises(ForbiddenError, match="no longer see"):
        run(mentee, first)
    assert (called, state(mentee, first)) == ([], ("offered", ""))


async def test_a_plugin_that_is_off_does_nothing_until_it_is_on_again(make_tickets: Any) -> None:
    mentee = make_tickets(lambda action: ActionResult(f"Did {action.name}."))
    first, _ = await offered(mentee)
    mentee.plugins.states.switch("tickets", "it", enabled=False, actor="test")
    with pytest.raises(MenteeError, match="switched off"):
        run(mentee, first)
    mentee.plugins.states.switch("tickets", "it", enabled=True, actor="test")
    assert run(mentee, first).result == "Did open."


async def test_an_offer_expires(make_tickets: Any) -> None:
    called: list[str] = []
    mentee = make_tickets(lambda action: called.append(action.name))
    first, second = await offered(mentee)
    with mentee.store.write() as session:
        session.execute(update(ActionRow).values(expires_at=now() - timedelta(seconds=1)))
    assert state(mentee, first) == ("expired", EXPIRED)
    assert run(mentee, first).state == "expired"
    mentee.actions.settle_overdue()
    assert (row(mentee, second).state, row(mentee, second).payload, called) == ("expired", {}, [])


async def test_the_plugin_gets_what_was_asked_and_answered_and_the_payload_goes_with_the_end(make_tickets: Any) -> None:
    got: list[object] = []

    def on_action(action: Action, person: Person, question: Any, answer: Any, idempotency_key: str) -> ActionResult:
        got.extend([action.payload, person.id, question.text, answer.text, idempotency_key])
        return ActionResult("Done.")

    mentee = make_tickets(on_action)
    first, second = await offered(mentee)
    assert row(mentee, first).payload == {"text": "secret words"}
    run(mentee, first)
    assert got == [{"text": "secret words"}, "user:ada", "ticket", "Shall I?", first.id]
    assert [row(mentee, each).payload for each in (first, second)] == [{}, {}]


async def test_who_did_what_is_in_the_audit_log_without_the_payload(make_tickets: Any) -> None:
    mentee = make_tickets(lambda: ActionResult("Done."))
    first, _ = await offered(mentee)
    run(mentee, first)
    with mentee.store.read() as session:
        entries = [each for each in session.query(AuditRow) if each.action.startswith("action.")]
    assert [(each.actor, each.action, each.subject) for each in sorted(entries, key=lambda each: each.at)] == [
        ("user:ada", "action.run", first.id),
        ("user:ada", "action.done", first.id),
    ]
    assert entries[0].detail["plugin"] == "tickets"
    assert "secret" not in str([each.detail for each in entries])


async def test_texts_that_an_action_has_the_model_write_are_in_the_audit_log(
    make_tickets: Any, scripted_engine: ScriptedEngine
) -> None:
    def on_action(context: PluginContext) -> ActionResult:
        return ActionResult(" ".join(context.model.complete("Sum up.", max_tokens=9) for _ in range(2)))

    mentee = make_tickets(on_action, engine=scripted_engine)
    first, _ = await offered(mentee)
    scripted_engine.say("Sound", "is broken.")
    assert (await asyncio.to_thread(run, mentee, first)).result == "Sound is broken."
    details = {each.action: each.detail for each in mentee.audit.newest(10)}
    assert (details["action.done"]["completions"], details["action.done"]["adapter"]) == ({"tickets": 2}, None)
    assert "completions" not in details["action.run"]


async def test_texts_of_an_action_that_fails_after_them_are_in_the_audit_log(
    make_tickets: Any, scripted_engine: ScriptedEngine
) -> None:
    def on_action(context: PluginContext) -> ActionResult:
        context.model.complete("Sum up.", max_tokens=9)
        raise RuntimeError("boom")

    mentee = make_tickets(on_action, engine=scripted_engine)
    first, _ = await offered(mentee)
    scripted_engine.say("Sound is broken.")
    assert (await asyncio.to_thread(run, mentee, first)).state == "unknown"
    details = {each.action: each.detail for each in mentee.audit.newest(10)}
    assert details["action.unknown"]["completions"] == {"tickets": 1}


async def test_an_action_that_takes_too_long_may_have_happened_and_its_late_result_is_kept(make_tickets: Any) -> None:
    go = threading.Event()

    def on_action() -> ActionResult:
        go.wait(20)
        return ActionResult("Ticket IT-42 is open.")

    mentee = make_tickets(on_action, seconds=0.2)
    first, _ = await offered(mentee)
    ended = run(mentee, first)
    assert (ended.state, ended.result) == ("unknown", TOO_LATE)
    assert run(mentee, first).state == "unknown"
    go.set()
    wait_until(lambda: state(mentee, first) == ("done", "Ticket IT-42 is open."))


@pytest.mark.parametrize(
    "result", [None, "Done.", RuntimeError("boom"), SystemExit(3)], ids=lambda each: type(each).__name__
)
async def test_a_result_that_says_nothing_is_told_truthfully(make_tickets: Any, result: Any) -> None:
    def on_action() -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    mentee = make_tickets(on_action)
    first, _ = await offered(mentee)
    ended = run(mentee, first)
    assert (ended.state, ended.result) == ("unknown", WENT_WRONG)
    assert "on_action" in mentee.plugins.problems["tickets"]


async def test_a_failed_action_says_so(make_tickets: Any) -> None:
    mentee = make_tickets(lambda: ActionResult("The ticket system is down.", ok=False))
    first, _ = await offered(mentee)
    assert run(mentee, first).state == "failed"


async def test_an_action_that_could_not_begin_stays_on_offer(make_tickets: Any) -> None:
    go = threading.Event()
    begun = threading.Semaphore(0)

    def on_action() -> ActionResult:
        begun.release()
        go.wait(20)
        return ActionResult("Done.")

    mentee = make_tickets(on_action, seconds=1.0)
    offers = [(await offered(mentee))[0] for _ in range(WORKERS + 1)]
    calls = mentee.plugins._calls
    calls.limits = replace(calls.limits, action=20.0)
    with ThreadPoolExecutor(WORKERS) as threads:
        running = [threads.submit(run, mentee, each) for each in offers[:-1]]
        for _ in running:
            assert begun.acquire(timeout=20)
        calls.limits = replace(calls.limits, action=0.2)
        with pytest.raises(BusyError, match="Nothing was done"):
            run(mentee, offers[-1])
        assert state(mentee, offers[-1]) == ("offered", "")
        go.set()
        assert {each.result().state for each in running} == {"done"}
    assert run(mentee, offers[-1]).state == "done"


async def test_of_many_clicks_at_once_one_counts(make_tickets: Any, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    mentee = make_tickets()
    offers = await offered(mentee, f"ticket {calls} 0.3")
    with ThreadPoolExecutor(8) as threads:
        states = [each.state for each in threads.map(lambda n: run(mentee, offers[n % 2]), range(8))]
    assert len(calls.read_text().splitlines()) == 1
    assert states.count("done") == 1
    assert set(states) <= {"done", "running"}


async def test_erasing_the_person_erases_what_was_offered_and_done(make_tickets: Any) -> None:
    mentee = make_tickets(lambda: ActionResult("Ticket for Ada is open."))
    mentee.people.ensure(ADA)
    done, _ = await offered(mentee)
    run(mentee, done)
    await offered(mentee)
    erased = mentee.erasing.person("user:ada", actor="test")
    assert erased.left == ()
    with mentee.store.read() as session:
        assert session.query(ActionRow).all() == []
        assert "user:ada" not in str([(each.actor, each.detail) for each in session.query(AuditRow)])


async def test_erasing_a_document_erases_the_actions_of_answers_that_cite_it(make_tickets: Any) -> None:
    mentee = make_tickets(lambda: ActionResult("Done with the secret page."))
    first, _ = await offered(mentee)
    run(mentee, first)
    with mentee.store.write() as session:
        parts = {"source": "x", "sha256": "x", "size": 1, "content": {"sections": [{"text": "A page of seven words."}]}}
        session.add(DocumentRow(id="d_page", department="it", address="it/page.md", **parts))
        answer = session.get_one(AnswerRow, mentee.actions.answer_of(first.id))
        answer.rests_on = [*answer.rests_on, {"department": "it", "document": "d_page", "readers": []}]
    mentee.erasing.document("it/page.md", "it", actor="test")
    with mentee.store.read() as session:
        assert session.query(ActionRow).all() == []


async def test_retention_of_other_things_leaves_them_alone(make_tickets: Any) -> None:
    mentee = make_tickets(lambda: ActionResult("Done."))
    first, _ = await offered(mentee)
    Retention(mentee.store, mentee.settings.retention).apply()
    assert run(mentee, first).state == "done"


async def test_guards_check_results_and_their_buttons(make_tickets: Any) -> None:
    key = "AKIA" + "Q" * 16  # the guard of secrets knows it

    def on_action(action: Action) -> ActionResult:
        if action.name == "open":
            return ActionResult(f"Your key is {key}.", actions=(Action("no", "No"),))
        return ActionResult("It is down.", ok=False, actions=(Action("retry", f"Try {key}"),))

    mentee = make_tickets(on_action)
    for number, text in enumerate((DONE, NOT_DONE)):
        offers = await offered(mentee)
        ended = run(mentee, offers[number])
        assert (ended.state, ended.result) == (["done", "failed"][number], text)
        assert len(mentee.actions.of_answer(mentee.actions.answer_of(ended.id))) == 2


async def test_the_command_line_says_how_to_confirm_and_confirms(
    make_tickets: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mentee = make_tickets()
    first, _ = await offered(mentee, f"ticket {tmp_path / 'calls'}")
    print_actions([first], "ada")
    assert f"mentee ask --confirm {first.id} --as ada" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(ForbiddenError):
        confirm_action(mentee, first.id, BOB, "bob", as_json=False)
    confirm_action(mentee, first.id, ADA, "ada", as_json=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Open a ticket Ticket IT-42 is open." in printed
    assert "Close it again mentee ask --confirm" in printed


async def test_a_command_whose_action_failed_exits_with_1(make_tickets: Any) -> None:
    mentee = make_tickets(lambda: ActionResult("It is down.", ok=False))
    first, second = await offered(mentee)
    with pytest.raises(click.exceptions.Exit) as ended:
        confirm_action(mentee, first.id, ADA, None, as_json=True)
    assert ended.value.exit_code == 1
    with pytest.raises(MenteeError, match="something else"):
        confirm_action(mentee, second.id, ADA, None, as_json=True)


async def test_a_plugin_without_on_action_offers_nothing(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"tickets": make_plugin(answer_directly=offer_ticket)})
    assert await offered(mentee) == ()
    assert "has no hook on_action" in mentee.plugins.problems["tickets"]


async def test_a_skill_that_took_too_long_may_have_done_something(make_mentee: MakeMentee) -> None:
    def slow(question: Question) -> DirectAnswer | None:
        if "ticket" in question.text:
            time.sleep(1)
        return None

    plugins = {"tickets": make_plugin(answer_directly=slow)}
    mentee = make_mentee(plugins, settings={"limits": {"plugin_seconds": 0.3}})
    answer, events = await ask(mentee, "Please open a ticket about gravitational waves.", department="it")
    assert not answer.known
    assert answer.text.startswith("tickets took too long to answer this.")
    assert "I don't find this" not in answer.text
    assert Status("tickets took too long") in events
    answer, events = await ask(mentee, "Who likes gravitational waves?", department="it")
    assert answer.text.startswith("I don't find this")
