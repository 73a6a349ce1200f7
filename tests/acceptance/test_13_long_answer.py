"""Long answers arrive complete, within Slack's limits, with code blocks intact and thumbs under the last part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.answers import Citation, DirectAnswer
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from plugins.slack.testing import FakeSlack, Post
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

QUESTION = "Are hotels tax exempt?"
CITATIONS = tuple(
    Citation(n, f"https://handbook.example/{'page/' * 40}{n}", "Heading \u203a " * 40, "…") for n in range(1, 13)
)


def prose(length: int) -> str:
    sentences = (f"Trip {number} is booked in the travel tool before it starts. " for number in range(length // 40))
    paragraphs = ("".join(next(sentences) for _ in range(7)) for _ in range(length // 370 + 1))
    return "\n\n".join(paragraphs)[:length].rstrip()


def fenced(length: int) -> str:
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
COUNTS = dict(zip(TEXTS, [1, 2, 6, 1, 4, 2], strict=True))
"""Messages of each."""
STREAMED = ("3,001", "12,001", "fence over the cut")


def body(post: Post) -> str:
    """Return an answer's text in a message, without what stands below it."""
    return post.stream.text if post.stream else "\n".join(block["text"] for block in post.blocks_of("markdown"))


def letters(text: str) -> str:
    """Return a text without what a cut may add or take: fences and spaces."""
    return "".join("".join(line for line in text.split("\n") if not line.startswith("```")).split())


async def assert_arrived_whole(project: SlackProject, slack: FakeSlack, text: str, count: int) -> None:
    """See that a question was answered in so many messages that Slack took."""
    await slack.wait_for_post("C1", count=count)
    await project.settled()
    posts = slack.posts("C1")  # the fake refuses whatever is over Slack's limits
    assert [call for call in slack.calls if call.method.startswith("chat.") and call.answer] == []
    assert len(posts) == count
    assert [post.thumbs is not None for post in posts] == [False] * (count - 1) + [True]
    assert all(body(post).count("```") % 2 == 0 for post in posts)
    assert letters("".join(f"{body(post)}\n" for post in posts)) == letters(text)


@pytest.mark.parametrize("transport", ["socket", "http"])
@pytest.mark.parametrize(("length", "count"), COUNTS.items())
async def test_a_long_answer_is_split_where_it_does_no_harm(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, length: Any, count: Any
) -> None:
    answer = DirectAnswer(TEXTS[length], CITATIONS)
    plugin = make_plugin(answer_directly=lambda question: answer)  # noqa: ARG005 - the hook passes it by name
    project = await slack_project(transport, plugins={"long": plugin})
    await fake_slack.mention(QUESTION)
    await assert_arrived_whole(project, fake_slack, TEXTS[length], count)


@pytest.mark.parametrize("transport", ["socket", "http"])
@pytest.mark.parametrize("length", STREAMED)
async def test_a_streamed_one_too(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, length: Any
) -> None:
    settings: dict[str, dict[str, Any]] = {"slack": {"streaming": "native"}, "model": {"max_new_tokens": 4096}}
    project = await slack_project(transport, departments=("travel",), settings=settings)
    engine, text = project.engine, f"The source is the travel page [1].\n\n{TEXTS[length]}"
    engine.answer, engine.hold_at = text, 50
    engine.gate.clear()  # an answer that is ready before its stream has begun would come whole
    await fake_slack.mention(QUESTION)
    await fake_slack.wait_until(lambda: [post for post in fake_slack.posts("C1") if post.streaming])
    engine.gate.set()
    await assert_arrived_whole(project, fake_slack, text, 2 if length == "12,001" else 1)
    assert fake_slack.posts("C1")[0].stream is not None
