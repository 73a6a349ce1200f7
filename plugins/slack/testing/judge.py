"""Judges Block Kit as Slack would: limits from Slack's documentation and slack-sdk's models.

``msg_blocks_too_long`` is not documented; in practice it comes near 13,200 characters (slackapi/bolt-js#2509).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BLOCKS = 50
VIEW_BLOCKS = 100
ALL_CHARACTERS = 13_200
MESSAGE_TEXT = 40_000
MARKDOWN = 12_000
SECTION_TEXT = 3_000
IDS = 255
CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
"""Longest texts of the question that follows a button."""


def message_problems(text: str, blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why Slack would refuse a message; empty when it would not."""
    problems = [] if text or blocks else ["no_text"]
    if len(text) > MESSAGE_TEXT:
        problems.append("msg_too_long")
    if sum(map(_characters, blocks)) > ALL_CHARACTERS:
        problems.append("msg_blocks_too_long")
    markdown = sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")
    if markdown > MARKDOWN:
        problems.append(f"invalid_blocks: {markdown} characters of markdown in one message")
    return problems + _blocks(
        blocks, BLOCKS, {"markdown", "context_actions", "section", "context", "header", "divider", "actions"}
    )


def view_problems(view: Mapping[str, Any]) -> list[str]:
    """Return why Slack would refuse a modal; empty when it would not."""
    problems = [] if view.get("type") == "modal" else ["invalid_arguments: not a modal"]
    for part in ("title", "submit", "close"):
        if part in view:
            problems += _text(view[part], part, 24, plain=True)
    if len(view.get("private_metadata", "")) > 3_000:
        problems.append("invalid_arguments: private_metadata over 3000")
    if len(view.get("callback_id", "")) > IDS:
        problems.append("invalid_arguments: callback_id over 255")
    return problems + _blocks(view.get("blocks", ()), VIEW_BLOCKS, {"input", "section", "context", "divider", "header"})


def home_problems(view: Mapping[str, Any]) -> list[str]:
    """Return why Slack would refuse a Home tab; empty when it would not."""
    problems = [] if view.get("type") == "home" else ["invalid_arguments: not a Home tab"]
    problems += [f"invalid_arguments: a Home tab with {part}" for part in ("title", "submit", "close") if part in view]
    blocks = view.get("blocks", ())
    problems += [] if blocks else ["invalid_arguments: no blocks"]
    return problems + _blocks(blocks, VIEW_BLOCKS, {"section", "context", "divider", "header", "actions", "input"})


def _blocks(blocks: Sequence[Mapping[str, Any]], most: int, kinds: set[str]) -> list[str]:
    problems = [f"{len(blocks)} blocks"] if len(blocks) > most else []
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        problems.append("a block_id twice")
    for block in blocks:
        kind = block.get("type", "")
        problems += _block(block, kind) if kind in kinds else [f"block type {kind!r}"]
    return [f"invalid_blocks: {problem}" for problem in problems]


def _block(block: Mapping[str, Any], kind: str) -> list[str]:
    return ([f"block_id over {IDS}"] if len(block.get("block_id", "")) > IDS else []) + _CHECKS[kind](block)


def _markdown(block: Mapping[str, Any]) -> list[str]:
    return [] if 0 < len(block.get("text", "")) <= MARKDOWN else ["markdown empty or over 12000"]


def _section(block: Mapping[str, Any]) -> list[str]:
    fields = block.get("fields", ())
    problems = ["section over 10 fields"] if len(fields) > 10 else []
    for field in fields:
        problems += _text(field, "field", 2_000)
    if "accessory" in block:
        problems += _button(block["accessory"])
    if "text" in block:
        problems += _text(block["text"], "section", SECTION_TEXT)
    elif not fields:
        problems.append("empty section")
    return problems


def _header(block: Mapping[str, Any]) -> list[str]:
    return _text(block.get("text"), "header", 150, plain=True)


