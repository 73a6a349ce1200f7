"""Which answer a message of ours carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.client import SlackRefusedError
from plugins.slack.conversations.threads import Threads
from plugins.slack.events import NAME

if TYPE_CHECKING:
    from bot.app import Mentee
    from plugins.slack.answers.delivery import Poster


class Lookup:
    """Finds answers by what was posted."""

    def __init__(self, mentee: Mentee, poster: Poster) -> None:
        self._mentee = mentee
        self._poster = poster
        self._threads = Threads(mentee.store)

    async def answer_under(self, channel: str, ts: str) -> str | None:
        """Return the answer posted there; Slack is asked where we do not know, as for the first part of a long one.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        run = self._mentee.store.run
        answer_id = await run(self._mentee.outbox.find_answer, NAME, f"{channel}:{ts}")
        if answer_id is not None:
            return answer_id
        try:
            outbox_id = await self._poster.outbox_id_of(channel, ts)
        except SlackRefusedError:
            return None
        return await run(self._threads.answer_of, outbox_id) if outbox_id else None
