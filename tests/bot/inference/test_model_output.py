"""What engines write is cleaned before it is judged: reasoning is left out, and refusals are told from quotations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bot.answering.extractive import Cited, quotation
from bot.domain.documents.rendering import Mark
from bot.domain.generation import Refusal
from bot.domain.questions import Passage
from bot.inference.model_output import without_thoughts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PASSAGE = Passage("c1", "d1", "paths.md", "Paths", "The first folder is ${FOLDERS[0]}.", 1.0, "it", "s1")


async def streamed(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        (["<think>\nHm. ", "Passage 1.\n</think>\n\nFill in ", "the form [1]."], "Fill in the form [1]."),
        (["<", "think", ">a", "</think", ">", "\n", "Yes."], "Yes."),
        (["\n<Think>a</think>Yes."], "Yes."),
        (["Write <think> first.", " Then."], "Write <think> first. Then."),
        (["<b", ">Bold"], "<b>Bold"),
        (["<think>never ends"], ""),
        (["<th"], "<th"),
        ([], ""),
    ],
)
async def test_only_the_words_after_a_block_of_reasoning_are_the_answer(pieces: list[str], answer: str) -> None:
    assert "".join([piece async for piece in without_thoughts(streamed(*pieces))]) == answer


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("The first folder is `${FOLDERS[0]}` [1].", "The first folder is `${FOLDERS[0]}` [1]."),
        ("The first folder is ${FOLDERS[0]} [1].", "The first folder is ${FOLDERS[0]} [1]."),
        ("Take rows[2] [1] and [7].", "Take rows[2] [1] and ."),
    ],
)
def test_brackets_in_code_are_no_sources(sentence: str, shown: str) -> None:
    cited = Cited([PASSAGE, replace(PASSAGE, chunk_id="c2", text="Another page.")])
    assert cited.add(sentence) == shown
    assert [citation.chunk_id for citation in cited.finish().citations] == ["c1"]


@pytest.mark.parametrize(
    ("text", "marks", "shown"),
    [
        ("Ask HR.\n\nThey answer soon.", (), "Closest I found: \u201cAsk HR. They answer soon.\u201d [1]"),
        ("Bring these:\n- badge\n- laptop", (), "Closest I found [1]:\n\nBring these:\n- badge\n- laptop"),
        ("a:\n  - b", (Mark(0, 8, "\n```yaml\na:\n  - b\n```\n"),), "Closest I found [1]:\n\n```yaml\na:\n  - b\n```"),
    ],
    ids=["prose", "a list", "code"],
)
def test_lists_and_code_are_quoted_as_they_are_laid_out(text: str, marks: tuple[Mark, ...], shown: str) -> None:
    passage = replace(PASSAGE, text=text, marks=marks)
    quoted = quotation("What?", [passage], lambda texts: np.ones((len(texts), 1), dtype=np.float32))
    assert quoted.text == shown


@pytest.mark.parametrize("pieces", [("<think>Hm.",), ("<th",), ()])
async def test_a_refusal_stays_one_whatever_came_before(pieces: tuple[str, ...]) -> None:
    found = [piece async for piece in without_thoughts(streamed(*pieces, Refusal("<think>No.")))]
    assert found == ["<think>No."]
    assert isinstance(found[0], Refusal)
