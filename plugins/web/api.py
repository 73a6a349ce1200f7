"""The API of web chat, beneath the page: ask, watch, vote, correct, look back."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.app import Mentee
from bot.budget import Budget
from bot.errors import MenteeError, NotFoundError, TooLargeError
from bot.messages import Correction, Person, Vote
from bot.metrics import ACK_SECONDS
from bot.reasons import REASONS
from plugins.web.channel import NAME, accept, item_id
from plugins.web.conversations import Conversations
from plugins.web.events import answer_events
from plugins.web.sessions import Sessions

KEY = r"^[A-Za-z0-9_-]{8,64}$"
Key = Annotated[str, Field(pattern=KEY)]
Id = Annotated[str, Path(max_length=80)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Ask(_Body):
    """A question. ``key`` names this asking: sent twice, it is one question."""

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
    """What would have been right."""

    text: str = Field(max_length=8_000)


class Corrected(BaseModel):
    """Whether the correction is given at once, or waits for an agent."""

    live: bool


@dataclass(frozen=True, slots=True)
class Web:
    """What the routes need, kept as ``app.state.web``."""

    mentee: Mentee
    sessions: Sessions
    conversations: Conversations
    questions: Budget

    @classmethod
    def of(cls, mentee: Mentee, sessions: Sessions) -> "Web":
        """Return the parts for an instance."""
        per_minute = mentee.settings.limits.questions_per_minute
        budget = Budget(per_minute, f"You asked {per_minute} questions within a minute.")
        return cls(mentee, sessions, Conversations(mentee), budget)


def _web(request: Request) -> Web:
    web = request.app.state.web
    assert isinstance(web, Web)
    return web


Here = Annotated[Web, Depends(_web)]


def _asker(request: Request, web: Here) -> Person:
    return web.sessions.require(request)


Asker = Annotated[Person, Depends(_asker)]


def _watcher(question_id: Id, person: Asker, web: Here) -> Person:
    unknown = web.conversations.state(person, question_id) == "unknown"
    if unknown and web.conversations.answer_to(person, question_id) is None:
        raise NotFoundError("There is no such question of yours.", hint="Ask it again.")
    return person


def _receiver(answer_id: Id, person: Asker, web: Here) -> Person:
    if not web.conversations.owns_answer(person, answer_id):
        raise NotFoundError("There is no such answer of yours.", hint="Reload the page.")
    return person


Watcher = Annotated[Person, Depends(_watcher)]
Receiver = Annotated[Person, Depends(_receiver)]
api = APIRouter(prefix="/api")


@api.get("/departments")
def departments(person: Asker, web: Here) -> list[dict[str, Any]]:
    """List the departments you may ask, with example questions."""
    askable = set(web.mentee.departments.askable(web.mentee.departments.audience_of(person)))
    return [
        {"name": department.name, "title": department.title, "examples": list(department.examples)}
        for department in web.mentee.departments.all()
        if department.name in askable
    ]


@api.post("/questions", status_code=202)
def ask(body: Ask, person: Asker, web: Here) -> Accepted:
    """Ask. The question is committed when this answers."""
    started = time.perf_counter()
    question_id = f"q_{item_id(person, body.key)}"
    if web.conversations.state(person, question_id) == "unknown":
        _check(body, person, web.mentee)
        web.questions.spend(person.id)
        asked = {"text": body.text.strip(), "department": body.department or None, "conversation": body.conversation}
        accept(web.mentee, person, body.key, asked)
    ACK_SECONDS.labels(NAME).observe(time.perf_counter() - started)
    return Accepted(question_id=question_id, events=f"/api/questions/{question_id}/events")


@api.get("/questions/{question_id}/events", response_class=EventSourceResponse)
async def events(question_id: Id, person: Watcher, web: Here) -> AsyncIterator[ServerSentEvent]:
    """Watch the answer being written."""
    async for event in answer_events(web.mentee, web.conversations, person, question_id):
        yield event


@api.post("/answers/{answer_id}/vote", status_code=204)
def vote(answer_id: Id, body: VoteBody, person: Receiver, web: Here) -> None:
    """Vote on an answer, change the vote, or take it back."""
    web.mentee.votes.record(Vote(answer_id, person, body.value, body.reason, body.comment))


@api.post("/answers/{answer_id}/correction")
def correct(answer_id: Id, body: CorrectionBody, person: Receiver, web: Here) -> Corrected:
    """Say what would have been right."""
    return Corrected(live=web.mentee.votes.correct(Correction(answer_id, person, body.text.strip())))


@api.get("/conversations")
def conversations(person: Asker, web: Here) -> list[dict[str, Any]]:
    """List your conversations, newest first."""
    return web.conversations.newest(person)


@api.get("/conversations/{conversation}")
def turns(conversation: Id, person: Asker, web: Here) -> list[dict[str, Any]]:
    """Return the questions and answers of one of your conversations."""
    return web.conversations.turns(person, conversation)


def _check(body: Ask, person: Person, mentee: Mentee) -> None:
    limit = mentee.settings.limits.question_chars
    if len(body.text) > limit:
        raise TooLargeError(
            f"The question has {len(body.text):,} characters; at most {limit:,} are read.",
            hint="Ask about one thing at a time.",
        )
    if not body.text.strip():
        raise MenteeError("The question is empty.", hint="Type what you want to know.")
    if body.department:
        mentee.departments.require_askable(body.department, mentee.departments.audience_of(person))
