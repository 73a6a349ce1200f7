"""The text of streamed answers, in the forms in which servers send it."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from bot.domain.generation import Refusal
from bot.inference.openai.sse import answer_pieces


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        ("All is well.", ["All is well."]),
        ([{"type": "text", "text": "All is "}, {"type": "text", "text": "well."}], ["All is well."]),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}],
            ["Yes."],
        ),
        (["All is well."], ["All is well."]),
        ([{"text": "All is well."}], ["All is well."]),
        ([{"type": "text", "text": None}, {"type": "image_url"}, 7], []),
        (None, []),
        ([], []),
        ({"text": "?"}, []),
    ],
)
async def test_content_may_be_a_text_or_a_list_of_parts(content: Any, pieces: list[str]) -> None:
    events = [{"choices": [{"delta": {"content": content}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    assert [piece async for piece in answer_pieces(httpx2.Response(200, text=body), "http://x")] == pieces


async def pieces_of(*events: dict[str, Any]) -> list[str]:
    body = "".join(f"data: {json.dumps({'choices': [event]})}\n\n" for event in events) + "data: [DONE]\n\n"
    return [piece async for piece in answer_pieces(httpx2.Response(200, text=body), "http://x")]


@pytest.mark.parametrize(
    ("events", "pieces"),
    [
        ([{"delta": {"content": "", "refusal": None}}, {"delta": {"refusal": "I can't help."}}], ["I can't help."]),
        ([{"delta": {"content": "Well. "}}, {"delta": {"refusal": "No."}}], ["Well. ", "No."]),
        ([{"delta": {}, "finish_reason": "content_filter"}], [""]),
        ([{"delta": {"content": "Well. "}}, {"delta": {}, "finish_reason": "content_filter"}], ["Well. ", ""]),
    ],
)
async def test_a_refusal_is_a_value_and_the_last_piece(events: list[dict[str, Any]], pieces: list[str]) -> None:
    found = await pieces_of(*events, {"delta": {"content": "More."}}, {"delta": {}, "finish_reason": "stop"})
    assert found == pieces
    assert [isinstance(piece, Refusal) for piece in found] == [False] * (len(pieces) - 1) + [True]
