"""The modal in which an operator sets a channel's manners, opened by ``/mentee channel``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.errors import ForbiddenError, SettingsError
from bot.messages import Role
from plugins.slack.client import call
from plugins.slack.conversations.channels import CHANNEL_ID, Channels, checked
from plugins.slack.conversations.connect import others_read
from plugins.slack.texts import channels as texts
from plugins.slack.workspaces import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.departments import Department
    from bot.messages import InboxItem
    from plugins.slack.conversations.channels import ChannelSettings

CALLBACK = "mentee_channel"
OPTIONS = 100
OPTION_CHARACTERS = 75


class ChannelForm:
    """Opens the modal and saves what was entered.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._client = client
        self._channels = Channels(mentee)

    def refusal(self, user: str, channel: str) -> str:
        """Return why the modal does not open for this person there; empty when it does. Blocking."""
        person = self._mentee.departments.person(person_id(user))
        if not person.role.includes(Role.OPERATOR):
            return texts.form_operators_only()
        return "" if CHANNEL_ID.fullmatch(channel) else texts.form_where()

    async def open(self, trigger_id: str, channel: str) -> None:
        """Open the modal.

        :raises MenteeError: Slack does not take it.
        """
        settings = await self._mentee.store.run(self._channels.get, channel)
        departments = await self._mentee.store.run(self._mentee.departments.all)
        external = await others_read(self._client(), channel)
        view = form_view(channel, settings, departments, external=external)
        client = self._client()
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=view)

    def save(self, item: InboxItem) -> None:
        """Store what an operator entered; who is no operator (any more) is refused. Blocking.

        :raises ForbiddenError: the person is no operator.
        :raises MenteeError: a department is gone.
        """
        user, channel = item.payload["user"], item.payload["channel"]
        if self.refusal(user, channel):
            raise ForbiddenError("Only operators change a channel's settings.")
        self._channels.change(channel, item.payload["values"], actor=person_id(user))


def form_view(
    channel: str, settings: ChannelSettings, departments: Sequence[Department], *, external: bool
) -> dict[str, Any]:
    """Return the modal with the settings in force."""
    intro = {"type": "mrkdwn", "text": texts.form_intro(channel, external=external)}
    reads = {"type": "mrkdwn", "text": texts.form_reads(settings.reads)}
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": intro},
        {"type": "context", "elements": [reads]},
        *_departments(settings, departments),
        *(_choice(name, settings) for name in texts.CHOICES),
        _input("askers", {"type": "plain_text_input", "initial_value": " ".join(settings.askers)}, optional=True),
    ]
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": _plain(texts.form_title()),
        "submit": _plain(texts.form_submit()),
        "close": _plain(texts.form_close()),
        "private_metadata": json.dumps({"channel": channel}),
        "blocks": blocks,
    }


def entered(view: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the channel and the values that were entered, for :meth:`Channels.change`."""
    values: dict[str, Any] = {}
    for inputs in view["state"]["values"].values():
        for name, state in inputs.items():
            if "selected_options" in state:
                values[name] = [option["value"] for option in state["selected_options"] or ()]
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


def _departments(settings: ChannelSettings, departments: Sequence[Department]) -> list[dict[str, Any]]:
    """Return the choice of departments, none where there are no departments yet."""
    if not departments:
        return []
    options = [_option(each.name, each.title[:OPTION_CHARACTERS] or each.name) for each in departments[:OPTIONS]]
    chosen = [option for option in options if option["value"] in settings.departments]
    element = {"type": "multi_static_select", "options": options, **({"initial_options": chosen} if chosen else {})}
    return [_input("departments", element, optional=True)]


def _choice(name: str, settings: ChannelSettings) -> dict[str, Any]:
    options = [_option(value, text) for value, text in texts.CHOICES[name].items()]
    value = getattr(settings, name)
    now = value if isinstance(value, str) else json.dumps(value)
    chosen = next(option for option in options if option["value"] == now)
    return _input(name, {"type": "radio_buttons", "options": options, "initial_option": chosen})


def _from_choice(value: str) -> Any:
    return json.loads(value) if value in ("true", "false", "null") else value


def _option(value: str, text: str) -> dict[str, Any]:
    return {"text": _plain(text), "value": value}


def _input(name: str, element: dict[str, Any], *, optional: bool = False) -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": name,
        "label": _plain(texts.LABELS[name]),
        "element": {**element, "action_id": name},
        "optional": optional,
    }


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}
