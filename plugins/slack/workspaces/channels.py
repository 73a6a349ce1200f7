"""How Mentee behaves in each Slack channel: what an operator set, and what holds where nobody set anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.access.places import Place
from bot.domain.errors import SettingsError
from bot.domain.people import EVERYONE, Audience
from plugins.slack.items import NAME
from plugins.slack.workspaces.current import channel_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.access.places import Places
    from plugins.slack.settings import SlackSettings

CHANNEL_ID = re.compile(r"(?:T[A-Z0-9]+:)?[CG][A-Z0-9]{1,20}")
GROUP_ID = r"^S[A-Z0-9]{1,20}$"


def _names(value: Any) -> Any:
    """Split names that were written in one line."""
    return re.findall(r"[^,\s]+", value) if isinstance(value, str) else value or ()


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class ChannelSettings(BaseModel):
    """The settings of one channel, described by ``mentee slack channel`` and in docs/how-to/slack-channels.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    departments: Names = Field((), description="Departments that answer. Empty: all that are open to the channel.")
    reads: Names = Field(
        (), description="What everyone in the channel may read besides open documents: department:hr, …"
    )
    answers: Literal["tagged", "all", "never"] = Field(
        "tagged", description="tagged: answer mentions. all: also answer other questions. never: don't answer."
    )
    follow_ups: bool = Field(default=True, description="Answer without a mention in threads that Mentee is part of.")
    quiet: Literal["off", "react", "silent"] = Field(
        "off",
        description="If nobody mentioned Mentee and it finds nothing: off: say so. react: add a 🤷. silent: nothing.",
    )
    askers: Annotated[tuple[Annotated[str, Field(pattern=GROUP_ID)], ...], BeforeValidator(_names)] = Field(
        (), description="Slack user groups (S…) whose members may ask. Empty: everyone in the channel."
    )
    private_first: bool = Field(
        default=False, description="Show the answer only to the asker, who can share or discard it."
    )
    train_eligible: bool | None = Field(
        None,
        description="Whether rounds may learn from it. null: as slack.train_eligible, never in Slack Connect.",
    )


STORED_APART = ("departments", "reads", "train_eligible")
"""Fields that the core knows by columns of their own; the others are the row's ``config``."""


class Channels:
    """Reads and writes the settings of channels. Blocking: call it in a worker thread."""

    def __init__(self, places: Places, slack: SlackSettings) -> None:
        self._places = places
        self._slack = slack

    def get(self, channel: str) -> ChannelSettings:
        """Return a channel's settings; where nobody set any, the defaults, with ``slack.answers`` of the instance."""
        place = self._places.get(channel_id(channel))
        if place is not None:
            return _settings(place)
        return ChannelSettings(answers=self._slack.answers)

    def all(self) -> dict[str, ChannelSettings]:
        """Return the channels that an operator configured, by id."""
        return {place.id.partition(":")[2]: _settings(place) for place in self._places.all(NAME)}

    def change(self, channel: str, values: Mapping[str, Any], *, actor: str) -> ChannelSettings:
        """Change some of a channel's settings; an audit row says who did.

        :raises SettingsError: ``channel`` is no channel's id, or a name or a value is unusable; nothing is changed.
        :raises NotFoundError: a department does not exist.
        """
        if not CHANNEL_ID.fullmatch(channel):
            raise SettingsError(
                f"{channel!r} isn't a Slack channel. Expected an id such as C024BE91L.",
                hint="Slack shows it at the bottom of the channel's details.",
            )
        changed = checked({**self.get(channel).model_dump(), **values})
        place = Place(
            channel_id(channel),
            departments=changed.departments,
            principals=changed.reads,
            train_eligible=changed.train_eligible,
            config=changed.model_dump(mode="json", exclude={*STORED_APART}),
        )
        self._places.configure(place, actor=actor)
        return changed

    def audience(self, settings: ChannelSettings, *, external: bool) -> Audience:
        """Return who reads what is posted in a channel with these settings.

        :param external: another company reads along: then only what an operator gave this very channel counts.
        """
        return Audience(frozenset(settings.reads if external else (*settings.reads, EVERYONE)))

    def trains(self, settings: ChannelSettings, *, external: bool) -> bool:
        """Return whether rounds may learn from what is asked in a channel with these settings."""
        if settings.train_eligible is not None:
            return settings.train_eligible
        return self._slack.train_eligible and not external


def checked(values: Mapping[str, Any]) -> ChannelSettings:
    """Return the settings with these values.

    :raises SettingsError: names the first that is unknown or unusable, what was found and what was expected.
    """
    try:
        return ChannelSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        known = ChannelSettings.model_fields.get(name)
        hint = f"{name}: {known.description}" if known else f"Settings: {', '.join(ChannelSettings.model_fields)}."
        raise SettingsError(
            f"Channel setting {name!r}: {first['msg']} (found {first.get('input')!r}).", hint=hint
        ) from None


def _settings(place: Place) -> ChannelSettings:
    apart = {"departments": place.departments, "reads": place.principals, "train_eligible": place.train_eligible}
    return ChannelSettings.model_validate({**place.config, **apart})
