"""What an asker is told when a question can't be answered, and what the operators find in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from bot.delivery.events import AnswerEvents
from bot.delivery.questions import APOLOGY, QuestionHandler
from bot.delivery.worker import Lease
from bot.domain.answers import AnswerEvent, Failed, Status
from bot.domain.deliveries import InboxItem
from bot.domain.errors import ArtifactError, EngineError, MenteeError, NotFoundError, SettingsError, TooLargeError
from bot.domain.people import Person
from bot.domain.questions import Question

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ITEM = InboxItem("test", "question", {}, "event", "message", id="in_1")


class Asking:
    """A channel with one question, and what its asker is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def handle(self, _item: InboxItem) -> Question:
        return Question("Are hotels tax exempt?", Person("user:ada"), channel="test")

    def refuse(self, _item: InboxItem, _question: Question | None, text: str, *, given_up: bool = False) -> None:
        assert not given_up
        self.told.append(text)


async def told(error: MenteeError) -> tuple[str, list[Any]]:
    async def answer(_question: Question) -> AsyncGenerator[AnswerEvent, None]:
        yield Status("Searching")
        raise error

    async def record(*_: object, **__: object) -> bool:
        raise AssertionError

    asking, events = Asking(), AnswerEvents()
    channels: Any = {"test": asking}
    unanswered: Any = asking
    handler = QuestionHandler(channels, answer, record, events=events, unanswered=unanswered, delivered=lambda: None)
    with capture_logs() as lines:
        await handler.handle(ITEM, Lease())
    *_, last = [event async for event in events.watch("q_in_1")]
    assert asking.told == [last.text if isinstance(last, Failed) else ""]
    return asking.told[0], lines


@pytest.mark.parametrize(
    "error",
    [
        ArtifactError("There is no adapter in /srv/mentee/adapters/it-1.", hint="Give a folder that Mentee wrote."),
        EngineError("The server http://10.0.0.5:8000 rejected the API key: sk-12.", hint="Set MENTEE_MODEL_API_KEY."),
        SettingsError("Setting 'store.url' is not a database address."),
    ],
)
async def test_what_only_operators_can_mend_is_logged_and_not_shown_to_the_asker(error: MenteeError) -> None:
    text, lines = await told(error)
    assert text == APOLOGY
    assert [(line["log_level"], line["problem"]) for line in lines] == [("error", str(error))]


@pytest.mark.parametrize(
    "error",
    [TooLargeError("The question has 9 characters."), NotFoundError("There is no department."), MenteeError("No.")],
)
async def test_what_the_asker_can_mend_is_shown(error: MenteeError) -> None:
    assert await told(error) == (str(error), [])
