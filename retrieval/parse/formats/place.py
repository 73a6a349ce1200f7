"""What surrounds an element of a page, from the page itself to the styles that hold where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from retrieval.parse.formats.visibility import Look, is_invisible, is_struck, look_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from selectolax.lexbor import LexborHTMLParser, LexborNode

    from bot.domain.documents.blocks import Style
    from retrieval.parse.formats.styles import StyleSheets

MAX_MARK = 5
"""Characters of a footnote's mark at most."""

MAX_NOTE = 3_000
"""Characters of a footnote at most; what is longer is a part of the page."""

_INLINE = frozenset(("a", "span", "sup", "b", "strong", "i", "em"))
_NOTES = frozenset(("li", "p", "div", "aside", "dd", "td", "small"))
_STYLES: dict[str, Style] = {
    **dict.fromkeys(("b", "strong", "dt"), "strong"),
    **dict.fromkeys(("i", "em", "cite", "dfn"), "emphasis"),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), "code"),
    **dict.fromkeys(("s", "del", "strike"), "struck"),
    "ins": "inserted",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What surrounds a node.

    :param spaced: whether line breaks in text count.
    """

    depth: int = 0
    look: Look = field(default_factory=Look)
    style: Style = ""
    link: str = ""
    spaced: bool = False


@dataclass
class Page:
    """A page that is being read.

    :param base: what the addresses of its links are relative to; ``""`` if nobody knows.
    :param hidden: whether elements were left out because nobody sees them.
    :param invisible: whether characters were left out for that.
    :param notes: marks and elements of footnotes that the current block refers to.
    :param noted: ids of the elements of all footnotes that were referred to.
    :param in_note: whether a footnote is being read, in which links lead back.
    """

    name: str
    tree: LexborHTMLParser
    sheets: StyleSheets
    base: str = ""
    hidden: bool = False
    invisible: bool = False
    notes: list[tuple[str, LexborNode]] = field(default_factory=list)
    noted: set[int] = field(default_factory=set)
    in_note: bool = False
    _by_id: Mapping[str, LexborNode] | None = None

    def refer(self, reference: LexborNode) -> str:
        """Return the mark of a footnote that an element refers to, and keep that for the end of the block."""
        link = reference if reference.tag == "a" else reference.css_first("a[href^='#']")
        address = ((link.attributes.get("href") or "") if link is not None else "").removeprefix("#")
        mark = reference.text(strip=True).strip("[]()")
        note = self._note(address) if address and 0 < len(mark) <= MAX_MARK else None
        if note is None:
            return ""
        if note.mem_id not in self.noted and not self.in_note:
            self.noted.add(note.mem_id)
            self.notes.append((mark, note))
        return mark

    def _note(self, identity: str) -> LexborNode | None:
        if self._by_id is None:
            self._by_id = {node.attributes.get("id") or "": node for node in self.tree.css("[id]")}
        note = self._by_id.get(identity)
        if note is not None and note.tag in _INLINE:
            note = note.parent
        if note is None or note.tag not in _NOTES or len(note.text(strip=True)) > MAX_NOTE:
            return None
        return note

    def within(self, node: LexborNode, place: Place) -> Place | None:
        """Return the place inside an element; ``None`` if nobody sees it."""
        if node.mem_id in self.noted:
            return None  # a footnote, which stands below what refers to it
        tag, attributes = node.tag or "", node.attributes
        sheets = self.sheets
        style = sheets.of(node, attributes)
        folded = tag == "dialog" and "open" not in attributes and not sheets.unfolds
        if folded or is_invisible(style, attributes):
            self.hidden = self.hidden or bool(node.text(strip=True))
            return None
        look = look_of(style, attributes, place.look)
        if sheets.elsewhere and attributes.get("class") and look.background == place.look.background:
            look = replace(look, background=None)  # a sheet that we don't have may colour it
        own = "struck" if is_struck(style) else _STYLES.get(tag, place.style)
        if place.style == "struck" or (place.style == "code" and own != "struck"):
            own = place.style
        white = style.get("white-space", "pre" if tag in ("textarea", "pre") else "")
        spaced = white.startswith(("pre", "break-spaces")) if white else place.spaced
        return Place(place.depth + 1, look, own, place.link, spaced)
