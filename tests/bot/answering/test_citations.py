from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bot.answering.citations import LONGEST, as_it_stands, next_sentences
from bot.domain.documents.blocks import Code, Paragraph, Span
from bot.domain.documents.rendering import rendered
from bot.domain.questions import Passage

if TYPE_CHECKING:
    from bot.domain.documents.blocks import Block

LIST = (
    "To send, reach out in #outreach. We will:\n- Copyedit the message\n- Get approvals, if needed\n- Email everyone."
)
NUMBERED = "To leave:\n1. Tell your supervisor first.\n2. Return the laptop and badge.\nNever **ever share it**."
STEPS = "- Open the page in your browser.\n- Sign in with your address."
TERMS = "Your new term begins on Monday. Your new date shows the day after.\n\nIf it does not, ask People Ops."


def passages(*texts: Any) -> list[Passage]:
    return [Passage(str(n), "d", "a.md", "A", text, 1, "hr", "g") for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "We will: Copyedit the message Get approvals, if needed [1].",
            "We will:\n- Copyedit the message\n- Get approvals, if needed [1].",
        ),
        ("Get approvals if needed Email everyone. ", "\n- Get approvals, if needed\n- Email everyone. "),
        ("Open the page in your browser. ", "\n- Open the page in your browser. "),
        ("Tell your supervisor first. ", "\n1. Tell your supervisor first. "),
        ("Tell your supervisor first.2. ", "\n1. Tell your supervisor first."),
        ("1. Tell your supervisor first.2. ", "\n1. Tell your supervisor first."),
        ("Return the laptop and badge. Never ever share it.", "Return the laptop and badge. Never ever share it."),
        ("[1] Sign in with your address.", "[1] Sign in with your address."),
        (" Your new term begins on Monday.", " Your new term begins on Monday."),
        (" reach out in #outreach we will [1]", " reach out in #outreach. We will [1]"),
        ("Email everyone.", "Email everyone."),
        ("We will: **Copyedit** the message.", "We will: **Copyedit** the message."),
        ("* Copyedit the message\n* Get approvals", "* Copyedit the message\n* Get approvals"),
        ("We will [1]: Copyedit the message.", "We will [1]: Copyedit the message."),
        ("We will copyedit and email the message.", "We will copyedit and email the message."),
    ],
)
def test_a_quotation_is_shown_with_its_lines_and_other_words_as_they_are(said: str, shown: str) -> None:
    assert as_it_stands(said, passages(TERMS, LIST, STEPS, NUMBERED)) == shown


ARRAY, ITEMS = "echo ${FOLDERS[@]}", "${FOLDERS[1]}"
YAML = "ingress:\n  hosts:\n    - name: intranet.example.com\nresources:\n  limits:\n    memory: 512Mi"


def code(text: str) -> Span:
    return Span(text, style="code")


def with_code() -> Passage:
    blocks: list[Block] = [
        Paragraph((Span("To list the folders, print the array: "), code(ARRAY), Span(". The second folder is "),
                   code(ITEMS), Span("."))),
        Paragraph((Span("Put this file in "), code("deploy/values.yaml"), Span(":"))),
        Code(YAML, "yaml"),
        Paragraph((Span("Then run the deploy job."),)),
    ]  # fmt: skip
    shown = rendered(blocks)
    return Passage("c", "d", "a.md", "A", shown.text, 1, "it", "g", markdown=shown.markdown, marks=shown.marks)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "To list the folders, print the array: echo ${FOLDERS[@]]. ",
            f"To list the folders, print the array: `{ARRAY}`. ",
        ),
        ("print the array: echo ${FOLDERS[@]] [1].", f"print the array: `{ARRAY}` [1]."),
        ("The second folder is ${FOLDERS[1]} [1].", f"The second folder is `{ITEMS}` [1]."),
        ("The second folder is ${FOLDERS[1]}.", f"The second folder is `{ITEMS}`."),
        (
            "Put it there: ingress: hosts: names: intranet.example.com resources: limits: memory: 512Mi Then run.",
            f"Put it there:\n\n```yaml\n{YAML}\n```\n\nThen run.",
        ),
        ("The memory limits are in the resources.", "The memory limits are in the resources."),
    ],
)
def test_code_is_shown_as_the_passage_has_it_whatever_the_model_made_of_its_signs(said: str, shown: str) -> None:
    assert as_it_stands(said, [with_code()]) == shown


@pytest.mark.parametrize(
    ("said", "follows"),
    [
        (
            "Your new term begins on Monday [2].",
            [" Your new date shows the day after.\n\n", "If it does not, ask People Ops. [2]"],
        ),
        ("Your new date shows the day after. [2]", ["\n\nIf it does not, ask People Ops. [2]"]),
        ("We will: Copyedit the message", ["\n- Get approvals, if needed\n", "- Email everyone. [1]"]),
        ("If it does not, ask People Ops.", []),
        ("Your new term begins", []),
        ("It begins on Monday.", []),
        ("Email everyone.", []),
    ],
)
def test_a_quotation_goes_on_from_the_end_of_a_sentence(said: str, follows: Any) -> None:
    assert next_sentences(said, passages(LIST, TERMS)) == follows


def test_a_quotation_goes_on_in_the_passage_that_it_names() -> None:
    first, second = passages("Bring your own badge. It opens the door.", "Bring your own badge. It shows your name.")
    assert next_sentences("Also: Bring your own badge [2].", [first, second]) == [" It shows your name. [2]"]
    assert next_sentences("Also: Bring your own badge.", [first, second]) == [" It opens the door. [1]"]


def test_a_quotation_goes_on_no_further_than_a_short_answer_is_long() -> None:
    text = "The rule is as follows. " + "One more sentence stands here. " * 40
    said = "The rule is as follows."
    assert LONGEST - 40 < len(said + "".join(next_sentences(said, passages(text)))) <= LONGEST + len(" [1]")


def test_a_sentence_that_a_passage_has_is_shown_without_what_is_crossed_out() -> None:
    line = Span("The daily meal limit is "), Span("45", "struck"), Span(" 60 dollars since January. Ask first.")
    page = rendered((Paragraph(line),))
    limits = replace(passages(page.text)[0], marks=page.marks, markdown=page.markdown)
    said = "The daily meal limit is 60 dollars since January."
    assert as_it_stands(f"{said} [1]", [limits]) == f"{said} [1]"
    first = "Before you travel, ask your lead for the limit."
    moved = [replace(mark, start=mark.start + len(first) + 1, end=mark.end + len(first) + 1) for mark in limits.marks]
    limits = replace(limits, text=f"{first} {limits.text}", marks=tuple(moved))
    assert "".join(next_sentences(first, [limits])).startswith(f" {said}")
