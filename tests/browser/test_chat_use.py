"""Using the chat page for real: leaving and coming back, long answers, mistakes, lost connections, what it promises."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from bot.feedback.reasons import REASONS
from plugins.web.testing.pages import QUESTION, ask, ready, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServedHome

pytestmark = pytest.mark.timeout(90)
ALSO = {"landmark-unique", "page-has-heading-one", "heading-order"}
TRAINS = "How do I book trains?"
LONG = "\n\n".join(f"Paragraph {number} of the rule: hotels are exempt [1]." for number in range(60))


def focused(page: Page) -> str:
    return str(
        page.evaluate("document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.tagName")
    )


def from_end(page: Page) -> int:
    """Return how many pixels lie below what is visible."""
    return int(page.evaluate("document.documentElement.scrollHeight - innerHeight - scrollY"))


def axe(page: Page) -> list[tuple[str, str]]:
    """Return what axe-core finds serious on the page, and what it says of landmarks and headings."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    violations = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        (each["id"], node["html"])
        for each in violations
        if each["impact"] in {"serious", "critical"} or each["id"] in ALSO
        for node in each["nodes"]
    ]


# --- feedback -------------------------------------------------------------------------------------------------------


def test_reasons_stand_in_their_order_and_each_says_what_follows_from_it(page: Page) -> None:
    ask(page)
    page.click("button[aria-label='Bad answer']")
    page.wait_for_selector(".feedback")
    assert page.locator(".feedback .chip").all_inner_texts() == list(REASONS.values())
    for reason, told in (
        ("The source does not fit", "a problem with the search"),
        ("It is out of date", "once the page is updated"),
    ):
        page.click(f".feedback .chip:has-text('{reason}')")
        page.wait_for_selector(f".feedback .note:has-text('{told}')")
    assert "learns" not in page.inner_text(".panel")


def test_a_correction_begins_with_the_answer_and_promises_what_the_role_allows(page: Page, shared: ServedHome) -> None:
    ask(page)
    page.click(".actions button:has-text('Correct')")
    assert (
        page.input_value(".feedback textarea") == "Hotels are tax exempt in **12 states**. Show the form at the desk."
    )
    assert "until a support agent accepts it" in page.inner_text(".feedback .note")
    page.click(".feedback .primary")
    assert "This is the answer as it is" in page.inner_text(".feedback .problem")
    page.fill(".feedback textarea", "Eleven states.")
    page.reload()
    ready(page)
    page.click(".actions button:has-text('Correct')")
    assert page.input_value(".feedback textarea") == "Eleven states."
    page.click(".feedback .primary")
    page.wait_for_selector(".thanks:has-text('Others don\\'t see it until a support agent accepts it')")

    context = page.context.browser
    assert context is not None
    operator = context.new_page()
    operator.goto(shared.url)
    sign_in(operator, "olga")
    ask(operator, TRAINS)
    operator.click("button[aria-label='Bad answer']")
    operator.click(".feedback .chip:has-text('It is unsafe')")
    operator.wait_for_selector(".feedback .note:has-text('until you correct it')")
    operator.click(".actions button:has-text('Correct')")
    assert "becomes the answer to this question right away" in operator.inner_text(".feedback .note")
    operator.context.close()


def test_escape_closes_a_form_and_the_focus_returns_to_its_button(page: Page) -> None:
    ask(page)
    for opener in ("Bad answer", "Correct"):
        button = page.get_by_role("button", name=opener, exact=True)
        button.click()
        page.wait_for_selector(".feedback")
        page.keyboard.press("Escape")
        assert page.locator(".feedback").count() == 0
        assert button.evaluate("node => node === document.activeElement")
    page.get_by_role("button", name="Bad answer").click()  # takes the vote back
    page.wait_for_selector("button[aria-label='Bad answer'][aria-pressed=false]")
    page.get_by_role("button", name="Bad answer").click()
    page.click(".feedback .primary")
    page.wait_for_selector(".thanks")
    assert focused(page) == "Bad answer"


def test_a_slow_correction_leaves_the_focus_where_the_next_question_is_typed(page: Page) -> None:
    ask(page)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/correction", hold)
    page.click("button:has-text('Correct')")
    page.fill(".feedback textarea", "In 13 states.")
    page.click(".feedback .primary")
    page.click("#question")
    page.keyboard.type("How do I ")
    held[0].continue_()
    page.wait_for_selector(".thanks")
    page.keyboard.type("book trains?")
    assert page.input_value("#question") == TRAINS


def test_copying_works_on_plain_http_and_never_pretends(page: Page) -> None:
    ask(page)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
    page.click("button[aria-label='Copy the answer']")
    page.wait_for_selector("button[aria-label='Copy the answer'] use[href='#i-check']")
    page.click("#question")
    page.keyboard.press("Control+V")
    assert page.input_value("#question").startswith("Hotels are tax exempt")

    page.evaluate("document.execCommand = () => false")
    page.wait_for_selector("button[aria-label='Copy the answer'] use[href='#i-copy']")
    page.click("button[aria-label='Copy the answer']")
    page.wait_for_selector(".panel .problem:has-text('press Ctrl+C')")
    assert page.locator("use[href='#i-check']").count() == 0
    assert "12 states" in page.evaluate("getSelection().toString()")


def test_a_source_has_the_name_of_its_page(page: Page) -> None:
    ask(page)
    assert page.inner_text(".sourcecard strong") == "Lodging"
    assert page.inner_text(".sourcecard small") == "Taxes"


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
    assert axe(page) == []
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
    found = axe(page)
    ask(page)
    page.click("button[aria-label='Bad answer']")
    page.wait_for_selector(".feedback")
    found += axe(page)
    ask(page)
    found += axe(page)
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
