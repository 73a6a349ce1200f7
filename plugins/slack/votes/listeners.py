"""Bolt's listeners for thumbs, reasons and corrections: they commit inbox rows or open modals, and acknowledge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from plugins.slack import events
from plugins.slack.answers.render import VOTE_ACTION
from plugins.slack.client import call
from plugins.slack.conversations.whispers import dismiss
from plugins.slack.install.manifest import CORRECT_SHORTCUT
from plugins.slack.texts import votes as texts
from plugins.slack.votes import modal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slack_bolt.async_app import AsyncAck, AsyncApp
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.messages import InboxItem
    from plugins.slack.surfaces.errands import Errands
    from plugins.slack.votes.correcting import Correcting


class FeedbackListeners:
    """Listens for what people say of an answer, and for what they write in the modals that ask for it.

    :param accept: commits an inbox item.
    :param client: gives the Web API client of the moment.
    """

    def __init__(
        self,
        accept: Callable[[InboxItem], Awaitable[bool]],
        errands: Errands,
        correcting: Correcting,
        client: Callable[[], AsyncWebClient],
    ) -> None:
        self._accept = accept
        self._errands = errands
        self._correcting = correcting
        self._client = client

    def register(self, app: AsyncApp) -> None:
        """Add the listeners."""
        app.action(VOTE_ACTION)(self._vote)
        app.action(modal.WHY_ACTION)(self._why)
        app.view(modal.CALLBACK)(self._reason)
        app.message_shortcut(CORRECT_SHORTCUT)(self._shortcut)
        app.view(modal.CORRECT_CALLBACK)(partial(self._written, kind=events.CORRECTION))
        app.view(modal.PROPOSE_CALLBACK)(partial(self._written, kind=events.PROPOSAL))

    async def _vote(self, body: dict[str, Any], ack: AsyncAck) -> None:
        item = events.press(body)
        accepted = item is not None and await self._accept(item)
        await ack()
        if item is not None and accepted and item.payload["value"] == "down":
            self._errands.run("ask for a reason", partial(self._ask, body["trigger_id"], item.payload))

    async def _why(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        about, url = modal.why(body), body.get("response_url", "")
        self._errands.run("ask for a reason", partial(self._ask, body["trigger_id"], about, url))

    async def _reason(self, body: dict[str, Any], ack: AsyncAck) -> None:
        values = modal.submitted(body["view"])
        problems = modal.problems(values)
        if problems:
            await ack(response_action="errors", errors=problems)
            return
        await self._accept(events.submission(body, values))
        await ack()

    async def _shortcut(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        self._errands.run("correction", partial(self._correcting.of_message, body))

    async def _written(self, body: dict[str, Any], ack: AsyncAck, *, kind: str) -> None:
        text = modal.submitted(body["view"])[modal.CORRECTION]
        if not text:
            await ack(response_action="errors", errors={modal.CORRECTION: texts.correction_missing()})
            return
        await self._accept(events.correction(body, text, kind))
        await ack()

    async def _ask(self, trigger_id: str, about: Mapping[str, Any], response_url: str = "") -> None:
        """Open the modal. The vote is committed, so one that does not open loses nothing.

        :param response_url: of the message that asked for a reason, to take it away.
        """
        client = self._client()
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=modal.reason_modal(about))
        await dismiss(response_url)
