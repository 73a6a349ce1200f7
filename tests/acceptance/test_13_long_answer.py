"""An answer of any length arrives whole, within Slack's limits, with no code fence torn and thumbs under the last."""

from __future__ import annotations

import pytest

from bot.messages import OutboxItem
from plugins.slack.channel import SlackChannel

CITATIONS = [
    {"n": n, "document": f"https://handbook.example/{'page/' * 40}{n}", "heading": "Heading \u203a " * 40, "text": "…"}
    for n in range(1, 13)
]


def prose(length):
    sentence = "Every trip is booked in the travel tool before it starts. "
    return "\n\n".join([sentence * 7] * (length // (len(sentence) * 7) + 1))[:length]


def fenced(length):
    before = prose(2_900)
    code = "\n".join(f"step_{number}()  # a line of a script" for number in range(length))
    return f"{before}\n\n```python\n{code[: length - 3_000]}\n```\n\nThat is all."


TEXTS = {
    "3,001": prose(3_001),
    "12,001": prose(12_001),
    "45,000": prose(45_000),
    "fence over the cut": fenced(9_000),
    "fence over messages": fenced(30_000),
    "one endless line": "x" * 13_000,
}


@pytest.mark.parametrize("length", TEXTS)
async def test_a_long_answer_is_split_where_it_does_no_harm(slack_project, fake_slack, length):
    project = await slack_project(start=False)
    text = TEXTS[length]
    payload = {"answer_id": "a_1", "text": text, "known": True, "source": "model", "citations": CITATIONS}
    item = OutboxItem("slack", "answer", {"channel": "C1", "thread_ts": "1.000001"}, payload)

    reference = await SlackChannel(project.mentee).deliver(item)

    posts = fake_slack.posts("C1")  # the fake refuses whatever is over Slack's limits
    assert all(call.answer == "" for call in fake_slack.called("chat.postMessage"))
    assert [post.thumbs is not None for post in posts] == [False] * (len(posts) - 1) + [True]
    assert reference == f"C1:{posts[-1].ts}"
    pieces = [block["text"] for post in posts for block in post.blocks_of("markdown")]
    assert all(piece.count("```") % 2 == 0 for piece in pieces)
    said = [line for piece in pieces for line in piece.split("\n") if not line.startswith("```")]
    wanted = [line for line in text.split("\n") if not line.startswith("```")]
    assert "".join(said).replace(" ", "") == "".join(wanted).replace(" ", "")
