"""Text in any encoding is read, or refused by name; it is never stored as other characters."""

from __future__ import annotations

import pytest

from bot.domain.errors import DocumentError
from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.formats.markdown import MarkdownParser, split_front_matter
from retrieval.parse.text import decode

RUSSIAN = "Сотрудник должен подать заявление за две недели, затем сообщить руководителю."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("请假需要提前三天申请。", "gb18030"),
        ("有給休暇は三日前までに申請してください。", "shift_jis"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        ("Größere Änderungen müssen früh gemeldet werden – “bitte”.", "cp1252"),
        ("Urlaub für Ärzte", "latin-1"),
        ("Ünïcode – ok", "utf-8"),
        ("Ünïcode – ok", "utf-16"),
    ],
)
def test_text_is_read_in_its_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "page.txt") == text


def test_a_page_is_read_in_the_encoding_that_it_declares() -> None:
    page = '<html><head><meta charset="windows-1251"></head><body><p>Отпуск</p></body></html>'.encode("cp1251")
    assert HtmlParser().parse(page, "page.html").sections[0].text == "Отпуск"


def test_what_is_no_text_is_refused_by_name() -> None:
    with pytest.raises(DocumentError, match=r"noise\.txt is"):
        decode(bytes(range(128, 256)) * 3 + b"\x01\x02\x03\x04", "noise.txt")


def test_a_restriction_in_front_matter_is_never_ignored() -> None:
    with pytest.raises(DocumentError, match="names readers in its front matter"):
        MarkdownParser().parse(b"---\ntitle: Pay\nreaders: [user:ada]\n---\nSecret.", "pay.md")


@pytest.mark.parametrize(
    ("text", "meta"),
    [
        ("---\nThis page was moved. Ask Facilities for keys.\n---\nRest.", {}),
        ("---\nImportant: read this first.\n---\nRest.", {}),
        ("---\ntitle: Keys\n---\nRest.", {"title": "Keys"}),
        ('+++\ntitle = "Keys"\n+++\nRest.', {"title": "Keys"}),
        ("+++\nno toml\n+++\nRest.", {}),
    ],
)
def test_only_front_matter_is_taken_for_it(text: str, meta: dict[str, str]) -> None:
    found, rest = split_front_matter(text, "hr.md")
    assert found == meta
    assert rest == ("Rest." if meta else text)
