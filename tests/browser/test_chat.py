from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.answers import DirectAnswer
from bot.domain.plugins.actions import Action, ActionResult
from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.feedback import CorrectionRow, VoteRow
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from bot.domain.questions import Question
    from bot.testing.browser import BrowserPage
    from bot.testing.engines import ScriptedEngine
    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb

QUESTION = "Which states exempt hotels from tax?"


def ask(page: Page, text: str = QUESTION) -> None:
    page.fill("#question", text)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer:last-of-type[aria-busy=false]")


def rows(home: ServedHome, table: type[Any]) -> list[Any]:
    with home.mentee.store.read() as session:
        return session.query(table).all()


def test_ask_cite_vote_correct_and_reload(web: ServedHome, browser_page: BrowserPage) -> None:
    opened = browser_page(web.url)
    page = opened.page
    ask(page)
    assert "12 states" in page.inner_text(".answer .text")
    assert page.inner_text(".answer .text strong") == "12 states"

    page.click(".answer .cite")
    assert page.inner_text("#source-heading") == "Lodging"
    assert "Show the form at the desk" in page.inner_text("#source-text")
    assert "travel/lodging.md" in page.inner_text("#source-document")
    page.keyboard.press("Escape")
    assert not page.is_visible("#source")

    page.click("button[aria-label='Bad answer']")
    page.click(".feedback .chip:has-text('out of date')")
    page.fill(".feedback textarea", "since May")
    page.click(".feedback .primary")
    page.wait_for_selector(".thanks")
    (vote,) = rows(web, VoteRow)
    assert (vote.value, vote.reason, vote.comment) == ("down", "outdated", "since May")

    page.click(".actions button:has-text('Correct')")
    page.fill(".feedback textarea", "Eleven states.")
    page.click(".feedback .primary")
    page.wait_for_selector(".thanks:has-text('Your correction is live')")
    assert [row.text for row in rows(web, CorrectionRow)] == ["Eleven states."]

    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.inner_text(".question") == QUESTION
    assert page.get_attribute("button[aria-label='Bad answer']", "aria-pressed") == "true"

    ask(page)
    assert page.is_visible(".mark.curated:has-text('Curated answer by a colleague')")
    assert "Eleven states." in page.locator(".answer > .text").last.inner_text()
    assert opened.problems == []


def test_a_question_under_way_survives_a_reload(
    make_web: MakeWeb, serve_home: ServeHome, browser_page: BrowserPage, web_engine: ScriptedEngine
) -> None:
    web_engine.delay = 0.15
    home = serve_home(make_web())
    page = browser_page(home.url).page
    page.fill("#question", QUESTION)
    with page.expect_response("**/events"):
        page.keyboard.press("Enter")
    page.wait_for_selector(".answer[aria-busy=true]")
    page.reload()
    page.wait_for_selector(".answer[aria-busy=false]")
    assert page.locator(".question").count() == 1
    assert len(rows(home, QuestionRow)) == 1


def test_a_question_without_an_answer_looks_different(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url).page
    page.select_option("#department", "it")
    ask(page, "What is the airspeed of an unladen swallow?")
    assert page.is_visible(".answer.unknown .mark.nearest:has-text('Closest I found')")
    assert page.inner_text(".sources h3") == "Nearest pages"


@pytest.mark.parametrize("path", ["", "/console/"])
def test_on_a_phone_nothing_is_wider_than_the_screen(web: ServedHome, browser_page: BrowserPage, path: str) -> None:
    opened = browser_page(web.url, width=360, height=740)
    page = opened.page
    page.goto(web.url + path)
    if not path:
        page.wait_for_selector("body[data-ready=true]")
        ask(page)
        page.click("button[aria-label='Bad answer']")
        page.click(".sourcecard")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_menu_of_a_phone_opens_an_earlier_conversation(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url, width=360, height=740).page
    ask(page)
    page.click("#new-narrow")
    assert page.is_visible("#welcome")
    page.click("#sidebar-open")
    page.click(f".conversation:has-text('{QUESTION}')")
    page.wait_for_selector(".answer")
    assert page.get_attribute("#sidebar-open", "aria-expanded") == "false"


def test_everything_can_be_done_by_keyboard(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url).page
    page.focus("#question")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer[aria-busy=false]")
    page.focus(".answer .cite")
    page.keyboard.press("Enter")
    assert page.is_visible("#source")
    page.keyboard.press("Escape")
    page.focus("button[aria-label='Good answer']")
    page.keyboard.press("Space")
    page.wait_for_selector(".thanks")
    assert page.get_attribute("button[aria-label='Good answer']", "aria-pressed") == "true"


def test_an_example_is_asked_by_one_click(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url).page
    page.select_option("#department", "travel")
    assert page.locator("#examples .chip").count() == 2
    page.click(f"#examples .chip:has-text('{QUESTION}')")
    page.wait_for_selector(".answer[aria-busy=false]")


