"""What surrounds an element of a page, from the page itself to the styles that hold where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from retrieval.parse.formats.visibility import Look, is_invisible, is_struck, look_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

    from bot.domain.documents.blocks import Style
    from retrieval.parse.formats.styles import StyleSheets

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
    """

    name: str
    sheets: StyleSheets
    base: str = ""
    hidden: bool = False
    invisible: bool = False

    def within(self, node: LexborNode, place: Place) -> Place | None:
        """Return the place inside an element; ``None`` if nobody sees it."""
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
