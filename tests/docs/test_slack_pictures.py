"""The pictures of Slack in the docs: drawn from the blocks that Mentee sends, and shown with an alternative text."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.slack.testing.fixtures import PROXIES

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
NAMES = ("slack-answer", "slack-reason", "slack-home", "slack-escalation")
BYTES = 120_000


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return a function that imports one of the scripts."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


def words(page: str) -> str:
    """Return what is read on a page, in order."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


async def test_everything_that_the_pictures_show_can_be_drawn(
    script: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path))
    pages = await script("slack_pictures").record(tmp_path)
    assert tuple(pages) == NAMES
    in_order = {
        "slack-answer": "@Mentee How many.*Searching the.*You can carry over.*Sources.*\\[1\\].*👍.*👎.*Ask a person",
        "slack-reason": "What was wrong.*It is wrong.*In your words.*What should the answer have been.*Skip.*Send",
        "slack-home": "What you can ask about.*another country.*Waiting for a person.*Maya.*Correct.*Health",
        "slack-escalation": "@Maya asks for a person.*My answer was.*✅.*Resolved by @Jonas.*Save as correction",
    }
    for name, expected in in_order.items():
        assert re.search(expected, words(pages[name])), name


@pytest.mark.parametrize(
    ("blocks", "what"),
    [
        ([{"type": "video"}], "block 'video'"),
        ([{"type": "actions", "elements": [{"type": "datepicker"}]}], "element 'datepicker'"),
        (
            [{"type": "input", "label": {"type": "plain_text", "text": "x"}, "element": {"type": "file"}}],
            "element 'file'",
        ),
    ],
)
def test_what_cannot_be_drawn_is_named(script: Callable[[str], Any], blocks: list[dict[str, Any]], what: str) -> None:
    block_kit = script("block_kit")
    with pytest.raises(block_kit.UnknownPartError, match=what):
        block_kit.Drawing({}).blocks(blocks)


@pytest.mark.parametrize(
    ("said", "drawn"),
    [
        ("*Travel*: <@U1> asks.", '<b>Travel</b>: <span class="mention">@Maya</span> asks.'),
        ("<https://a.example/x?y=1&amp;z_z_|a.example>", '<a href="https://a.example/x?y=1&amp;z_z_">a.example</a>'),
        ("synced <!date^0^{date_short_pretty} {time}|1970>", "synced today 00:00"),
        ("3 × :-1:, :unheard_of: &lt;b&gt;", "3 × 👎, :unheard_of: &lt;b&gt;"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
    ],
)
def test_slacks_markup_is_drawn_as_slack_does(script: Callable[[str], Any], said: str, drawn: str) -> None:
    assert script("block_kit").Drawing({"U1": "Maya"}).mrkdwn(said) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_each_picture_is_small_and_shown_with_words_for_who_does_not_see_it(name: str) -> None:
    picture = ROOT / "docs" / "images" / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < BYTES
    pages = "\n".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    [alt] = re.findall(rf"!\[([^\]]*)\]\(\.\./images/{name}\.png\)", pages)
    assert len(alt.split()) > 4
