"""The API of web chat: ask, watch or stop the answer, vote, correct, confirm actions, ask a person, find it again."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.access.departments import Departments
from bot.access.sessions import Sessions
from bot.domain.errors import ForbiddenError, NotFoundError, SignInRequiredError
from bot.domain.feedback import Correction, Vote
from bot.domain.people import Person, Scope
from bot.domain.plugins.actions import ActionState, ActionStyle
from bot.feedback.actions import Actions
from bot.feedback.reasons import REASONS
from bot.feedback.votes import Votes
from bot.observability.metrics import ACK_SECONDS
from plugins.web.conversations import Conversations
from plugins.web.deleting import Deleting
from plugins.web.exporting import as_markdown
from plugins.web.intake import NAME, Asked, Intake
from plugins.web.stream import AnswerStream
from plugins.web.unanswered import Unanswered

KEY = r"^[A-Za-z0-9_-]{8,64}$"
Key = Annotated[str, Field(pattern=KEY)]
Id = Annotated[str, Path(max_length=80)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Ask(_Body):
    """A question. ``key`` is an idempotency key: sent twice, it is one question."""

    text: str
    department: str | None = Field(None, max_length=64)
    conversation: Key
    key: Key


class Accepted(BaseModel):
    """A committed question, and where to watch its answer."""

    question_id: str
    events: str


def _known_reason(reason: str) -> str:
    if reason and reason not in REASONS:
        raise ValueError(f"must be one of {', '.join(REASONS)}, or empty")
    return reason


class VoteBody(_Body):
    """A thumb; ``value`` null takes it back."""

    value: Literal["up", "down"] | None
    reason: Annotated[str, AfterValidator(_known_reason)] = ""
    comment: str = Field("", max_length=2_000)


class CorrectionBody(_Body):
    """What the right answer would have been."""

    text: str = Field(max_length=8_000)


class Title(_Body):
    """A conversation's title, up to 80 characters; if it is empty, the first question is the title again."""

    title: str


class Corrected(BaseModel):
    """Whether the correction is live at once, or waits for an agent."""

    live: bool


class Stopped(BaseModel):
    """Whether the question was stopped; if not, it had ended already."""

    stopped: bool


class MarkdownFile(PlainTextResponse):
    """A Markdown text to download."""

    media_type = "text/markdown"


class Action(BaseModel):
    """Something that can be done next, and what came of it.

    ``confirm`` is a question to ask before it is confirmed; ``result`` is a text once the action has ended.
    """

    id: str
    label: str
    style: ActionStyle
    confirm: str
    expires_at: datetime
    state: ActionState
    result: str


class Escalation(BaseModel):
    """A question that waits for a person since ``since``, or what came of it: who replied or closed it, and when.

    ``by`` is empty if the name isn't known any more. ``text`` and ``html`` are the reply, empty if there is none or it
    is no longer shown.
    """

    state: Literal["waiting", "replied", "closed"]
    since: datetime
    by: str
    at: datetime | None
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Web:
    """What the routes need, kept as ``app.state.web``."""

    sessions: Sessions
    departments: Departments
    votes: Votes
    actions: Actions
    intake: Intake
    unanswered: Unanswered
    deleting: Deleting
    conversations: Conversations
    stream: AnswerStream


async def _web(request: Request) -> Web:  # a plain function would be called in a thread
    web = request.app.state.web
    assert isinstance(web, Web)
    return web


Here = Annotated[Web, Depends(_web)]


def _with(scope: Scope) -> Callable[[Request, Web], Person]:
    def person(request: Request, web: Here) -> Person:
        return web.sessions.require(request, scope=scope)

    return person


Reader = Annotated[Person, Depends(_with(Scope.READ))]
Asker = Annotated[Person, Depends(_with(Scope.ASK))]
Editor = Annotated[Person, Depends(_with(Scope.EDIT))]
Actor = Annotated[Person, Depends(_with(Scope.ACT))]


def _owner(scope: Scope) -> Callable[[Id, Request, Web], Person]:
    def owner(question_id: Id, request: Request, web: Here) -> Person:
        person = web.sessions.require(request, scope=scope)
        unknown = web.intake.state(person, question_id) == "unknown"
        if unknown and web.conversations.answer_to(person, question_id) is None:
            raise NotFoundError("This question doesn't exist, or it isn't yours.", hint="Ask it again.")
        return person

    return owner


def _receiver(scope: Scope) -> Callable[[Id, Request, Web], Person]:
    def receiver(answer_id: Id, request: Request, web: Here) -> Person:
        person = web.sessions.require(request, scope=scope)
        if not web.conversations.owns_answer(person, answer_id):
            raise NotFoundError("This answer doesn't exist, or it isn't yours.", hint="Reload the page.")
        return person

    return receiver


Watcher = Annotated[Person, Depends(_owner(Scope.READ))]
Stopper = Annotated[Person, Depends(_owner(Scope.ASK))]
Voter = Annotated[Person, Depends(_receiver(Scope.VOTE))]
Receiver = Annotated[Person, Depends(_receiver(Scope.READ))]
Escalator = Annotated[Person, Depends(_receiver(Scope.ASK))]
Corrector = Annotated[Person, Depends(_receiver(Scope.CORRECT))]
api = APIRouter(prefix="/api/v1")


@api.get("/departments")
def departments(person: Reader, web: Here) -> list[dict[str, Any]]:
    """List the departments you may ask, with example questions."""
    askable = set(web.departments.askable(web.departments.audience_of(person)))
    return [
        {"name": department.name, "title": department.title, "examples": list(department.examples)}
        for department in web.departments.all()
        if department.name in askable
    ]


