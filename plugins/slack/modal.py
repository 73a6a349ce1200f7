"""The modals: one asks for a reason after a thumb down, one lets an agent correct an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.reasons import REASONS
from plugins.slack import texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugins.slack.overview import Review

CALLBACK = "mentee_reason"
CORRECT_CALLBACK = "mentee_correct"
SHOWN_CHARACTERS = 3_000
COMMENT_CHARACTERS = 1_000
CORRECTION_CHARACTERS = 3_000
REASON, COMMENT, CORRECTION = "reason", "comment", "correction"


def reason_modal(vote: Mapping[str, Any]) -> dict[str, Any]:
    """Return the view for a vote's inbox payload."""
    about = {key: vote[key] for key in ("answer_id", "channel", "thread")}
    options = [{"text": _plain(text), "value": reason} for reason, text in REASONS.items()]
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": _plain(texts.reason_title()),
        "submit": _plain(texts.reason_submit()),
        "close": _plain(texts.reason_close()),
        "private_metadata": json.dumps(about),
        "blocks": [
            {"type": "section", "text": _plain(texts.reason_intro())},
            _input(REASON, texts.reason_label(), {"type": "radio_buttons", "options": options}),
            _input(COMMENT, texts.comment_label(), _text_input(COMMENT_CHARACTERS), optional=True),
            _input(
                CORRECTION,
                texts.correction_label(),
                _text_input(CORRECTION_CHARACTERS),
                optional=True,
                hint=texts.correction_hint(),
            ),
        ],
    }


def correction_modal(review: Review) -> dict[str, Any]:
    """Return the view in which an agent corrects an answer."""
    shown = [
        (texts.review_question(), review.question),
        (texts.review_answer(), review.answer),
        *((texts.review_proposal(), proposal) for proposal in review.proposals),
    ]
    blocks: list[dict[str, Any]] = []
    for title, words in shown:
        blocks += [{"type": "context", "elements": [{"type": "mrkdwn", "text": title}]}, _words(words)]
    return {
        "type": "modal",
        "callback_id": CORRECT_CALLBACK,
        "title": _plain(texts.correct_title()),
        "submit": _plain(texts.correct_submit()),
        "close": _plain(texts.correct_close()),
        "private_metadata": json.dumps({"answer_id": review.answer_id}),
        "blocks": [*blocks, _input(CORRECTION, texts.correction_label(), _text_input(CORRECTION_CHARACTERS))],
    }


def submitted(view: Mapping[str, Any]) -> dict[str, str]:
    """Return what was filled in: reason, comment and correction, empty where nothing was."""
    found = {REASON: "", COMMENT: "", CORRECTION: ""}
    for inputs in view["state"]["values"].values():
        for name, state in inputs.items():
            chosen = (state.get("selected_option") or {}).get("value")
            found[name] = (chosen or state.get("value") or "").strip()
    return found


def problems(values: Mapping[str, str]) -> dict[str, str]:
    """Return what Slack shows at which input; empty when the modal may close."""
    if values[REASON] == "other" and not values[COMMENT]:
        return {COMMENT: texts.comment_missing()}
    return {}


def _input(name: str, label: str, element: dict[str, Any], *, optional: bool = False, hint: str = "") -> dict[str, Any]:
    block = {
        "type": "input",
        "block_id": name,
        "label": _plain(label),
        "element": {**element, "action_id": name},
        "optional": optional,
    }
    return {**block, "hint": _plain(hint)} if hint else block


def _text_input(most: int) -> dict[str, Any]:
    return {"type": "plain_text_input", "multiline": True, "max_length": most}


def _words(text: str) -> dict[str, Any]:
    """Return what people or the model wrote, without any markup taking effect."""
    return {"type": "section", "text": _plain(texts.shortened(text, SHOWN_CHARACTERS) or "…")}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}
