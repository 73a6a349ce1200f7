"""The modals: one asks for a reason after a thumb down, one takes an agent's correction, one a proposal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.feedback.reasons import REASONS
from plugins.slack.block_kit import Block, context, input_block, modal, option, plain, section, text_input, words
from plugins.slack.copy import feedback as copy
from plugins.slack.copy.formats import shortened
from plugins.slack.outbound.blocks import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.feedback.waiting import Judged
    from plugins.slack.overview.reviews import Review

REASON_CALLBACK, CORRECT_CALLBACK, PROPOSE_CALLBACK = "mentee_reason", "mentee_correct", "mentee_propose"
SHOWN_CHARACTERS = 3_000
COMMENT_CHARACTERS = 1_000
CORRECTION_CHARACTERS = 3_000
REASON, COMMENT, CORRECTION = "reason", "comment", "correction"


def why(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`reason_modal` needs of the pressed button."""
    answer_id, _, thread = str(body["actions"][0]["value"]).partition(":")
    return {"answer_id": answer_id, "channel": body["channel"]["id"], "thread": thread or None}


def reason_modal(vote: Mapping[str, Any]) -> Block:
    """Return the view for a vote's inbox payload, or for the button that asks why."""
    about = {key: vote[key] for key in ("answer_id", "channel", "thread")}
    reasons = {"type": "radio_buttons", "options": [option(reason, text) for reason, text in REASONS.items()]}
    return modal(
        copy.reason_title(),
        copy.reason_close(),
        [
            {"type": "section", "text": plain(copy.reason_intro())},
            input_block(REASON, copy.reason_label(), reasons),
            input_block(COMMENT, copy.comment_label(), text_input(COMMENT_CHARACTERS), optional=True),
            _correction_input(text_input(CORRECTION_CHARACTERS), optional=True),
        ],
        submit=copy.reason_submit(),
        callback_id=REASON_CALLBACK,
        private_metadata=json.dumps(about),
    )


def correction_modal(
    review: Review, *, initial: str = "", about: Mapping[str, Any] | None = None, meanwhile: bool = False
) -> Block:
    """Return the view in which an agent corrects an answer.

    :param initial: what the correction begins with, such as a colleague's reply.
    :param about: channel and thread of a message, so that thanks can be said there.
    :param meanwhile: whether somebody else has decided something about it while the agent wrote.
    """
    shown = [
        (copy.review_question(), review.question),
        (copy.review_answer(), review.answer),
        *((copy.review_proposal(), proposal) for proposal in review.proposals),
        *((copy.review_comment(), comment) for comment in review.comments),
    ]
    if review.decided is not None and (meanwhile or review.decided.outcome == "rejected"):
        shown.insert(0, (_decision(review.decided, meanwhile=meanwhile), review.decided.text))
    blocks = [block for title, text in shown for block in (context([title]), words(text, SHOWN_CHARACTERS))]
    element = text_input(CORRECTION_CHARACTERS)
    if initial:
        element["initial_value"] = shortened(initial, CORRECTION_CHARACTERS)
    return modal(
        copy.correct_title(),
        copy.correct_close(),
        [*blocks, input_block(CORRECTION, copy.correction_label(), element)],
        submit=copy.correct_submit(),
        callback_id=CORRECT_CALLBACK,
        private_metadata=json.dumps({"answer_id": review.answer_id, "seen": review.seen, **(about or {})}),
    )


def proposal_modal(answer_id: str, about: Mapping[str, Any]) -> Block:
    """Return the view in which somebody who is no agent proposes a correction.

    :param about: channel and thread of the message that carries the answer.
    """
    return modal(
        copy.propose_title(),
        copy.correct_close(),
        [_correction_input(text_input(CORRECTION_CHARACTERS))],
        submit=copy.reason_submit(),
        callback_id=PROPOSE_CALLBACK,
        private_metadata=json.dumps({"answer_id": answer_id, **about}),
    )


def notice_modal(text: str) -> Block:
    """Return the view that says why there is nothing to fill in."""
    return modal(copy.notice_title(), copy.notice_close(), [section(text)])


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
        return {COMMENT: copy.comment_missing()}
    return {}


def _correction_input(element: Block, *, optional: bool = False) -> Block:
    hint = copy.correction_hint()
    return input_block(CORRECTION, copy.correction_label(), element, optional=optional, hint=hint)


def _decision(decided: Judged, *, meanwhile: bool) -> str:
    who = named(decided.person_id)
    if not meanwhile:
        return copy.rejected_before(who)
    return copy.rejected_meanwhile(who) if decided.outcome == "rejected" else copy.corrected_meanwhile(who)
