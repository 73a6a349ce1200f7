"""Rich Text Format to HTML, of which Outlook's mails and some older documents are made.

Outlook often puts a web page into RTF, with its tags in groups of their own; that page comes out as it was.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any

from bot.domain.errors import DocumentError
from retrieval.parse.formats.html import from_html
from retrieval.parse.text import without_controls

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument

MAX_GROUPS = 500
"""Groups within groups at most."""

SIGNATURE = b"{\\rtf"

_TOKEN = re.compile(
    r"\\(?P<word>[a-z]{1,32})(?P<number>-?\d{1,9})? ?|\\'(?P<byte>[0-9a-fA-F]{2})|\\(?P<sign>[^a-z'])"
    r"|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_SIGNS = dict(
    (
        *(("~", "\u00a0"), ("_", "\u2011"), ("-", "\u00ad"), ("tab", "\t"), ("emdash", "\u2014"), ("endash", "\u2013")),
        *(("lquote", "\u2018"), ("rquote", "\u2019"), ("ldblquote", "\u201c"), ("rdblquote", "\u201d")),
        *(("bullet", "\u2022"), ("emspace", " "), ("enspace", " "), ("\\", "\\"), ("{", "{"), ("}", "}")),
    )
)
_SILENT = frozenset(
    (
        "fonttbl",
        "colortbl",
        "stylesheet",
        "info",
        "pict",
        "header",
        "footer",
        "headerl",
        "headerr",
        "headerf",
        "footerl",
    )
) | frozenset(("footerr", "footerf", "listtable", "listoverridetable", "xmlnstbl", "themedata", "object", "nonshppict"))
_CHARSETS = dict(
    (
        *((77, "mac_roman"), (128, "cp932"), (129, "cp949"), (134, "gb18030"), (136, "big5"), (161, "cp1253")),
        *((162, "cp1254"), (163, "cp1258"), (177, "cp1255"), (178, "cp1256"), (186, "cp1257"), (204, "cp1251")),
        *((222, "cp874"), (238, "cp1250")),
    )
)
_TARGETS = {"fonttbl": "fonts", "colortbl": "colours", "fldinst": "link", "fldrslt": "result", "htmltag": "tag"}
_MARKS = {"b": "b", "i": "i", "strike": "s", "striked": "s", "deleted": "del", "super": "sup", "sub": "sub"}
_LINK = re.compile(r'HYPERLINK\s+(?:\\\w\s+)*"?([^"\s]{1,2000})')


class RtfParser:
    """Rich Text Format: text with its styles, tables and links."""

    name = "rtf"
    suffixes: tuple[str, ...] = (".rtf",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        return from_html(without_controls(rtf_to_html(data, name)), "", (), name)


def rtf_to_html(data: bytes, name: str) -> str:
    """Return RTF as HTML.

    :raises DocumentError: it is no RTF, or nests too deeply.
    """
    if not data.lstrip().startswith(SIGNATURE):
        raise DocumentError(f"{name} is not Rich Text Format.", hint="Save it again.")
    return _Reader(name).html(data.decode("latin-1"))


@dataclass(frozen=True, slots=True)
class _State:
    """What holds in a group.

    :param target: where its text goes: ``text``, ``nothing``, ``link``, ``fonts``, ``colours`` or ``tag``.
    :param skipped: characters after a Unicode one, for readers that don't know it.
    """

    target: str = "text"
    marks: frozenset[str] = frozenset()
    hidden: bool = False
    encoding: str = ""
    colour: int = 0
    shaded: bool = False
    skipped: int = 1
    in_table: bool = False


@dataclass
class _Reader:
    """Reads one text. ``_row``, if any, holds the cells of a table's row that has begun."""

    name: str
    _state: _State = field(default_factory=_State)
    _stack: list[_State] = field(default_factory=list)
    _out: list[str] = field(default_factory=list)
    _bytes: bytearray = field(default_factory=bytearray)
    _links: list[str] = field(default_factory=list)
    _fonts: dict[int, str] = field(default_factory=dict)
    _font: int = 0
    _colours: list[str] = field(default_factory=list)
    _channels: dict[str, int] = field(default_factory=dict)
    _row: list[str] | None = None
    _page: bool = False
    _encoding: str = "cp1252"
    _skip: int = 0

    def html(self, text: str) -> str:
        """Return the text as HTML."""
        starred = False
        for token in _TOKEN.finditer(text):
            if byte := token["byte"]:
                self._byte(int(byte, 16))
                continue
            self._decode()
            if token["brace"]:
                self._group(opening=token["brace"] == "{")
            elif token["sign"] == "*":
                starred = True
                continue
            elif token["sign"] in ("\r", "\n"):
                self._layout("par")
            elif token["sign"]:
                self._say(_SIGNS.get(token["sign"], ""))
            elif word := token["word"]:
                self._word(word, int(token["number"]) if token["number"] else None, starred=starred)
            elif token["text"]:
                self._say(token["text"])
            starred = False
        self._decode()
        self._end_row()
        html = "".join(self._out).replace("</table><table>", "")
        return html.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _group(self, *, opening: bool) -> None:
        if opening:
            if len(self._stack) > MAX_GROUPS:
                raise DocumentError(f"{self.name} nests groups more than {MAX_GROUPS} deep.", hint="Save it again.")
            self._stack.append(self._state)
        elif self._stack:
            before, self._state = self._state, self._stack.pop()
            ended = before.target == "result" != self._state.target
            if ended and self._links and self._links.pop():
                self._put("</a>")
        self._skip = 0

    def _byte(self, value: int) -> None:
        if self._skip:
            self._skip -= 1
        else:
            self._bytes.append(value)

    def _decode(self) -> None:
        """Say the bytes that stand by themselves, in the encoding of their font."""
        if self._bytes:
            said = bytes(self._bytes).decode(self._state.encoding or self._encoding, errors="replace")
            self._bytes.clear()
            self._say(said)

    def _say(self, text: str) -> None:
        cut = min(self._skip, len(text))
        self._skip -= cut
        text = text[cut:]
        state = self._state
        if state.target == "link" and self._links:
            self._links[-1] += text
        elif state.target == "tag":
            self._out.append(text)
        elif state.target == "colours" and ";" in text:
            named = self._channels
            whole = {"red", "green", "blue"} <= named.keys()
            self._colours.append(f"rgb({named['red']},{named['green']},{named['blue']})" if whole else "")
            self._channels = {}
        elif text and state.target in ("text", "result") and not state.hidden:
            self._put(escape(text) if self._page else _marked(text, state, self._colours))

    def _put(self, html: str) -> None:
        if self._row is not None and self._state.in_table:
            self._row[-1] += html
        else:
            self._out.append(html)

    def _word(self, word: str, number: int | None, *, starred: bool) -> None:
        on = number != 0
        state = self._state
        if word == "u" and number is not None:
            self._skip = 0
            self._say(chr(number % 0x10000))
            self._skip = state.skipped
        elif self._destination(word, number, starred=starred):
            return
        elif word in _SIGNS:
            self._say(_SIGNS[word])
        elif word in ("par", "line", "row", "cell", "trowd", "intbl", "sect", "page"):
            self._layout(word)
        elif word in _MARKS:
            mark = {_MARKS[word]}
            self._state = replace(state, marks=state.marks | mark if on else state.marks - mark)
        elif word in ("red", "green", "blue"):
            self._channels[word] = number or 0
        elif word == "f":
            self._font = number or 0
            self._state = replace(state, encoding=self._fonts.get(self._font, ""))
        else:
            self._state = self._changed(word, number, state)

    def _changed(self, word: str, number: int | None, state: _State) -> _State:
        """Return what holds after a word that changes how text is set."""
        changes: dict[str, Any] = {}
        match word:
            case "plain" if not self._page:
                changes = {"marks": frozenset(), "hidden": False, "colour": 0, "shaded": False, "encoding": ""}
            case "pard":
                changes = {"in_table": False}
            case "nosupersub":
                changes = {"marks": state.marks - {"sup", "sub"}}
            case "v":
                changes = {"hidden": number != 0}
            case "htmlrtf" if self._page:
                changes = {"hidden": number != 0}
            case "cf":
                changes = {"colour": number or 0}
            case "highlight" | "chcbpat" | "cb":
                changes = {"shaded": bool(number)}
            case "uc":
                changes = {"skipped": 1 if number is None else number}
        return replace(state, **changes)

    def _destination(self, word: str, number: int | None, *, starred: bool) -> bool:
        """Say where the text of a group goes, or what the file says of itself; return whether the word does."""
        target = _TARGETS.get(word, "nothing" if word in _SILENT or starred else "")
        if word == "ansicpg":
            self._encoding = _known(f"cp{number}")
        elif word == "fcharset":
            self._fonts[self._font] = _CHARSETS.get(number or 0, "")
        elif word == "fromhtml":
            self._page = True
        elif word == "field":
            self._links.append("")
        elif word == "fldrslt" and self._links:
            self._begin_link()
        elif not target:
            return word == "footnote"
        if target and self._state.target != "nothing":
            self._state = replace(self._state, target=target)
        return True

    def _begin_link(self) -> None:
        found = _LINK.search(self._links[-1])
        self._links[-1] = found[1] if found else ""
        if found:
            self._put(f'<a href="{escape(found[1])}">')

    def _layout(self, word: str) -> None:
        if self._state.target not in ("text", "result", "tag"):
            return
        if self._page or self._state.target == "tag":
            self._out.append("" if self._state.hidden else "\n")
        elif word == "trowd" or (word == "intbl" and self._row is None):
            self._state = replace(self._state, in_table=True)
            self._row = self._row or [""]
        elif word == "intbl":
            self._state = replace(self._state, in_table=True)
        elif word == "cell" and self._row is not None:
            self._row.append("")
        elif word == "row":
            self._end_row()
        else:
            self._put("<br>" if word == "line" or (self._state.in_table and self._row is not None) else "<p>")

    def _end_row(self) -> None:
        if self._row and any(self._row):
            cells = "".join(f"<td>{cell}</td>" for cell in self._row[:-1])
            self._out.append(f"<table><tr>{cells}</tr></table>")
        self._row = None


def _marked(text: str, state: _State, colours: list[str]) -> str:
    said = escape(text)
    for mark in sorted(state.marks):
        said = f"<{mark}>{said}</{mark}>"
    colour = colours[state.colour] if 0 < state.colour < len(colours) and not state.shaded else ""
    return f'<span style="color:{colour}">{said}</span>' if colour else said


def _known(encoding: str) -> str:
    try:
        return codecs.lookup("utf-8" if encoding == "cp65001" else encoding).name
    except LookupError:
        return "cp1252"
