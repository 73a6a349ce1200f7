"""A question goes from the chat to a person at the desk, and the reply comes back, in two browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access.people import People
from bot.domain.people import Role
from plugins.web.testing.pages import PASSWORD, ask, axe, ready, sign_in

if TYPE_CHECKING:
    from bot.testing.browser import BrowserPage
    from bot.testing.serving import ServeHome
    from plugins.web.testing.fixtures import MakeWeb

QUESTION = "Who won the cup?"


def test_a_refused_question_is_answered_by_a_person(
    make_web: MakeWeb, serve_home: ServeHome, browser_page: BrowserPage
) -> None:
    mentee = make_web({"web": {"sign_in": "password"}})
    for name, role in (("ada", Role.EMPLOYEE), ("gus", Role.AGENT)):
        People(mentee.store).add(name, role=role, password=PASSWORD, actor="test")
    home = serve_home(mentee)
    opened, at_desk = browser_page(home.url, width=360, height=740), browser_page(home.url)
    ada, gus = opened.page, at_desk.page
    found = []
    sign_in(ada)
    ask(ada, QUESTION)
    ada.click("button:has-text('Ask a person')")
    assert "will see your question, this answer and your name" in ada.inner_text(".offers .feedback")
    found += axe(ada)
    ada.keyboard.press("Escape")
    assert ada.inner_text(":focus") == "Ask a person"
    ada.keyboard.press("Enter")
    ada.keyboard.press("Enter")  # the focus is on Ask
    ada.wait_for_selector(".outcome:has-text('Waiting for a person since')")
    assert ada.locator("button:has-text('Ask a person')").count() == 0
    found += axe(ada)

    sign_in(gus, "gus")
    gus.goto(f"{home.url}/desk/")
    gus.wait_for_selector(f"h2:has-text('{QUESTION}')")
    gus.keyboard.press("r")
    gus.keyboard.type("Ask **Ina**. <img src=x>")
    found += axe(gus)
    gus.keyboard.press("Control+Enter")
    gus.wait_for_selector("[role=status]:has-text('Sent.')")

    for _ in range(2):  # without a reload, and after it
        ada.wait_for_selector(".reply:has-text('gus replied')")
        assert ada.inner_text(".reply strong") == "Ina"
        assert ada.locator(".reply img").count() == 0
        assert ada.locator(".reply").count() == 1
        assert ada.locator(".outcome").count() == 0
        assert ada.evaluate("document.documentElement.scrollWidth") == 360
        found += axe(ada)
        ada.reload()
        ready(ada)
    assert found == []
    assert opened.problems == at_desk.problems == []
