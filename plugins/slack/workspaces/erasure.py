"""Tells the ids by which Slack's data know a person, so that erasing finds them in installations and items too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.items import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.ports import Erasure


class PersonEraser:
    """Implements :class:`bot.domain.ports.Eraser`. The core replaces the ids in this plugin's tables."""

    name = NAME

    def erase(self, erasure: Erasure) -> Mapping[str, int]:  # noqa: ARG002 - the signature is the protocol's
        """Do nothing: no file is Slack's. Messages in Slack are kept or deleted by the workspace."""
        return {}

    def aliases(self, erasure: Erasure) -> tuple[str, ...]:
        """Return Slack's own id of a person, which stands without ``slack:`` in events and installations."""
        channel, _, user = erasure.person.rpartition(":")
        return (user,) if channel.partition(":")[0] == NAME else ()

    def orphans(self) -> tuple[str, ...]:
        """Return nothing: an installation belongs to its workspace."""
        return ()
