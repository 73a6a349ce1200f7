"""The settings of a channel as an operator entered them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bot.domain.errors import ForbiddenError, MenteeError
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from bot.domain.deliveries import InboxItem
    from bot.storage.session import Store
    from plugins.slack.views.channel_settings import ChannelSettingsForm
    from plugins.slack.workspaces.channels import Channels

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelSettingsHandler:
    """Saves what was entered, unless the person is no operator (any more) or a department is gone."""

    store: Store
    channels: Channels
    form: ChannelSettingsForm

    async def handle(self, item: InboxItem) -> None:
        """Save the settings, or log why not."""
        try:
            await self.store.run(self._save, item)
        except MenteeError as error:
            log.warning("slack_channel_settings_refused", channel=item.payload["channel"], problem=error.text)

    def _save(self, item: InboxItem) -> None:
        user, channel = item.payload["user"], item.payload["channel"]
        if self.form.refusal(user, channel):
            raise ForbiddenError("Only operators can change a channel's settings.")
        self.channels.change(channel, item.payload["values"], actor=person_id(user))
