"""Text in any encoding is read, or refused by name; it is never stored as other characters."""

from __future__ import annotations

import pytest

from bot.domain.errors import DocumentError
from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.formats.markdown import MarkdownParser, split_front_matter
from retrieval.parse.text import decode, recoded

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


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Отпуск составляет двадцать восемь дней в году.", "koi8-r"),
        ("Urlop wynosi dwadzieścia sześć dni. Wniosek złóż u przełożonego. Żółć, gęś.", "iso8859-2"),
        ("Yıllık izin yirmi gündür. Başvuruyu müdürünüze iletin. Değişiklik için sorun.", "cp1254"),
        ("有給休暇は年に二十日です。申請は上司に出してください。", "iso2022-jp"),
        ("请假三天以上，需要部门经理批准。\n", "utf-16-le"),
        ("请假三天以上，需要部门经理批准。\n", "utf-16-be"),
        ("Les congés sont de vingt-cinq jours.", "utf-16-le"),
        ("Les congés sont de vingt-cinq jours.", "utf-16-be"),
        ("Les congés sont de vingt-cinq jours.", "utf-32-le"),
        ("<p>café</p>", "cp1252"),
    ],
)
def test_text_is_read_in_an_encoding_that_nothing_names(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "page.txt") == text


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("utf-8", "cp1252", "Café and so much text besides that a single sign is no sign of binary data" * 2),
        ("iso-8859-1", "cp1252", "45 € – “net”"),
        ("gb2312", "gbk", "朱镕基 請"),
        ("x-sjis", "cp932", "有給休暇"),
        ("ks_c_5601-1987", "cp949", "연차 똠방각하"),
        ("utf-16", "cp1252", "café"),
        *(
            (label, "cp1252", "café")
            for label in ("base64", "hex", "rot13", "idna", "undefined", "unicode_escape", "?")
        ),
    ],
)
def test_a_name_of_an_encoding_is_understood_as_browsers_do(label: str, encoding: str, text: str) -> None:
    page = f'<meta charset="{label}"><p>{text}</p>'.encode(encoding)
    assert HtmlParser().parse(page, "page.html").sections[0].text == text


def test_a_damaged_sign_does_not_change_the_encoding() -> None:
    text = "请假需要提前三天申请。" * 20
    assert decode(text.encode() + b"\xff", "page.txt") == f"{text}\ufffd"


def test_the_servers_word_counts_for_text_that_is_not_in_utf_8() -> None:
    text = "Да"
    assert recoded(text.encode("koi8-r"), "text/html; charset=KOI8-R").decode() == text
    assert recoded(text.encode("koi8-r"), 'text/plain;charset="koi8-r"').decode() == text
    assert recoded(text.encode(), "text/html; charset=koi8-r").decode() == text
    for media_type in ("text/html", "text/html; charset=none", "text/html; charset=utf-8", "image/png; charset=koi8-r"):
        assert recoded(b"\xe4", media_type) == b"\xe4"


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
