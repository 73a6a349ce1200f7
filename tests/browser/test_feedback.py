"""Votes, reasons and corrections on the chat page, and copying and citing its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.feedback.reasons import REASONS
from plugins.web.testing.pages import ask, focused, ready, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from bot.testing.serving import ServedHome

TRAINS = "How do I book trains?"


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