def _context(block: Mapping[str, Any]) -> list[str]:
    elements = block.get("elements", ())
    problems = [] if 1 <= len(elements) <= 10 else [f"context with {len(elements)} elements"]
    for element in elements:
        problems += _text(element, "context", SECTION_TEXT)
    return problems


def _actions(block: Mapping[str, Any]) -> list[str]:
    elements = block.get("elements", ())
    problems = [] if 1 <= len(elements) <= 25 else [f"actions with {len(elements)} elements"]
    for element in elements:
        problems += _button(element)
    return problems


def _button(element: Mapping[str, Any]) -> list[str]:
    problems = _identified(element) + _text(element.get("text"), "button", 75, plain=True)
    problems += ["button value over 2000"] if len(element.get("value", "")) > 2_000 else []
    problems += [] if element.get("style", "primary") in ("primary", "danger") else [f"style {element['style']!r}"]
    for part, most in CONFIRM.items() if "confirm" in element else ():
        problems += _text(element["confirm"].get(part), f"confirm {part}", most, plain=part != "text")
    return problems


def _context_actions(block: Mapping[str, Any]) -> list[str]:
    elements = block.get("elements", ())
    problems = [] if 1 <= len(elements) <= 5 else [f"context_actions with {len(elements)} elements"]
    for element in elements:
        problems += _identified(element)
        if element.get("type") != "feedback_buttons":
            problems.append(f"context_actions with a {element.get('type')}")
            continue
        for side in ("positive_button", "negative_button"):
            button = element.get(side) or {}
            problems += _text(button.get("text"), side, 75, plain=True)
            problems += [] if 0 < len(button.get("value", "")) <= 2_000 else [f"{side} without a value of up to 2000"]
    return problems


def _input(block: Mapping[str, Any]) -> list[str]:
    element = block.get("element") or {}
    problems = _text(block.get("label"), "label", 2_000, plain=True) + _identified(element)
    if "hint" in block:
        problems += _text(block["hint"], "hint", 2_000, plain=True)
    if "placeholder" in element:
        problems += _text(element["placeholder"], "placeholder", 150, plain=True)
    if element.get("type") == "plain_text_input":
        return problems + (["max_length over 3000"] if element.get("max_length", 0) > 3_000 else [])
    most = {"radio_buttons": 10, "static_select": 100, "multi_static_select": 100}.get(element.get("type", ""), 0)
    options = element.get("options", ())
    problems += [] if 1 <= len(options) <= most else [f"{element.get('type')} with {len(options)} options"]
    for option in options:
        problems += _text(option.get("text"), "option", 75)
        problems += [] if 0 < len(option.get("value", "")) <= 150 else ["option without a value of up to 150"]
    chosen = [*element.get("initial_options", ()), *filter(None, [element.get("initial_option")])]
    return problems + ["an initial option that is none of the options" for each in chosen if each not in options]


def _divider(_block: Mapping[str, Any]) -> list[str]:
    return []


def _identified(element: Mapping[str, Any]) -> list[str]:
    return [] if 0 < len(element.get("action_id", "")) <= IDS else ["action_id missing or over 255"]


def _text(value: Any, where: str, most: int, *, plain: bool = False) -> list[str]:
    if not isinstance(value, dict) or value.get("type") not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
        return [f"{where} is no {'plain_text' if plain else 'text'} object"]
    length = len(value.get("text") or "")
    return [] if 0 < length <= most else [f"{where} has {length} characters of 1..{most}"]


def _characters(value: Any) -> int:
    """Count the characters people see."""
    if isinstance(value, dict):
        return sum(
            len(inner) if key == "text" and isinstance(inner, str) else _characters(inner)
            for key, inner in value.items()
        )
    return sum(map(_characters, value)) if isinstance(value, list) else 0


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "markdown": _markdown,
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "context_actions": _context_actions,
    "input": _input,
    "divider": _divider,
}
