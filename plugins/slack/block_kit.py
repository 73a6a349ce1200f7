"""The pieces of Block Kit that messages and views are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.slack.copy.formats import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

SECTION_CHARACTERS = 3_000

Block = dict[str, Any]


def plain(text: str) -> Block:
    """Return a text without markup."""
    return {"type": "plain_text", "text": text}


def section(text: str) -> Block:
    """Return a paragraph in Slack's own markup; what people wrote in it is escaped already."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": shortened(text, SECTION_CHARACTERS)}}


def words(text: str, most: int) -> Block:
    """Return what people or the model wrote, without any markup taking effect."""
    return {"type": "section", "text": plain(shortened(text.strip(), most) or "…")}


def context(lines: Iterable[str]) -> Block:
    """Return small print in Slack's own markup."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": line} for line in lines]}


def header(text: str) -> Block:
    """Return a heading."""
    return {"type": "header", "text": plain(text)}


def button(action: str, label: str, value: str) -> Block:
    """Return a button."""
    return {"type": "button", "action_id": action, "text": plain(label), "value": value}


def confirmation(title: str, text: str, yes: str, no: str) -> Block:
    """Return the question that follows a button before it counts."""
    return {"title": plain(title), "text": plain(text), "confirm": plain(yes), "deny": plain(no)}


def actions(buttons: Iterable[Block]) -> Block:
    """Return a row of buttons."""
    return {"type": "actions", "elements": list(buttons)}


def option(value: str, label: str) -> Block:
    """Return one choice of an input."""
    return {"text": plain(label), "value": value}


def text_input(most: int) -> Block:
    """Return a field for several lines."""
    return {"type": "plain_text_input", "multiline": True, "max_length": most}


def input_block(name: str, label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    """Return an input of a modal, by whose name its value is found again."""
    block = {
        "type": "input",
        "block_id": name,
        "label": plain(label),
        "element": {**element, "action_id": name},
        "optional": optional,
    }
    return {**block, "hint": plain(hint)} if hint else block


def modal(title: str, close: str, blocks: Iterable[Block], **more: Any) -> Block:
    """Return a modal.

    :param more: such as ``submit`` (a label), ``callback_id`` and ``private_metadata``.
    """
    submit = {"submit": plain(more.pop("submit"))} if "submit" in more else {}
    return {"type": "modal", "title": plain(title), **submit, "close": plain(close), "blocks": list(blocks), **more}
