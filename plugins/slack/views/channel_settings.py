"""The modal in which an operator sets how Mentee behaves in a channel, opened by ``/mentee channel``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.domain.errors import SettingsError
from bot.domain.people import Role
from plugins.slack.block_kit import Block, context, input_block, modal, option, section
from plugins.slack.client.web_api import call
from plugins.slack.copy import channels as copy
from plugins.slack.workspaces.channels import CHANNEL_ID, checked
from plugins.slack.workspaces.connect import others_read
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Department, Departments
    from bot.storage.session import Store
    from plugins.slack.workspaces.channels import Channels, ChannelSettings

CALLBACK = "mentee_channel"
OPTIONS = 100
OPTION_CHARACTERS = 75


class ChannelSettingsForm:
    """Opens the modal.

    :param client: gives the Web API client of the moment.
    """

    def __init__(
        self, store: Store, departments: Departments, channels: Channels, client: Callable[[], AsyncWebClient]
    ) -> None:
        self._store = store
        self._departments = departments
        self._channels = channels
        self._client = client

    def refusal(self, user: str, channel: str) -> str:
        """Return why the modal does not open for this person there; empty when it does. Blocking."""
        person = self._departments.person(person_id(user))
        if not person.role.includes(Role.OPERATOR):
            return copy.form_operators_only()
        return "" if CHANNEL_ID.fullmatch(channel) else copy.form_where()

    async def open(self, trigger_id: str, channel: str) -> None:
        """Open the modal.

        :raises MenteeError: Slack does not take it.
        """
        settings = await self._store.run(self._channels.get, channel)
        departments = await self._store.run(self._departments.all)
        client = self._client()
        view = form_view(channel, settings, departments, external=await others_read(client, channel))
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=view)


def form_view(channel: str, settings: ChannelSettings, departments: Sequence[Department], *, external: bool) -> Block:
    """Return the modal with the settings in force."""
    blocks = [
        section(copy.form_intro(channel, external=external)),
        context([copy.form_reads(settings.reads)]),
        *_departments(settings, departments),
        *(_choice(name, settings) for name in copy.CHOICES),
        input_block(
            "askers",
            copy.LABELS["askers"],
            {"type": "plain_text_input", "initial_value": " ".join(settings.askers)},
            optional=True,
        ),
    ]
    return modal(
        copy.form_title(),
        copy.form_close(),
        blocks,
        submit=copy.form_submit(),
        callback_id=CALLBACK,
        private_metadata=json.dumps({"channel": channel}),
    )


def entered(view: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the channel and the values that were entered, for :meth:`Channels.change`."""
    values: dict[str, Any] = {}
    for inputs in view["state"]["values"].values():
        for name, state in inputs.items():
            if "selected_options" in state:
                values[name] = [each["value"] for each in state["selected_options"] or ()]
            elif "selected_option" in state:
                values[name] = _from_choice((state["selected_option"] or {}).get("value", "null"))
            else:
                values[name] = state.get("value") or ""
    return json.loads(view["private_metadata"])["channel"], values


def problems(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what Slack shows at which input; empty when the modal may close."""
    found = {}
    for name, value in values.items():
        try:
            checked({name: value})
        except SettingsError as error:
            found[name] = error.text
    return found


def _departments(settings: ChannelSettings, departments: Sequence[Department]) -> list[Block]:
    """Return the choice of departments, none where there are no departments yet."""
    if not departments:
        return []
    options = [option(each.name, each.title[:OPTION_CHARACTERS] or each.name) for each in departments[:OPTIONS]]
    chosen = [each for each in options if each["value"] in settings.departments]
    element = {"type": "multi_static_select", "options": options, **({"initial_options": chosen} if chosen else {})}
    return [input_block("departments", copy.LABELS["departments"], element, optional=True)]


def _choice(name: str, settings: ChannelSettings) -> Block:
    options = [option(value, text) for value, text in copy.CHOICES[name].items()]
    value = getattr(settings, name)
    now = value if isinstance(value, str) else json.dumps(value)
    chosen = next(each for each in options if each["value"] == now)
    element = {"type": "radio_buttons", "options": options, "initial_option": chosen}
    return input_block(name, copy.LABELS[name], element)


def _from_choice(value: str) -> Any:
    return json.loads(value) if value in ("true", "false", "null") else value
