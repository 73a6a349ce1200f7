"""Using the chat page for real: leaving and coming back, long answers, mistakes, lost connections, what it promises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from plugins.web.testing.pages import QUESTION, ask, axe, focused, ready, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServedHome

ALSO = "landmark-unique", "page-has-heading-one", "heading-order"
TRAINS = "How do I book trains?"
LONG = "\n\n".join(f"Paragraph {number} of the rule: hotels are exempt [1]." for number in range(60))


def from_end(page: Page) -> int:
    """Return how many pixels lie below what is visible."""
    return int(page.evaluate("document.documentElement.scrollHeight - innerHeight - scrollY"))


# --- going and coming back ------------------------------------------------------------------------------------------


def test_back_forward_and_the_address_open_conversations(page: Page) -> None:
    ask(page)
    first = page.evaluate("location.hash")
    page.click("#new")
    ask(page, TRAINS)
    page.go_back()
    page.wait_for_selector(f".question:has-text('{QUESTION}')")
    page.go_forward()
    page.wait_for_selector(f".question:has-text('{TRAINS}')")
    page.evaluate("hash => { location.hash = hash; }", first)
    page.wait_for_selector(f".question:has-text('{QUESTION}')")
    page.wait_for_selector(f".conversation[aria-current=true]:has-text('{QUESTION}')")
    page.evaluate("location.hash = '#c_00000000'")
    page.wait_for_selector(".problem:has-text('There is no conversation at this address')")


def test_an_ended_session_keeps_the_question_and_the_way_back(page: Page, shared: ServedHome) -> None:
    ask(page)
    conversation = page.evaluate("location.hash")
    page.context.clear_cookies()
    page.fill("#question", TRAINS)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Sign in')")
    sign_in(page)
    assert page.evaluate("location.hash") == conversation
    assert page.locator(".question").all_inner_texts() == [QUESTION]
    assert page.input_value("#question") == TRAINS
    page.reload()
    ready(page)
    assert page.input_value("#question") == TRAINS

    page.context.clear_cookies()
    page.goto("about:blank")
    page.goto(f"{shared.url}/{conversation}")
    page.wait_for_selector("h1:has-text('Sign in')")
    sign_in(page)
    assert page.inner_text(".question") == QUESTION


def test_a_wrong_password_keeps_the_name_and_focuses_the_password(page: Page, shared: ServedHome) -> None:
    page.context.clear_cookies()
    page.goto(f"{shared.url}/console/?department=it")
    page.fill("[name=name]", "olga")
    page.fill("[name=password]", "wrong password")
    page.keyboard.press("Enter")
    page.wait_for_selector(".problem:has-text('do not match')")
    assert page.input_value("[name=name]") == "olga"
    assert page.locator(":focus").get_attribute("name") == "password"
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Console')")
    assert page.url == f"{shared.url}/console/?department=it"
    page.context.clear_cookies()
    page.goto(shared.url)
    sign_in(page)


def test_a_running_conversation_is_listed_and_found_again(page: Page, engine: ScriptedEngine) -> None:
    engine.delay = 0.6
    page.fill("#question", TRAINS)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer .text :text('Hotels')")
    page.click("#new")
    page.click(f".conversation:has-text('{TRAINS}'):has([aria-label='Being answered'])")
    page.wait_for_selector(".answer[aria-busy=true]")
    engine.delay = 0.0
    page.wait_for_selector(".answer[aria-busy=false]")
    assert page.locator(".question").count() == 1
    page.wait_for_selector(".conversation [aria-label='Being answered']", state="detached")


def test_a_conversation_says_that_the_server_is_away_and_can_be_opened_again(page: Page) -> None:
    ask(page)
    page.click("#new")
    page.context.set_offline(True)
    page.locator(f".conversation:has-text('{QUESTION}')").first.click()
    page.wait_for_selector(".log .problem:has-text('Can’t reach Mentee')")
    page.context.set_offline(False)
    page.click("text=Try again")
    page.wait_for_selector(".answer")


def test_a_conversation_is_found_by_its_words_and_deleted(page: Page) -> None:
    page.fill("#question", "Is a SPA day exempt?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer[aria-busy=false]")
    ask(page, TRAINS)
    page.fill("#find", "spa day")
    page.wait_for_selector("#found:text('1 found')", state="attached")
    assert page.locator(".conversation").all_inner_texts() == ["Is a SPA day exempt?"]
    page.click(".entry button[aria-label^='Delete']")
    assert "“Is a SPA day exempt?”" in page.inner_text("#delete-what")
    assert focused(page) == "delete-no"
    page.click("#delete-yes")
    page.wait_for_selector("#found:has-text('0 found')")
    assert page.is_visible("#welcome")
    assert page.evaluate("location.hash") == ""
    page.fill("#find", "")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_conversation_is_renamed_by_keyboard_and_on_a_phone(page: Page, width: int) -> None:
    ask(page)
    page.set_viewport_size({"width": width, "height": 800})
    if width == 390:
        page.click("#sidebar-open")
    pen = page.locator(".entry:has([aria-current=true]) button[aria-label^='Rename']")
    pen.focus()
    page.keyboard.press("Enter")
    assert focused(page) == "rename-title"
    assert axe(page, *ALSO) == []
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.ariaLabel?.startsWith('Rename')")
    page.keyboard.press("Enter")
    page.keyboard.type("Hotels in Texas")
    page.keyboard.press("Enter")
    page.wait_for_selector(".conversation[aria-current=true]:has-text('Hotels in Texas')")
    page.wait_for_function("document.activeElement.ariaLabel?.includes('Hotels in Texas')")
    assert page.title() == "Hotels in Texas · Mentee"
    page.reload()
    ready(page)
    page.wait_for_function("document.title === 'Hotels in Texas · Mentee'")
    page.fill("#find", "texas") if width != 390 else page.keyboard.press("Escape")
    assert page.locator(".conversation[aria-current=true]").text_content() == "Hotels in Texas"


def test_a_conversation_is_downloaded_once_it_has_an_answer(page: Page) -> None:
    link = page.locator("a:has-text('Export this conversation')")
    assert not link.is_visible()
    ask(page)
    for opened_again in (False, True):
        if opened_again:
            page.reload()
            ready(page)
        with page.expect_download() as download:
            link.click()
        assert f"> {QUESTION}\n" in download.value.path().read_text(encoding="utf-8")
    page.click("#new")
    assert not link.is_visible()


# --- asking ---------------------------------------------------------------------------------------------------------


def test_a_running_answer_is_stopped_and_stays_stopped(page: Page, engine: ScriptedEngine) -> None:
    engine.delay = 0.6
    page.fill("#question", TRAINS)
    page.click("#send")
    page.wait_for_selector(".answer .text :text('Hotels')")
    page.wait_for_timeout(700)  # past what counts as a double click
    page.click("button[aria-label='Stop the answer']")
    page.wait_for_selector(".outcome:has-text('You stopped this answer')")
    assert focused(page) != "BODY"
    page.reload()
    ready(page)
    assert page.locator(".question").all_inner_texts() == [TRAINS]
    page.wait_for_selector(".outcome:has-text('You stopped this answer')")
    engine.delay = 0.0
    page.click("text=Ask again")
    page.wait_for_selector(".answer .sources")


def test_a_question_is_edited_and_asked_again(page: Page) -> None:
    ask(page)
    page.get_by_role("button", name="Edit and ask again").click()
    assert (page.input_value("#question"), focused(page)) == (QUESTION, "question")
    page.fill("#question", "")
    page.click("button[aria-label='Ask again']")
    page.wait_for_selector(".question >> nth=1")
    page.wait_for_selector(".answer:last-of-type[aria-busy=false]")


def test_a_question_that_is_too_long_says_what_to_do(page: Page) -> None:
    page.fill("#question", "x" * 210)
    assert page.inner_text("#count") == "10 characters too many. Shorten the question to 200."
    assert page.is_disabled("#send")
    page.keyboard.press("Enter")
    assert page.locator(".question").count() == 0
    page.fill("#question", "x" * 200)
    assert page.is_enabled("#send")


def test_the_page_follows_an_answer_unless_the_reader_has_scrolled_up(page: Page, engine: ScriptedEngine) -> None:
    engine.answer = LONG
    ask(page)
    assert from_end(page) < 2
    page.reload()
    ready(page)
    assert from_end(page) < 2
    lowest = page.evaluate("document.querySelector('.actions').getBoundingClientRect().bottom")
    assert lowest <= page.evaluate("document.querySelector('#composer').getBoundingClientRect().top")

    engine.delay = 0.02
    page.fill("#question", TRAINS)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer:last-of-type .text p")
    page.evaluate("scrollTo(0, 300)")
    page.wait_for_selector(".answer:last-of-type .text p >> nth=4")
    engine.delay = 0.0
    page.wait_for_selector(".answer:last-of-type[aria-busy=false]")
    assert page.evaluate("scrollY") == 300


# --- phones and assistive technology --------------------------------------------------------------------------------


def test_the_menu_of_a_phone_holds_the_focus_and_gives_it_back(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.click("#sidebar-open")
    assert focused(page) == "sidebar-close"
    for key in ("Shift+Tab", *["Tab"] * 12):
        page.keyboard.press(key)
        assert page.evaluate("document.getElementById('sidebar').contains(document.activeElement)"), key
    page.keyboard.press("Escape")
    assert focused(page) == "sidebar-open"
    assert page.get_attribute("#sidebar-open", "aria-expanded") == "false"


def test_targets_are_large_enough_for_fingers(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    ask(page)
    page.click("button[aria-label='Bad answer']")
    page.click("#sidebar-open")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button:not(.cite), select, .sidebar a")]
             .filter((node) => node.checkVisibility() && !node.closest("dialog"))
             .filter((node) => node.getBoundingClientRect().height < 44).map((node) => node.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = axe(page, *ALSO)
    ask(page)
    page.click("button[aria-label='Bad answer']")
    page.wait_for_selector(".feedback")
    found += axe(page, *ALSO)
    ask(page)
    found += axe(page, *ALSO)
    page.emulate_media(color_scheme="light")
    assert found == []


def test_the_focus_stays_on_the_page_after_sending(page: Page) -> None:
    page.locator("#examples .chip").first.click()
    assert focused(page) == "question"
    page.wait_for_selector(".answer[aria-busy=false]")
    page.fill("#question", TRAINS)
    page.click("#send")
    assert focused(page) == "question"
    page.wait_for_selector(".answer:last-of-type[aria-busy=false]")
    assert focused(page) == "question"


def test_a_wrong_address_is_a_page_and_stands_in_the_middle(page: Page, shared: ServedHome) -> None:
    for path in ("/nothing-here", "/console/nothing"):
        page.goto(shared.url + path)
        assert re.search("There is no page at|needs the role", page.inner_text("h1"))
        box = page.locator("main.card").bounding_box()
        assert box is not None
        assert abs(box["y"] + box["height"] / 2 - 400) < 60
