"""Draws Block Kit as Slack does, as a page of HTML without scripts: for the pictures of the docs.

It knows the blocks that Mentee sends; any other is an error, so that no picture silently lacks a part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

STYLE = Path(__file__).with_suffix(".css")
ICON = Path(__file__).parents[1] / "bot" / "server" / "pages" / "static" / "icon.svg"
EMOJI = {"+1": "👍", "-1": "👎", "raising_hand": "🙋", "warning": "⚠️", "white_check_mark": "✅"}
_TOKEN = re.compile(r"<([^<>]+)>")
_MARKUP = (
    (re.compile(r"(?<!\w)\*(?=\S)([^*\n]+)(?<=\S)\*(?!\w)"), r"<b>\1</b>"),
    (re.compile(r"(?<!\w)_(?=\S)([^_\n]+)(?<=\S)_(?!\w)"), r"<i>\1</i>"),
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"^• (.*)$", re.MULTILINE), r'<span class="bullet">\1</span>'),
    (re.compile(r"\n"), "<br>"),
)


class UnknownPartError(ValueError):
    """A part of a message or view that is not drawn."""

    def __init__(self, what: str, kind: str, known: Mapping[str, Any]) -> None:
        super().__init__(
            f"No drawing of the {what} {kind!r}, only of {', '.join(sorted(known))}: add it in {__name__}."
        )


@dataclass(frozen=True, slots=True)
class Said:
    """A message in a conversation.

    :param by: the id of who wrote it; the app's own has no name in :class:`Drawing`.
    :param at: when, in seconds since 1970.
    :param text: Slack's own markup, where there are no blocks.
    :param reactions: names of emoji, each given once.
    """

    by: str
    at: float
    text: str = ""
    blocks: Sequence[Mapping[str, Any]] = ()
    reactions: Sequence[str] = ()


class Drawing:
    """Draws for a workspace.

    :param names: people by id.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._markdown = MarkdownIt("commonmark", {"html": False})
        self._blocks: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
            "actions": lambda block: f'<div class="actions">{self._elements(block)}</div>',
            "context": lambda block: f'<div class="context">{self._texts(block["elements"])}</div>',
            "context_actions": lambda block: f'<div class="actions">{self._elements(block)}</div>',
            "header": lambda block: f"<h2>{self._text(block['text'])}</h2>",
            "input": self._input,
            "markdown": lambda block: self._markdown.render(block["text"]),
            "rich_text": self._rich_text,
            "section": self._section,
            "task_card": self._task,
        }
        self._kinds: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
            "button": self._button,
            "feedback_buttons": lambda _: '<span class="thumb">👍</span><span class="thumb">👎</span>',
            "plain_text_input": lambda element: f'<div class="field">{escape(element.get("initial_value", ""))}</div>',
            "radio_buttons": self._radio_buttons,
        }

    def blocks(self, blocks: Sequence[Mapping[str, Any]]) -> str:
        """Return blocks, one below the other.

        :raises UnknownPartError: there is one that is not drawn.
        """
        return "".join(self._part("block", each, self._blocks) for each in blocks)

    def thread(self, place: str, said: Sequence[Said]) -> str:
        """Return the page of a thread; ``place`` names its channel."""
        root, *answers = [self._message(each) for each in said]
        replies = f'<div class="replies">{len(answers)} {"reply" if len(answers) == 1 else "replies"}</div>'
        head = f'<header><b>Thread</b> <span class="quiet">{escape(place)}</span></header>'
        return _page("thread", f"{head}{root}{replies}{''.join(answers)}")

    def modal(self, view: Mapping[str, Any]) -> str:
        """Return the page of a modal."""
        buttons = "".join(
            f'<span class="button {style}">{self._text(view[part])}</span>'
            for part, style in (("close", ""), ("submit", "primary"))
            if part in view
        )
        head = f"<header>{_icon()}<h1>{self._text(view['title'])}</h1><span>✕</span></header>"
        return _page("modal", f"{head}<main>{self.blocks(view['blocks'])}</main><footer>{buttons}</footer>")

    def home(self, view: Mapping[str, Any]) -> str:
        """Return the page of an App Home."""
        tabs = '<nav><span class="here">Home</span><span>Messages</span><span>About</span></nav>'
        head = f"<header>{_icon()}<b>Mentee</b></header>{tabs}"
        return _page("home", f"{head}<main>{self.blocks(view['blocks'])}</main>")

    def mrkdwn(self, text: str) -> str:
        """Return a text in Slack's own markup, in which ``&``, ``<`` and ``>`` are escaped already."""
        kept: list[str] = []

        def keep(found: re.Match[str]) -> str:
            kept.append(self._token(found[1]))
            return f"\0{len(kept) - 1}\0"

        text = _TOKEN.sub(keep, text)
        for pattern, markup in _MARKUP:
            text = pattern.sub(markup, text)
        text = re.sub(r":([a-z0-9_+-]+):", lambda found: EMOJI.get(found[1], found[0]), text)
        return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)

    def _token(self, token: str) -> str:
        """Return what stands between ``<`` and ``>``: a mention, a date or a link."""
        if token.startswith("@"):
            return f'<span class="mention">@{escape(self._names.get(token[1:], "Mentee"))}</span>'
        if token.startswith("!date^"):
            _, stamp, shape = token.partition("|")[0].split("^")
            at = datetime.fromtimestamp(float(stamp), UTC)
            return shape.replace("{date_short_pretty}", "today").replace("{time}", f"{at:%H:%M}")
        address, _, label = token.partition("|")
        return f'<a href="{escape(unescape(address))}">{label or address}</a>'

    def _message(self, said: Said) -> str:
        name = self._names.get(said.by, "")
        face = f'<span class="face face-{sum(map(ord, name)) % 4}">{escape(name[:1])}</span>' if name else _icon()
        badge = "" if name else ' <span class="badge">APP</span>'
        body = self.blocks(said.blocks) or f"<p>{self.mrkdwn(said.text)}</p>"
        chips = "".join(f'<span class="chip">{EMOJI[each]} <b>1</b></span>' for each in said.reactions)
        when = f'<span class="quiet">{datetime.fromtimestamp(said.at, UTC):%H:%M}</span>'
        return f"<article>{face}<div><b>{escape(name or 'Mentee')}</b>{badge} {when}{body}{chips}</div></article>"

    def _part(self, what: str, part: Mapping[str, Any], known: Mapping[str, Callable[[Mapping[str, Any]], str]]) -> str:
        if part["type"] not in known:
            raise UnknownPartError(what, part["type"], known)
        return known[part["type"]](part)

    def _elements(self, block: Mapping[str, Any]) -> str:
        return "".join(self._part("element", each, self._kinds) for each in block["elements"])

    def _text(self, text: Mapping[str, Any]) -> str:
        plain = text["type"] == "plain_text"
        return escape(text["text"]).replace("\n", "<br>") if plain else self.mrkdwn(text["text"])

    def _texts(self, texts: Sequence[Mapping[str, Any]]) -> str:
        return "".join(f"<div>{self._text(each)}</div>" for each in texts)

    def _section(self, block: Mapping[str, Any]) -> str:
        beside = self._part("element", block["accessory"], self._kinds) if "accessory" in block else ""
        return f'<div class="section"><div>{self._text(block["text"])}</div>{beside}</div>'

    def _rich_text(self, block: Mapping[str, Any]) -> str:
        """Draw what is kept of a stream: the fake keeps its Markdown, which Slack has turned into styles."""
        texts = [part["text"] for section in block["elements"] for part in section["elements"]]
        return str(self._markdown.render("".join(texts)))

    def _task(self, block: Mapping[str, Any]) -> str:
        mark = {"complete": "✓", "error": "✕"}.get(block["status"], "…")
        return f'<div class="task"><span>{mark}</span>{escape(block["title"])}</div>'

    def _input(self, block: Mapping[str, Any]) -> str:
        optional = ' <span class="quiet">(optional)</span>' if block.get("optional") else ""
        hint = f'<div class="context">{self._text(block["hint"])}</div>' if "hint" in block else ""
        label = f"<b>{self._text(block['label'])}</b>{optional}"
        return f'<div class="input">{label}{self._part("element", block["element"], self._kinds)}{hint}</div>'

    def _button(self, element: Mapping[str, Any]) -> str:
        return f'<span class="button {element.get("style", "")}">{self._text(element["text"])}</span>'

    def _radio_buttons(self, element: Mapping[str, Any]) -> str:
        options = (self._text(each["text"]) for each in element["options"])
        return "".join(f'<div class="radio"><span></span>{each}</div>' for each in options)


def _icon() -> str:
    return f'<span class="face">{ICON.read_text(encoding="utf-8")}</span>'


def _page(kind: str, body: str) -> str:
    style = STYLE.read_text(encoding="utf-8")
    return f'<!doctype html><meta charset="utf-8"><style>{style}</style><div id="picture" class="{kind}">{body}</div>'
