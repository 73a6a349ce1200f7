"""The modals: one asks for a reason after a thumb down, one takes an agent's correction, one a proposal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.reasons import REASONS
from plugins.slack.texts import votes as texts
from plugins.slack.texts.formats import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugins.slack.surfaces.overview import Review

WHY_ACTION = "mentee_why"
CALLBACK = "mentee_reason"
CORRECT_CALLBACK = "mentee_correct"
PROPOSE_CALLBACK = "mentee_propose"
SHOWN_CHARACTERS = 3_000
COMMENT_CHARACTERS = 1_000
CORRECTION_CHARACTERS = 3_000
REASON, COMMENT, CORRECTION = "reason", "comment", "correction"


def why_blocks(answer_id: str, thread: str | None) -> list[dict[str, Any]]:
    """Return what asks for a reason where no modal can open by itself."""
    value = f"{answer_id}:{thread or ''}"
    button = {"type": "button", "action_id": WHY_ACTION, "text": _plain(texts.why_button()), "value": value}
    text = {"type": "mrkdwn", "text": texts.ask_why()}
    return [{"type": "section", "text": text}, {"type": "actions", "elements": [button]}]


def why(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`reason_modal` needs of the pressed button."""
    answer_id, _, thread = str(body["actions"][0]["value"]).partition(":")
    return {"answer_id": answer_id, "channel": body["channel"]["id"], "thread": thread or None}


def reason_modal(vote: Mapping[str, Any]) -> dict[str, Any]:
    """Return the view for a vote's inbox payload, or for the button that asks why."""
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


def correction_modal(review: Review, *, initial: str = "", about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the view in which an agent corrects an answer.

    :param initial: what the correction begins with, such as a colleague's reply.
    :param about: channel and thread of a message, so that thanks can be said there.
    """
    shown = [
        (texts.review_question(), review.question),
        (texts.review_answer(), review.answer),
        *((texts.review_proposal(), proposal) for proposal in review.proposals),
    ]
    blocks: list[dict[str, Any]] = []
    for title, words in shown:
        blocks += [{"type": "context", "elements": [{"type": "mrkdwn", "text": title}]}, _words(words)]
    element = _text_input(CORRECTION_CHARACTERS)
    if initial:
        element["initial_value"] = shortened(initial, CORRECTION_CHARACTERS)
    return {
        "type": "modal",
        "callback_id": CORRECT_CALLBACK,
        "title": _plain(texts.correct_title()),
        "submit": _plain(texts.correct_submit()),
        "close": _plain(texts.correct_close()),
        "private_metadata": json.dumps({"answer_id": review.answer_id, **(about or {})}),
        "blocks": [*blocks, _input(CORRECTION, texts.correction_label(), element)],
    }


def proposal_modal(answer_id: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the view in which somebody who is no agent proposes a correction.

    :param about: channel and thread of the message that carries the answer.
    """
    element = _text_input(CORRECTION_CHARACTERS)
    return {
        "type": "modal",
        "callback_id": PROPOSE_CALLBACK,
        "title": _plain(texts.propose_title()),
        "submit": _plain(texts.reason_submit()),
        "close": _plain(texts.correct_close()),
        "private_metadata": json.dumps({"answer_id": answer_id, **about}),
        "blocks": [_input(CORRECTION, texts.correction_label(), element, hint=texts.correction_hint())],
    }


def notice_modal(text: str) -> dict[str, Any]:
    """Return the view that says why there is nothing to fill in."""
    return {
        "type": "modal",
        "title": _plain(texts.notice_title()),
        "close": _plain(texts.notice_close()),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
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
    return {"type": "section", "text": _plain(shortened(text, SHOWN_CHARACTERS) or "…")}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}
