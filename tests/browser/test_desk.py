"""The desk in a browser: a correction goes from the chat to an agent's keyboard and back into the chat."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select

from bot.access.people import People
from bot.domain.people import Role
from plugins.desk.tables import ClaimRow, SampleRow
from plugins.web.testing.pages import PASSWORD, QUESTION, ask, axe, sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from bot.testing.browser import BrowserPage
    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb

MOST_KEYS = 6
QUESTIONS = (QUESTION, "Do hotels want a form at the desk?", "Are hotels tax exempt in all states?")
"""All answered equally well, so that the first comes first."""


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    """A served home with ada, an employee, and gus and eve, agents."""
    mentee = make_web({"web": {"sign_in": "password"}})
    for name, role in (("ada", Role.EMPLOYEE), ("gus", Role.AGENT), ("eve", Role.AGENT)):
        People(mentee.store).add(name, role=role, password=PASSWORD, actor="test")
    return serve_home(mentee)


@pytest.fixture
def signed_in(home: ServedHome, browser_page: BrowserPage) -> Callable[[str], Page]:
    """Return a function that signs a person in, in a browser of their own."""

    def open_chat(name: str) -> Page:
        page = browser_page(home.url).page
        sign_in(page, name)
        return page

    return open_chat


def correct(page: Page, text: str, question: str = QUESTION) -> None:
    """Ask, and propose a correction of the answer."""
    ask(page, question)
    page.locator(".actions button:has-text('Correct')").last.click()
    page.fill(".feedback textarea", text)
    page.click(".feedback .primary")
    page.locator(".answer").last.locator(".thanks").wait_for()


def press(page: Page, *keys: str) -> int:
    for key in keys:
        page.keyboard.press(key)
    return len(keys)


def test_a_correction_is_accepted_by_keyboard_and_given_to_the_next_who_asks(
    signed_in: Callable[[str], Page],
) -> None:
    ada = signed_in("ada")
    assert ada.locator("a[href='/desk/']").count() == 0
    correct(ada, "Hotels are tax exempt in 13 states.")
    ask(ada)
    assert ada.locator(".mark.curated").count() == 0, "nobody has accepted it yet"

    gus = signed_in("gus")
    gus.click("a[href='/desk/']")
    gus.wait_for_selector("h2:has-text('Which states exempt hotels')")
    assert "13" in gus.inner_text(".diff ins")
    assert "Hotels are tax exempt in 12 states" in gus.inner_text("#item .passage-of .text")
    assert press(gus, "a") <= MOST_KEYS
    gus.wait_for_selector("[role=status]:has-text('Published.')")
    gus.wait_for_selector("h2:has-text('Nothing waits for you')")

    ada.click("#new")
    ask(ada)
    assert ada.is_visible(".mark.curated:has-text('Curated answer by a colleague')")
    assert "13 states" in ada.locator(".answer > .text").last.inner_text()


def test_an_agent_edits_rejects_and_skips_by_keyboard(signed_in: Callable[[str], Page], home: ServedHome) -> None:
    ada = signed_in("ada")
    for number, question in enumerate(QUESTIONS):
        correct(ada, f"Proposal {number}.", question)
    gus = signed_in("gus")
    gus.goto(f"{home.url}/desk/")
    gus.wait_for_selector("h2:has-text('Which states')")
    press(gus, "s")
    gus.wait_for_selector("h2:has-text('want a form')")
    assert press(gus, "e") == 1
    assert gus.locator(":focus").get_attribute("name") == "text"
    assert gus.input_value(":focus") == "Proposal 1."
    gus.keyboard.type(" Edited: a, e, r and s are letters here.")
    press(gus, "Control+Enter")
    gus.wait_for_selector("[role=status]:has-text('Published.')")
    (curated,) = home.mentee.curated.all("travel")
    assert "a, e, r and s are letters here" in curated.text

    gus.wait_for_selector("h2:has-text('in all states')")
    press(gus, "r")
    gus.keyboard.type("It is the rule.")
    press(gus, "Escape")
    assert gus.locator(":focus").get_attribute("data-key") == "r"
    press(gus, "r")
    assert gus.input_value(":focus") == "It is the rule."
    press(gus, "Control+Enter")
    gus.wait_for_selector("[role=status]:has-text('Rejected.')")
    gus.wait_for_selector(f"h2:has-text('{QUESTION}')")
    assert gus.locator(".queue li").count() == 1

    ada.reload()
    told = ada.locator('.note:has-text("gus didn\'t accept your correction.") + blockquote')
    told.wait_for()
    assert told.inner_text() == "It is the rule."
    published = ada.locator(".thanks:has-text('gus published a correction that differs from yours.') + blockquote")
    assert "a, e, r and s are letters here" in published.inner_text()


def test_the_desk_works_without_scripts(home: ServedHome, signed_in: Callable[[str], Page]) -> None:
    correct(signed_in("ada"), "In 13 states.")
    page = signed_in("gus")
    page.route("**/desk.js", lambda route: route.abort())
    page.goto(f"{home.url}/desk/")
    page.keyboard.press("a")
    page.click("summary:has-text('Edit and accept')")
    page.fill("textarea[name=text]", "In 14 states.")
    page.click("button:has-text('Publish')")
    page.wait_for_selector("[role=status]:has-text('Published.')")
    assert [each.text for each in home.mentee.curated.all("travel")] == ["In 14 states."]


def test_a_judgement_takes_six_keys(signed_in: Callable[[str], Page], home: ServedHome) -> None:
    ada = signed_in("ada")
    for number, question in enumerate(QUESTIONS):
        correct(ada, f"Proposal {number}.", question)
    gus = signed_in("gus")
    gus.goto(f"{home.url}/desk/")
    ids = [each.answer_id for each in home.mentee.reviews.queue(home.mentee.people.get("web:gus"))]

    assert press(gus, "3", "2", "1", "1", "w", "a") <= MOST_KEYS
    gus.wait_for_selector("[role=status]:has-text('Published.')")
    assert rated(home, ids[0]) == ([3, 2, 1, 1], "wrong source")

    keys = press(gus, "1", "1", "1", "1", "r")
    gus.keyboard.type("It is right: 1, 2 and 3 are digits here.")
    assert keys + press(gus, "Control+Enter") <= MOST_KEYS
    gus.wait_for_selector("[role=status]:has-text('Rejected.')")
    assert rated(home, ids[1]) == ([1, 1, 1, 1], "")

    keys = press(gus, "3", "3", "1", "3", "e")
    gus.keyboard.type(" And more.")
    assert keys + press(gus, "Control+Enter") <= MOST_KEYS
    gus.wait_for_selector("[role=status]:has-text('Published.')")
    assert rated(home, ids[2]) == ([3, 3, 1, 3], "")


def rated(home: ServedHome, answer_id: str) -> tuple[list[int], str]:
    own = home.mentee.ratings.own(answer_id, "web:gus")
    assert own is not None
    return list(own.grades.values()), own.cause


def test_grades_are_taken_back_and_saved_by_themselves(signed_in: Callable[[str], Page], home: ServedHome) -> None:
    correct(signed_in("ada"), "In 13 states.")
    gus = signed_in("gus")
    gus.goto(f"{home.url}/desk/")
    press(gus, "3", "3", "Backspace", "1", "d")
    assert gus.locator("[role=status]:has-text('Your rating is saved.')").count() == 0, "two lines are missing"
    press(gus, "2", "2", "m", "d")
    gus.wait_for_selector("[role=status]:has-text('Your rating is saved.')")
    (item,) = home.mentee.reviews.queue(home.mentee.people.get("web:gus"))
    assert rated(home, item.answer_id) == ([3, 1, 2, 2], "misunderstood")
    assert gus.locator("#rate input:checked").count() == 5


def test_two_agents_share_the_queue(signed_in: Callable[[str], Page], home: ServedHome) -> None:
    correct(signed_in("ada"), "In 13 states.")
    gus, eve = signed_in("gus"), signed_in("eve")
    gus.goto(f"{home.url}/desk/")
    gus.wait_for_selector("text=You hold this item until")
    eve.goto(f"{home.url}/desk/")
    eve.wait_for_selector("h2:has-text('Colleagues are working on all that waits')")
    assert axe(eve) == []
    eve.click(".queue a")
    eve.wait_for_selector("text=gus is working on this item until")
    assert eve.locator("textarea").count() == 0
    assert axe(eve) == []
    eve.set_viewport_size({"width": 360, "height": 740})
    assert eve.evaluate("document.documentElement.scrollWidth") == 360

    gus.goto(f"{home.url}/")
    until(lambda: not claims(home))
    eve.goto(f"{home.url}/desk/")
    eve.wait_for_selector("text=You hold this item until")


def claims(home: ServedHome) -> list[str]:
    with home.mentee.store.read() as session:
        return list(session.scalars(select(ClaimRow.person_id)))


def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens after a page was left."""
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it never happened")


