"""A question of web chat that people in Slack are told of: their reply comes back, and the note goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access.people import People
from bot.domain.answers import Answer
from bot.domain.people import Basis, Person, Role
from bot.domain.questions import Question
from plugins.web.conversations import Conversations
from plugins.web.deleting import Deleting
from plugins.web.unanswered import Unanswered

if TYPE_CHECKING:
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject

QUESTION, REPLY = "Are hotels tax exempt?", "In 13 states, since May."


async def test_a_reply_in_slack_reaches_web_chat_and_the_note_goes_with_the_conversation(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=("travel",), start=False)
    mentee = project.mentee
    mentee.departments.configure("travel", {"escalations.channel": "slack:CHELP"}, actor="test")
    People(mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
    bob = mentee.people.add("bob", role=Role.EMPLOYEE, password=None, actor="test")
    question = Question(QUESTION, bob, channel="web", place="conversation-1", thread="conversation-1")
    answer = Answer(question.id, "In 12 states.", known=True, department="travel", rests_on=(Basis("travel"),))
    mentee.recorder.record(question, answer)
    conversations = Conversations.of(mentee.as_instance())
    assert conversations.ask_person(bob, answer.id)["state"] == "waiting"
    await project.start()
    note = await fake_slack.wait_for_post("CHELP")
    for part in (QUESTION, "bob asks for a person", "Reply in this thread"):
        assert part in note.shown
    await fake_slack.message(REPLY, user="U8", channel="CHELP", thread_ts=note.ts)
    await fake_slack.react("white_check_mark", user="U2", post=fake_slack.web_api.posts[-1])
    await fake_slack.wait_for_post("CHELP", thread=note.ts)
    turns = await mentee.store.run(conversations.turns, bob, "conversation-1")
    shown = turns[0]["answer"]["escalation"]
    assert (shown["state"], shown["by"], shown["text"]) == ("replied", "Ada", REPLY)

    unanswered = Unanswered(mentee.inbox, mentee.answer_events)
    deleting = Deleting(mentee.store, mentee.inbox, mentee.history, mentee.escalations, unanswered)
    await mentee.store.run(deleting.delete, bob, "conversation-1")
    await fake_slack.wait_until(lambda: note not in fake_slack.posts("CHELP"))
    assert await mentee.store.run(mentee.escalations.of_answers, [answer.id]) == {}
