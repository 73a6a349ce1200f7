"""What company pages have besides CommonMark: template tags, comments, footnotes, and text between single tildes.

Code stays as it is, wherever it stands: indented, between backticks and in fences, also within lists and quotations.
"""

from __future__ import annotations

import re
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTE_ID = "footnote-"
"""Begins the ids of the elements that hold footnotes."""

_RAW = re.compile(r"\{%-?\s*+(?:end)?raw\s*+-?%\}")
_OPENING = re.compile(
    r"^[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t>]++)*+(?P<fence>`{3,}+(?![^\n]*`)|~{3,}+)|(?P<ticks>`++)"
    rf"|(?P<comment><!--|(?<!\$)\{{#(?=\s)|\{{%-?\s*+comment\s*+-?%\}})|(?P<raw>{_RAW.pattern})",
    re.MULTILINE,
)
_CLOSINGS = {
    "<!": re.compile(r"-->"),
    "{#": re.compile(r"#\}"),
    "{%": re.compile(r"\{%-?\s*+endcomment\s*+-?%\}"),
}
_ENDRAW = re.compile(r"\{%-?\s*+endraw\s*+-?%\}")
_BLANK_LINE = re.compile(r"\n[ \t]*+(?=\n)|\Z")
_TAG = re.compile(r"\{%-?\s*+(?P<name>\w++)\s*+(?:[\"'](?P<argument>[^\"'\n]*+)[\"'])?+[^%]*+%\}")
_VARIABLE = re.compile(r"\{\{(?:(?!\{\{|\}\}).)*+\}\}")
_ATTRIBUTES = re.compile(r"(?<![ \t])[ \t]*+\{:?[ \t]*+[#.][\w \t.#=\"'-]*+\}[ \t]*+$", re.MULTILINE)
_TILDES = re.compile(r"(?<![\w~\\])~(?=[^\s~])([^~\n]*+)(?<!\s)~(?![\w~])")
_STRONG = re.compile(r"(?<!\*)\*\*(?=[^\s*])([^*\n]{1,200}(?<=[^\w\s\x00-\x7f]))\*\*(?=\w)")
"""Bold text that ends with a full-width sign before a letter, whose end CommonMark doesn't see."""

_NOTE = re.compile(r"^ {0,3}\[\^([^\]\s]{1,100})\]:[ \t]*+", re.MULTILINE)
_NOTE_TEXT = re.compile(
    r"[^\n]*+(?:\n(?![ \t]*+\n| {0,3}(?:\[\^|#))[^\n]++|(?:\n[ \t]*+(?=\n))++\n(?: {4}|\t)[^\n]++)*+"
)
_REFERENCE = re.compile(r"\[\^([^\]\s]{1,100})\]")
_CODE = re.compile("\0([0-9]+)\0")
_BLOCKS = MarkdownIt("commonmark", {"html": True}).disable("inline")


def commonmark(text: str) -> str:
    """Return Markdown without template tags and comments, and what CommonMark lacks as HTML.

    :param text: has no control characters.
    """
    code: list[str] = []
    pieces = []
    for piece, is_code in _Scan(text).pieces():
        pieces.append(f"\0{len(code)}\0" if is_code else piece)
        code += [piece] if is_code else []
    plain = _TILDES.sub(r"~~\1~~", "".join(pieces))
    plain = _ATTRIBUTES.sub("", _VARIABLE.sub("", _TAG.sub(_tag_text, plain)))
    return _CODE.sub(lambda match: code[int(match[1])], _with_notes(_STRONG.sub(r"<strong>\1</strong>", plain)))


