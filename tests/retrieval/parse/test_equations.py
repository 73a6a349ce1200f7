"""Equations are written in a line, as Word's linear form has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrieval.parse.word.parser import DocxParser

if TYPE_CHECKING:
    from collections.abc import Callable


def m(tag: str, *parts: str, look: str = "") -> str:
    return f"<m:{tag}>{look}{''.join(parts)}</m:{tag}>"


def t(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


EQUATIONS = {
    "1/2": m("f", m("num", t("1")), m("den", t("2"))),
    "(a+b)/2c": m("f", m("num", t("a+b")), m("den", t("2c"))),
    "x^2": m("sSup", m("e", t("x")), m("sup", t("2"))),
    "x_i^2": m("sSubSup", m("e", t("x")), m("sub", t("i")), m("sup", t("2"))),
    "√(a+b)": m("rad", m("deg"), m("e", t("a+b"))),
    "∛x": m("rad", m("deg", t("3")), m("e", t("x"))),
    "∑_(i=1)^(n) i": m(
        "nary", m("sub", t("i=1")), m("sup", t("n")), m("e", t("i")), look='<m:naryPr><m:chr m:val="∑"/></m:naryPr>'
    ),
    "[a, b; c, d]": m("m", m("mr", m("e", t("a")), m("e", t("b"))), m("mr", m("e", t("c")), m("e", t("d")))),
    "{x|y}": m("d", m("e", t("x")), m("e", t("y")), look='<m:dPr><m:begChr m:val="{"/><m:endChr m:val="}"/></m:dPr>'),
    "(n¦k) x^k a": m("f", m("num", t("n")), m("den", t("k")), look='<m:fPr><m:type m:val="noBar"/></m:fPr>')
    + m("sSup", m("e", t("x")), m("sup", t("k")))
    + t("a"),
    "(x+a)^n": m("sSup", m("e", m("d", m("e", t("x+a")))), m("sup", t("n"))),
    "sin x": m("func", m("fName", t("sin")), m("e", t("x"))),
}


@pytest.mark.parametrize("shown", EQUATIONS)
def test_equations_are_written_in_a_line(word: Callable[..., bytes], shown: str) -> None:
    before, after = (f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>' for text in ("So ", " holds."))
    data = word(f"<w:p>{before}<m:oMath>{EQUATIONS[shown]}</m:oMath>{after}</w:p>")
    assert DocxParser().parse(data, "a.docx").sections[0].text == f"So {shown} holds."
