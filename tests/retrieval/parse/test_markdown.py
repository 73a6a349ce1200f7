"""Markdown as companies write it: code is never changed, footnotes stand where they count, tags are gone."""

from __future__ import annotations

import time

import pytest

from bot.domain.documents.blocks import Code
from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.formats.markdown import MarkdownParser, split_front_matter
from retrieval.parse.formats.markup import commonmark


def said(text: str) -> str:
    document = MarkdownParser().parse(text.encode(), "page.md")
    return "\n\n".join(section.text for section in document.sections)


@pytest.mark.parametrize(
    "text",
    [
        "1. Put:\n\n   ```yaml\n   image: {{ .Values.image }}\n   ```\n\n2. Go",
        "> ```sh\n> image: {{ .Values.image }}\n> ```",
        "- ```\n  image: {{ .Values.image }}\n  ```",
        "Write ``image: {{ .Values.image }}`` there.",
        "Write `image:\n{{ .Values.image }}` there.",
        "{% raw %}image: {{ .Values.image }}{% endraw %}",
        "Put:\n\n    image: {{ .Values.image }}\n",
        "- Put:\n\n      image: {{ .Values.image }}\n",
        "\timage: {{ .Values.image }}\n\n{{ gone }}",
    ],
)
def test_template_tags_in_code_stay(text: str) -> None:
    assert "image: {{ .Values.image }}" in said(text)


def test_indented_code_stays_as_it_is_written() -> None:
    code = "{% if x %}\n{# a #} <!-- b --> `c ~d~\n    {{ e }}\n{% endif %}"
    indented = "\n".join(f"    {line}" for line in code.split("\n"))
    page = MarkdownParser().parse(f"Put {{{{ gone }}}}\n\n{indented}\n\n<!--\n\n    gone\n\n-->".encode(), "page.md")
    assert page.sections[0].blocks[1:] == (Code(code),)
    assert "gone" not in page.sections[0].text


def test_comments_in_code_stay_and_others_go() -> None:
    page = MarkdownParser().parse(
        b"```html\n<!-- kept -->\n<p>x</p>\n```\n\nA <!-- gone --> b {# gone #}\n\n"
        b"```sh\necho ${#A[@]}\nx=${x#}\n```\n\n"
        b"<!--\n```\ngone\n```\n-->\n\nUse `{# kept #}` and \\`{# gone #}\\`.",
        "page.md",
    )
    assert page.sections[0].blocks[0] == Code("<!-- kept -->\n<p>x</p>", "html")
    assert page.sections[0].blocks[2] == Code("echo ${#A[@]}\nx=${x#}", "sh")
    assert "gone" not in page.sections[0].text
    assert "{# kept #}" in page.sections[0].text


@pytest.mark.parametrize("start", ["", "Hello.\n\n"])
@pytest.mark.parametrize("note", ["Moved from the wiki. Ask Facilities for keys.", "Important: ask Facilities.\nNow."])
def test_text_between_two_rules_is_text(start: str, note: str) -> None:
    page = MarkdownParser().parse(f"{start}---\n{note}\n---\nRest of the page.\n\nPart\n---\nEnd.".encode(), "hr.md")
    first, second = page.sections
    assert first.text == f"{start}{' '.join(note.split())}\n\nRest of the page."
    assert (second.headings, second.text) == (("Part",), "End.")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("~45~ 60 dollars", "60 dollars"),
        ("about ~45 to ~60 dollars", "about ~45 to ~60 dollars"),
        ("H~2~O", "H~2~O"),
        ("cp ~/a ~/b", "cp ~/a ~/b"),
        ("`~45~` 60", "~45~ 60"),
        ("**注意：**请出示证件", "注意：请出示证件"),
    ],
)
def test_marks_are_read_as_they_are_shown(text: str, read: str) -> None:
    assert said(text) == read


def test_a_footnote_stands_below_what_refers_to_it() -> None:
    text = (
        "You get 30[^1] days.\n\nAsk HR[^hr] or IT.[^none]\n\n[^1]: Managers\n"
        "[^hr]: Room 4,\n    first floor.\n\n    Open `[^1]` at 9.\n\n## Next\n\nText."
    )
    assert said(text) == (
        "You get 30 (note 1) days.\n\nNote 1: Managers\n\nAsk HR (note 2) or IT.[^none]\n\n"
        "Note 2: Room 4, first floor.\nOpen [^1] at 9.\n\nText."
    )


@pytest.mark.parametrize(
    "page",
    [
        '<p>You get 30<sup><a href="#n">1</a></sup> days.</p><p>Go.</p><ol><li id=n>Managers. <a href="#r">↩</a></ol>',
        '<p>You get 30<a href="#n" role="doc-noteref"><sup>1</sup></a> days.<p>Go.<aside id=n>Managers.</aside>',
        '<p>You get 30<sup><a href="#n">[1]</a></sup> days.</p><p>Go.</p><p><a id=n href="#r">[1]</a> Managers.</p>',
        '<p>You get 30<sup id=r><a href="#n">1</a></sup> days.<p>Go.<p id=n><sup><a href="#r">1</a></sup> Managers.',
    ],
)
def test_footnotes_of_web_pages_too(page: str) -> None:
    (section,) = HtmlParser().parse(page.encode(), "page.html").sections
    assert section.text == "You get 30 (note 1) days.\n\nNote 1: Managers.\n\nGo."


@pytest.mark.parametrize(
    ("text", "meta"),
    [
        ("---\nDate: 12 May\nPlace: Room 3\n---\nRest.", {}),
        ("---\nStatus: closed until Monday\n---\nRest.", {}),
        ("---\nTitle: Keys\nTags: []\n---\nRest.", {"Title": "Keys", "Tags": []}),
        ("---\nstatus: draft\n---\nRest.", {"status": "draft"}),
    ],
)
def test_lines_for_people_between_rules_are_no_front_matter(text: str, meta: dict[str, object]) -> None:
    assert split_front_matter(text, "page.md")[0] == meta


@pytest.mark.parametrize(
    "unit", ["`` a ", "<!-- ", "{# x ", "{% a ", "{{ a ", "a ~b ", "[^a]: x\n", "[^a] ", "> - ", "**a。"]
)
def test_marks_without_an_end_take_time_by_their_number(unit: str) -> None:
    def taken(times: int) -> float:
        start = time.process_time()
        commonmark(unit * times)
        return time.process_time() - start

    assert taken(50_000) < 15 * max(taken(10_000), 0.05)