def test_an_agent_who_lost_an_item_is_told_while_they_type(signed_in: Callable[[str], Page], home: ServedHome) -> None:
    correct(signed_in("ada"), "In 13 states.")
    gus, eve = signed_in("gus"), signed_in("eve")
    gus.clock.install()
    gus.goto(f"{home.url}/desk/")
    press(gus, "e")
    gus.clock.fast_forward(31_000)
    with gus.expect_response("**/hold") as renewed:
        gus.keyboard.type("x")
    assert renewed.value.ok
    with home.mentee.store.write() as session:
        session.execute(delete(ClaimRow))
    eve.goto(f"{home.url}/desk/")
    eve.wait_for_selector("text=You hold this item until")
    gus.clock.fast_forward(31_000)
    gus.keyboard.type("y")
    gus.wait_for_selector("[role=alert]:has-text('You no longer hold this item: eve is working on it.')")
    assert axe(gus) == []
    press(gus, "Control+Enter")
    gus.wait_for_selector("#problem:has-text('What you typed is still below.')")
    assert "xy" in gus.input_value("#text")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_a_phone(
    home: ServedHome, signed_in: Callable[[str], Page], scheme: str
) -> None:
    correct(signed_in("ada"), f"In {'very' * 60}long states. See https://example.org/{'path/' * 40}")
    page = signed_in("gus")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{home.url}/desk/")
    press(page, "e")
    found = axe(page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    found += axe(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    item = page.get_attribute(".queue a", "href")
    press(page, "Escape", "a")
    page.wait_for_selector("h2:has-text('Nothing waits')")
    found += axe(page)
    page.goto(f"{home.url}{item}")
    page.wait_for_selector("text=You published a correction")
    found += axe(page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curated_answers_are_found_and_changed_in_the_browser(
    home: ServedHome, signed_in: Callable[[str], Page], scheme: str
) -> None:
    correct(signed_in("ada"), f"In {'very' * 60}long states.")
    page = signed_in("gus")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{home.url}/desk/curated")
    page.wait_for_selector("h2:has-text('There are none yet')")
    found = axe(page)
    page.click("nav[aria-label=Desk] a:text-is('Queue')")
    page.wait_for_selector("h2:has-text('Which states')")
    press(page, "a")
    page.wait_for_selector("[role=status]:has-text('Published.')")
    page.click("nav[aria-label=Desk] a:has-text('Curated answers')")
    page.fill("[type=search]", "long states")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=1 curated answer")
    found += axe(page)
    page.click(".curated h2 a")
    page.wait_for_selector(".history")
    press(page, "e")
    assert page.locator(":focus").get_attribute("name") == "text"
    found += axe(page)
    page.keyboard.type(" Edited.")
    press(page, "Control+Enter")
    page.wait_for_selector("[role=status]:has-text('Saved.')")
    assert page.locator(".history li").count() == 2
    found += axe(page)
    page.set_viewport_size({"width": 360, "height": 740})
    for address in (page.url, f"{home.url}/desk/curated"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        found += axe(page)
    assert found == []


def test_a_sample_is_rated_in_five_keys_and_the_queues_page_shows_it(
    home: ServedHome, signed_in: Callable[[str], Page]
) -> None:
    ask(signed_in("ada"))
    (turn,) = home.mentee.history.of_person("web:ada", limit=1)
    with home.mentee.store.write() as session:
        session.add(SampleRow(answer_id=turn.answer.id, department="travel"))
    page = signed_in("gus")
    page.goto(f"{home.url}/desk/queues")
    found = axe(page)
    page.click("a:has-text('Random sample')")
    page.wait_for_selector("text=Drawn at random")
    found += axe(page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert press(page, "1", "2", "1", "1", "d") <= MOST_KEYS
    page.wait_for_selector("[role=status]:has-text('Your rating is saved.')")
    assert rated(home, turn.answer.id) == ([1, 2, 1, 1], "")
    page.goto(f"{home.url}/desk/queues")
    assert "1 answer rated" in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert found + axe(page) == []