def test_every_control_has_a_name(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url).page
    ask(page)
    page.click("button[aria-label='Bad answer']")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea")].filter((node) =>
             !(node.textContent.trim() || node.ariaLabel || node.labels?.length || node.type === "hidden"))
             .map((node) => node.outerHTML)"""
    )
    assert unnamed == []


def test_the_page_says_that_it_is_starting(
    make_web: MakeWeb,
    serve_home: ServeHome,
    browser_page: BrowserPage,
    web_engine: ScriptedEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio
    import threading

    release = threading.Event()

    async def slow_start() -> None:
        await asyncio.to_thread(release.wait)

    monkeypatch.setattr(web_engine, "start", slow_start)
    page = browser_page(serve_home(make_web(), ready=False).url).page
    try:
        page.wait_for_selector("#notice:has-text('Mentee is starting')")
        page.fill("#question", QUESTION)
        page.keyboard.press("Enter")
    finally:
        release.set()
    page.wait_for_selector(".answer[aria-busy=false]")
    page.wait_for_selector("#notice", state="hidden")


def test_a_person_signs_in_and_out(make_web: MakeWeb, serve_home: ServeHome, browser_page: BrowserPage) -> None:
    from bot.access.people import People
    from bot.domain.people import Role

    home = serve_home(make_web({"web": {"sign_in": "password"}}))
    People(home.mentee.store).add("ada", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    page = browser_page(home.url).page
    page.fill("[name=name]", "ada")
    page.fill("[name=password]", "wrong password")
    page.click("button")
    page.wait_for_selector(".problem:has-text('do not match')")
    page.fill("[name=password]", "correct horse battery")
    page.click("button")
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator("a[href='/console']").count() == 0
    page.click("text=Sign out")
    page.wait_for_selector("h1:has-text('Sign in to Mentee')")


def test_an_operator_switches_and_configures_a_plugin(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url).page
    page.goto(f"{web.url}/console/?department=travel")
    page.click("button[role=switch][aria-label=metrics]")
    page.wait_for_selector("button[role=switch][aria-label=metrics][aria-checked=false]")
    assert not web.mentee.plugins.states.enabled("metrics", "travel")
    assert web.mentee.plugins.states.enabled("metrics", "it")
    page.wait_for_selector("#changes :text('plugin.disable')")


def test_nothing_is_loaded_from_other_hosts(web: ServedHome, browser_page: BrowserPage) -> None:
    opened = browser_page(web.url)
    ask(opened.page)
    opened.page.goto(f"{web.url}/console/")
    assert opened.hosts == {web.url.removeprefix("http://")}


def test_an_action_is_confirmed_by_keyboard_and_its_result_stays(
    make_web: MakeWeb, serve_home: ServeHome, browser_page: BrowserPage
) -> None:
    def answer_directly(question: Question) -> DirectAnswer | None:
        offers = Action("open", "Open a ticket", style="primary"), Action("all", "Delete all", style="danger")
        return DirectAnswer("What shall I do?", actions=offers) if "ticket" in question.text else None

    def on_action(action: Action) -> ActionResult:
        if action.name == "all":
            return ActionResult("<b>Nothing</b> was deleted.", ok=False)
        return ActionResult("Ticket IT-42 is open.", actions=(Action("all", "Delete all", style="danger"),))

    tickets = make_plugin(answer_directly=answer_directly, on_action=on_action)
    opened = browser_page(serve_home(make_web(plugins={"tickets": tickets})).url)
    page = opened.page
    ask(page, "Please open a ticket")
    assert page.locator(".offer").count() == 2
    page.focus(".offer.primary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".outcome.done:has-text('Ticket IT-42 is open.')")
    page.click(".offer.danger")
    assert page.inner_text(".offers .ask") == "Are you sure?"
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.keyboard.press("Enter")
    assert not page.is_visible(".offers .ask")
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.is_visible(".outcome.done:has-text('Ticket IT-42 is open.')")
    page.click(".offer.danger")
    page.focus(".offers .offer.danger")
    page.keyboard.press("Enter")
    page.wait_for_selector(".outcome.failed:has-text('<b>Nothing</b> was deleted.')")
    assert page.locator(".offer").count() == 0
    assert opened.problems == []


def test_the_enter_that_confirms_a_word_of_an_input_method_sends_nothing(
    web: ServedHome, browser_page: BrowserPage
) -> None:
    page = browser_page(web.url).page
    page.fill("#question", "\u306b\u307b\u3093\u3054")
    page.evaluate(
        """() => {
          const enter = new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true});
          document.querySelector('#question').dispatchEvent(enter);
        }"""
    )
    assert page.locator(".question").count() == 0
    assert page.input_value("#question") == "\u306b\u307b\u3093\u3054"


def test_a_conversation_that_loads_late_is_not_shown_in_another(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url).page
    ask(page, "Which states exempt hotels from tax?")
    page.click("#new")
    ask(page, "How do I book trains?")
    page.locator("#conversations .conversation").nth(1).wait_for()
    new, old = page.eval_on_selector_all("#conversations .conversation", "all => all.map(one => one.dataset.id)")
    page.evaluate(
        """(slow) => {
          const real = window.fetch;
          window.fetch = async (url, more) => {
            const answer = await real(url, more);
            if (String(url).endsWith('/api/v1/conversations/' + slow)) {
              await new Promise((done) => setTimeout(done, 700));
              setTimeout(() => { document.body.dataset.late = 'true'; }, 200);
            }
            return answer;
          };
        }""",
        old,
    )
    page.click(f"[data-id='{old}']")
    page.click(f"[data-id='{new}']")
    page.wait_for_selector("body[data-late=true]")
    assert page.locator(".question").all_inner_texts() == ["How do I book trains?"]


def test_a_refusal_is_asked_again_in_another_department(web: ServedHome, browser_page: BrowserPage) -> None:
    page = browser_page(web.url).page
    page.select_option("#department", "it")
    ask(page, "Are hotels tax exempt in 12 states?")
    page.click(".answer button:has-text('Ask in Travel')")
    page.wait_for_selector(".answer:nth-of-type(4)[aria-busy=false]")
    assert "12 states" in page.inner_text(".answer:last-of-type .text")
    assert page.input_value("#department") == "it"
    (first, again) = sorted(row.department for row in rows(web, QuestionRow))
    assert (first, again) == ("it", "travel")