@api.post("/questions", status_code=202)
def ask(body: Ask, person: Asker, web: Here) -> Accepted:
    """Ask. The question is committed before this responds."""
    started = time.perf_counter()
    question_id = web.intake.accept(person, Asked(body.text, body.department, body.conversation, body.key))
    ACK_SECONDS.labels(NAME).observe(time.perf_counter() - started)
    return Accepted(question_id=question_id, events=f"/api/v1/questions/{question_id}/events")


@api.get("/questions")
def unanswered(person: Reader, web: Here) -> list[dict[str, Any]]:
    """List your questions that wait, are being answered or were stopped by you, oldest first."""
    return web.unanswered.of(person)


@api.post("/questions/{question_id}/stop")
async def stop(question_id: Id, _person: Stopper, web: Here) -> Stopped:
    """Stop the answer to one of your questions. It stays stopped after a restart."""
    return Stopped(stopped=await web.unanswered.stop(question_id))


@api.get("/questions/{question_id}/events", response_class=EventSourceResponse)
async def events(question_id: Id, request: Request, person: Watcher, web: Here) -> AsyncIterator[ServerSentEvent]:
    """Watch the answer as it is written."""

    def signed_in() -> bool:
        try:
            return web.sessions.require(request, scope=Scope.READ).id == person.id
        except (SignInRequiredError, ForbiddenError):
            return False

    async for event in web.stream.watch(person, question_id, signed_in):
        yield event


@api.post("/answers/{answer_id}/vote", status_code=204)
def vote(answer_id: Id, body: VoteBody, person: Voter, web: Here) -> None:
    """Vote on an answer, change the vote, or take it back."""
    web.votes.record(Vote(answer_id, person, body.value, body.reason, body.comment))


@api.post("/answers/{answer_id}/correction")
def correct(answer_id: Id, body: CorrectionBody, person: Corrector, web: Here) -> Corrected:
    """Say what the right answer would have been."""
    return Corrected(live=web.votes.correct(Correction(answer_id, person, body.text.strip())))


@api.get("/answers/{answer_id}/actions")
def actions(answer_id: Id, person: Receiver, web: Here) -> list[Action]:
    """Return what can be done next under an answer, and what came of it."""
    return [Action.model_validate(each) for each in web.conversations.actions(person, answer_id)]


@api.post("/actions/{action_id}")
async def confirm(action_id: Id, person: Actor, web: Here) -> list[Action]:
    """Confirm an action. It is done at most once: sent again, this returns what came of it.

    The response has all actions of the answer. If the state is ``unknown``, nobody can say whether it happened.
    """
    audience = await asyncio.to_thread(web.departments.audience_of, person)
    confirmed = await web.actions.confirm(action_id, person, [audience])
    answer_id = await asyncio.to_thread(web.actions.answer_of, confirmed.id)
    shown = await asyncio.to_thread(web.conversations.actions, person, answer_id)
    return [Action.model_validate(each) for each in shown]


@api.post("/answers/{answer_id}/escalation")
def ask_person(answer_id: Id, person: Escalator, web: Here) -> Escalation:
    """Hand the question of one of your answers to the people who handle its department.

    They see the question, the answer and your name. Sent again, it is still one question.
    """
    return Escalation.model_validate(web.conversations.ask_person(person, answer_id))


@api.get("/answers/{answer_id}/escalation")
def escalation(answer_id: Id, person: Receiver, web: Here) -> Escalation | None:
    """Return whether a question that you handed to a person waits, and the reply; null if you didn't."""
    found = web.conversations.escalation(person, answer_id)
    return Escalation.model_validate(found) if found is not None else None


@api.get("/conversations")
def conversations(person: Reader, web: Here, q: Annotated[str, Query(max_length=200)] = "") -> list[dict[str, Any]]:
    """List your conversations, newest first; with ``q`` those with a title or a question that contains it."""
    return web.conversations.newest(person, web.unanswered.of(person), q.strip())


@api.get("/conversations/{conversation}")
def turns(conversation: Id, person: Reader, web: Here) -> list[dict[str, Any]]:
    """Return the questions and answers of one of your conversations, oldest first."""
    return web.conversations.turns(person, conversation)


@api.get("/conversations/{conversation}/export", response_class=MarkdownFile)
def export(conversation: Id, person: Reader, web: Here) -> MarkdownFile:
    """Return one of your conversations as a Markdown file, with the sources and the replies of people."""
    turns = web.conversations.turns(person, conversation)
    if not turns:
        raise NotFoundError("This conversation doesn't exist, it isn't yours, or it has no answer yet.")
    name = f"mentee-{turns[0]['question']['asked_at']:%Y-%m-%d}.md"
    return MarkdownFile(as_markdown(turns), headers={"Content-Disposition": f'attachment; filename="{name}"'})


@api.patch("/conversations/{conversation}", status_code=204)
def rename(conversation: Id, body: Title, person: Editor, web: Here) -> None:
    """Give one of your conversations a title of at most 80 characters."""
    web.conversations.rename(person, conversation, body.title)


@api.delete("/conversations/{conversation}", status_code=204)
async def delete(conversation: Id, person: Editor, web: Here) -> None:
    """Erase one of your conversations: its questions and answers, and all that was made of them.

    Votes, corrections and curated answers go too. This can't be undone.
    """
    web.unanswered.end(await asyncio.to_thread(web.deleting.delete, person, conversation))
