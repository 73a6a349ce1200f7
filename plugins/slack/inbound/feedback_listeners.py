"""Bolt's listeners for thumbs, reasons and corrections: they commit inbox items or open modals, and acknowledge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from plugins.slack.client.response_urls import dismiss
from plugins.slack.client.web_api import call
from plugins.slack.copy import feedback as copy
from plugins.slack.inbound import interactions
from plugins.slack.items import CORRECT_SHORTCUT, CORRECTION, PROPOSAL
from plugins.slack.outbound.blocks import VOTE_ACTION, WHY_ACTION
from plugins.slack.views import modals
from plugins.slack.views.home import CORRECT_ACTION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_bolt.async_app import AsyncAck, AsyncApp
    from slack_sdk.web.async_client import AsyncWebClient

    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.inbound.acceptor import Acceptor
    from plugins.slack.views.corrections import CorrectionModals


class FeedbackListeners:
    """Listens for what people say about an answer, and for what they write in the modals that ask for it.

    :param client: gives the Web API client of the moment.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        background: BackgroundTasks,
        corrections: CorrectionModals,
        client: Callable[[], AsyncWebClient],
    ) -> None:
        self._acceptor = acceptor
        self._background = background
        self._corrections = corrections
        self._client = client

    def register(self, app: AsyncApp) -> None:
        """Add the listeners."""
        app.action(VOTE_ACTION)(self._vote)
        app.action(WHY_ACTION)(self._why)
        app.view(modals.REASON_CALLBACK)(self._reason)
        app.action(CORRECT_ACTION)(self._correct)
        app.message_shortcut(CORRECT_SHORTCUT)(self._shortcut)
        app.view(modals.CORRECT_CALLBACK)(partial(self._written, kind=CORRECTION))
        app.view(modals.PROPOSE_CALLBACK)(partial(self._written, kind=PROPOSAL))

    async def _vote(self, body: dict[str, Any], ack: AsyncAck) -> None:
        item = interactions.thumb(body)
        accepted = item is not None and await self._acceptor.accept(item)
        await ack()
        if item is not None and accepted and item.payload["value"] == "down":
            self._background.run("ask for a reason", partial(self._ask, body["trigger_id"], item.payload))

    async def _why(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        about, url = modals.why(body), body.get("response_url", "")
        self._background.run("ask for a reason", partial(self._ask, body["trigger_id"], about, url))

    async def _reason(self, body: dict[str, Any], ack: AsyncAck) -> None:
        values = modals.submitted(body["view"])
        problems = modals.problems(values)
        if problems:
            await ack(response_action="errors", errors=problems)
            return
        await self._acceptor.accept(interactions.reason(body, values))
        await ack()

    async def _correct(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        self._background.run("correction", partial(self._corrections.of_home, body))

    async def _shortcut(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        self._background.run("correction", partial(self._corrections.of_message, body))

    async def _written(self, body: dict[str, Any], ack: AsyncAck, *, kind: str) -> None:
        text = modals.submitted(body["view"])[modals.CORRECTION]
        if not text:
            await ack(response_action="errors", errors={modals.CORRECTION: copy.correction_missing()})
            return
        again = await self._corrections.decided_meanwhile(body, text) if kind == CORRECTION else None
        if again is not None:
            await ack(response_action="update", view=again)
            return
        await self._acceptor.accept(interactions.correction(body, text, kind))
        await ack()

    async def _ask(self, trigger_id: str, about: Mapping[str, Any], response_url: str = "") -> None:
        """Open the modal. The vote is committed, so one that does not open loses nothing.

        :param response_url: of the message that asked for a reason, to remove it.
        """
        client = self._client()
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=modals.reason_modal(about))
        await dismiss(response_url)
