"""Actions: what a plugin offers to do under an answer, and what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from bot.domain.identifiers import new_id, now
from bot.domain.questions import cleaned, is_text

if TYPE_CHECKING:
    from collections.abc import Iterable

ActionStyle = Literal["default", "primary", "danger"]
"""How a button looks. ``danger`` always asks once more before it counts."""

ActionState = Literal["offered", "running", "done", "failed", "unknown", "expired", "cancelled"]
"""How far an action is.

``unknown`` means that nobody can say whether it happened: it took too long, or the process that ran it died.
``cancelled`` means that another action of the same offer was confirmed instead.
"""

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
LABEL_CHARACTERS = 75
CONFIRM_CHARACTERS = 300
RESULT_CHARACTERS = 2_000
PAYLOAD_BYTES = 4_096
MOST_SECONDS = 30 * 24 * 3600.0
MOST_ACTIONS = 5
"""Actions in one offer: an answer's, or a result's."""

SURE = "Are you sure?"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a plugin offers to do, shown as a button under its answer.

    When the person who asked confirms it, Mentee calls the plugin's ``on_action``, at most once.

    :param name: what your ``on_action`` recognizes it by: lower-case letters, digits, ``_`` and ``-``.
    :param label: the text of the button, at most 75 characters.
    :param payload: what your ``on_action`` needs, as JSON of at most 4 KiB. It is copied, stored until the action ends,
        and never shown.
    :param style: ``primary`` for the usual choice, ``danger`` for what can't be undone.
    :param confirm: a question to ask before the button counts, at most 300 characters. A ``danger`` button without one
        asks "Are you sure?".
    :param expires_in: seconds during which it can be confirmed, from 1 to 30 days (2,592,000).
    :raises ValueError: a value is out of these bounds.
    """

    name: str
    label: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    style: ActionStyle = "default"
    confirm: str = ""
    expires_in: float = 3600.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ValueError(
                f"An action can't have the name {self.name!r}. "
                "Use up to 64 lower-case letters, digits, _ and -, such as open_ticket."
            )
        self._check_text("label", self.label, LABEL_CHARACTERS)
        if self.confirm:
            self._check_text("confirm", self.confirm, CONFIRM_CHARACTERS)
        if self.style not in get_args(ActionStyle):
            known = ", ".join(get_args(ActionStyle))
            raise ValueError(f"Action {self.name!r} has the style {self.style!r}. Expected one of {known}.")
        if not isinstance(self.expires_in, int | float) or not 1 <= self.expires_in <= MOST_SECONDS:
            raise ValueError(f"Action {self.name!r} expires in {self.expires_in!r} s. Expected 1 second to 30 days.")
        object.__setattr__(self, "payload", self._stored_payload())

    def _check_text(self, what: str, text: Any, limit: int) -> None:
        if not isinstance(text, str) or not text.strip() or len(text) > limit or not is_text(text):
            raise ValueError(f"Action {self.name!r} has the {what} {text!r:.100}. Expected 1 to {limit} characters.")

    def _stored_payload(self) -> dict[str, Any]:
        """Return the payload as it comes back from the database."""
        if not isinstance(self.payload, Mapping):
            kind = type(self.payload).__name__
            raise ValueError(f"The payload of action {self.name!r} is a {kind}. Expected a mapping.")  # noqa: TRY004 - one error for what doesn't fit
        try:
            written = json.dumps(dict(self.payload), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The payload of action {self.name!r} isn't JSON: {error}.") from None
        if len(written) > PAYLOAD_BYTES:
            raise ValueError(
                f"The payload of action {self.name!r} has {len(written):,} bytes as JSON. The limit is "
                f"{PAYLOAD_BYTES:,}. Store what is larger, and put its id in the payload."
            )
        payload: dict[str, Any] = json.loads(written)
        if cleaned(payload) != payload:
            raise ValueError(
                f"The payload of action {self.name!r} has a NUL or an unpaired surrogate, which no database can store."
            )
        return payload


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of a confirmed action.

    :param text: what the person reads, at most 2,000 characters; longer texts are cut.
    :param ok: ``False`` if it didn't happen.
    :param actions: what can be done next, such as to try again or to undo it.
    :raises ValueError: the text is empty, or the actions can't be offered together.
    """

    text: str
    ok: bool = True
    actions: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip() or not is_text(self.text):
            raise ValueError(f"The text of an ActionResult is {self.text!r:.100}. Say what happened, in a sentence.")
        if not isinstance(self.ok, bool):
            raise ValueError(f"ActionResult.ok is {self.ok!r:.100}. Expected True or False.")  # noqa: TRY004 - one error for what doesn't fit
        object.__setattr__(self, "actions", offered_together(self.actions))


@dataclass(frozen=True, slots=True)
class OfferedAction:
    """An action under an answer, offered to the person who asked, and how far it is.

    :param plugin: the plugin that offered it, and whose ``on_action`` is called.
    :param id: also the idempotency key of the call.
    :param result: the text of what came of it, once it has ended.
    """

    plugin: str
    action: Action
    id: str = field(default_factory=lambda: new_id("act"))
    offered_at: datetime = field(default_factory=now)
    state: ActionState = "offered"
    result: str = ""

    @property
    def expires_at(self) -> datetime:
        """When it can't be confirmed any more."""
        return self.offered_at + timedelta(seconds=self.action.expires_in)

    @property
    def confirm(self) -> str:
        """What to ask before it counts, or an empty text."""
        return self.action.confirm or (SURE if self.action.style == "danger" else "")

    def shown(self) -> dict[str, Any]:
        """Return what a channel shows of it: everything but the payload."""
        return {
            "id": self.id,
            "label": self.action.label,
            "style": self.action.style,
            "confirm": self.confirm,
            "expires_at": self.expires_at.isoformat().replace("+00:00", "Z"),
            "state": self.state,
            "result": self.result,
        }


def offered_together(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Return actions as one offer.

    :raises ValueError: there are too many, or one isn't an :class:`Action`.
    """
    if isinstance(actions, Action) or not hasattr(actions, "__iter__"):
        raise ValueError(f"actions is {actions!r:.100}. Expected a list of Action.")
    offer = tuple(actions)
    for each in offer:
        if not isinstance(each, Action):
            raise ValueError(f"actions holds {each!r:.100}. Expected only Action.")  # noqa: TRY004 - one error for what doesn't fit
    if len(offer) > MOST_ACTIONS:
        raise ValueError(f"An answer offers {len(offer)} actions. The limit is {MOST_ACTIONS}.")
    return offer