class _Scan:
    """Finds code and comments."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._absent: dict[
            str, int
        ] = {}  # by mark: up to where it was looked for in vain, so that it's looked for once
        self._paragraph = 0

    def pieces(self) -> Iterator[tuple[str, bool]]:
        """Yield the text without comments, in pieces, each with whether it is code."""
        text = self._text
        at = start = 0
        indented = _indented(text)
        line = next(indented, None)
        while (opening := _OPENING.search(text, at)) or line:
            if line and (opening is None or line[0] <= opening.start()):
                if line[0] >= start:
                    yield text[start : line[0]], False
                    yield _RAW.sub("", text[slice(*line)]), True
                    at = start = line[1]
                line = next(indented, None)
                continue
            assert opening is not None
            begin, at = opening.span()
            if text[begin - 1 : begin] == "\\":
                at = begin + 1
                continue
            found = self._found(opening)
            if found is None:
                continue
            code, at = found
            yield text[start:begin], False
            yield code, True
            start = at
        yield text[start:], False

    def _found(self, opening: re.Match[str]) -> tuple[str, int] | None:
        """Return the code that begins here, nothing for a comment, and where it ends; ``None`` if it doesn't."""
        text = self._text
        begin, at = opening.span()
        if opening["fence"]:
            end = _fence_end(text, opening)
            return _RAW.sub("", text[begin:end]), end
        if opening["raw"]:
            closing = self._closing("raw", _ENDRAW, at, len(text))
            return (text[at : closing.start()], closing.end()) if closing else ("", at)
        if opening["ticks"]:
            if at > self._paragraph and (blank := _BLANK_LINE.search(text, at)):
                self._paragraph = blank.start()
            closing = self._closing(opening[0], re.compile(rf"(?<!`){re.escape(opening[0])}(?!`)"), at, self._paragraph)
            return (text[begin : closing.end()], closing.end()) if closing else None
        closing = self._closing(opening[0][:2], _CLOSINGS[opening[0][:2]], at, len(text))
        return ("", closing.end()) if closing else None

    def _closing(self, mark: str, pattern: re.Pattern[str], at: int, limit: int) -> re.Match[str] | None:
        if self._absent.get(mark, 0) >= limit:
            return None
        closing = pattern.search(self._text, at, limit)
        if closing is None:
            self._absent[mark] = limit
        return closing


def _indented(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each line of indented code begins, after its indentation, and where it ends."""
    if "    " not in text and "\t" not in text:
        return
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    for token in _BLOCKS.parse(text):
        for number in range(*(token.map or ())) if token.type == "code_block" else ():
            line = lines[number]
            said = line.lstrip(" \t>")
            if said:
                yield starts[number] + len(line) - len(said), starts[number] + len(line)


def _fence_end(text: str, opening: re.Match[str]) -> int:
    """Return the end of the line that closes a block: the mark that opened it, or a longer one, and nothing else.

    A block without an end goes to the end of the text, as in CommonMark.
    """
    mark = opening["fence"]
    around = " \t>" if ">" in opening[0] else " \t"
    start = text.find("\n", opening.end()) + 1
    while start:
        stop = text.find("\n", start)
        line = text[start : stop if stop >= 0 else None].strip(around)
        if line.startswith(mark) and not line.strip(mark[0]):
            return stop if stop >= 0 else len(text)
        start = stop + 1
    return len(text)


def _tag_text(tag: re.Match[str]) -> str:
    argument = tag["argument"] or ""
    if "channel" in tag["name"]:
        return f"#{argument}" if argument else ""
    return re.sub(r"\s", "%20", argument) if tag["name"] in ("page", "link", "url") else ""


def _with_notes(text: str) -> str:
    """Return Markdown with footnotes as links to elements at the end, as web pages have them."""
    notes: dict[str, str] = {}
    kept: list[str] = []
    at = 0
    while note := _NOTE.search(text, at):
        said = _NOTE_TEXT.match(text, note.end())
        kept.append(text[at : note.start()])
        at = said.end() if said else note.end()
        notes.setdefault(note[1], re.sub(r"^(?: {1,4}|\t)", "", text[note.end() : at], flags=re.MULTILINE))
    if not notes:
        return text
    numbers: dict[str, int] = {}

    def referred(match: re.Match[str]) -> str:
        if match[1] not in notes:
            return match[0]
        number = numbers.setdefault(match[1], len(numbers) + 1)
        return f'<sup><a href="#{NOTE_ID}{number}">{number}</a></sup>'

    body = _REFERENCE.sub(referred, "".join([*kept, text[at:]]))
    rest = {label: numbers.get(label, 0) for label in notes}
    below = [
        f'<div id="{NOTE_ID}{number}">\n\n{said}\n\n</div>' if number else f"{escape(label)}: {said}"
        for (label, number), said in zip(rest.items(), notes.values(), strict=True)
    ]
    return "\n\n".join([body, *below])
