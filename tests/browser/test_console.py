"""The operators' page in a browser: forms keep what was typed, and no click takes the console away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from bot.testing.browser import BrowserPage
    from bot.testing.homes import Mentee
    from bot.testing.serving import ServeHome
    from plugins.web.testing.fixtures import MakeWeb


class Tickets(BaseModel):
    """Where tickets are."""

    prefix: str | None = None
    urgency: Literal["low", "high"] = "low"
    places: list[str] = ["desk"]
    loud: bool = False
    limit: int = Field(3, ge=1)
    token: SecretStr | None = None


@pytest.fixture
def mentee(make_web: MakeWeb) -> Mentee:
    tickets = make_plugin(register_settings=lambda: Tickets, check_answer=lambda: None)
    return make_web(plugins={"tickets": tickets})


@pytest.fixture
def page(mentee: Mentee, serve_home: ServeHome, browser_page: BrowserPage) -> Page:
    """The console of a department, with the settings of the plugin `tickets` open."""
    home = serve_home(mentee)
    opened = browser_page(home.url)  # signs in
    page = opened.page
    page.goto(f"{home.url}/console/?department=it")
    page.click("#plugin-tickets summary")
    return page


def settings(mentee: Mentee, department: str | None = "it") -> BaseModel | None:
    return mentee.plugins.states.settings("tickets", department, Tickets)


def save(page: Page) -> None:
    with page.expect_navigation():
        page.click("#plugin-tickets .primary")


def test_every_kind_of_setting_can_be_filled_in_and_reset(page: Page, mentee: Mentee) -> None:
    page.fill("text=Prefix", "HELP")
    page.select_option("text=Urgency", "high")
    page.fill("text=Places", "desk\n front door \n")
    page.check("text=Loud")
    page.fill("text=Limit", "5")
    save(page)
    assert "Saved." in page.inner_text("#plugin-tickets [role=status]")
    changed = Tickets(prefix="HELP", urgency="high", places=["desk", "front door"], loud=True, limit=5)
    assert settings(mentee) == changed
    assert settings(mentee, None) == Tickets()

    for name in ("prefix", "places"):
        page.check(f"#plugin-tickets .reset [value={name}]")
    save(page)
    assert settings(mentee) == changed.model_copy(update={"prefix": None, "places": ["desk"]})
    save(page)
    assert "Nothing was changed." in page.inner_text("#plugin-tickets [role=status]")


def test_a_refused_form_keeps_what_was_typed_and_focuses_the_first_mistake(page: Page, mentee: Mentee) -> None:
    page.fill("text=Prefix", "HELP")
    page.fill("text=Places", "desk\nfront door")
    page.check("text=Loud")
    page.fill("text=Limit", "many")
    page.fill("text=Token", "xoxb-1")
    save(page)
    assert settings(mentee) == Tickets()
    assert page.locator(":focus").get_attribute("name") == "limit"
    wrong = page.locator("#plugin-tickets .wrong")
    assert "valid integer" in wrong.nth(0).inner_text()
    assert "doesn't store secrets" in wrong.nth(1).inner_text()
    shown = {name: page.input_value(f"#plugin-tickets [name={name}]") for name in ("prefix", "places", "limit")}
    assert shown == {"prefix": "HELP", "places": "desk\nfront door", "limit": "many"}
    assert page.is_checked("#plugin-tickets [name=loud]")

    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    page.fill("text=Token", "")
    save(page)
    assert settings(mentee) == Tickets(prefix="HELP", places=["desk", "front door"], loud=True, limit=7)


def test_a_guard_is_switched_off_after_saying_what_follows_and_this_can_be_undone(page: Page, mentee: Mentee) -> None:
    states, switch = mentee.plugins.states, "[role=switch][aria-label=tickets]"
    page.click(switch)
    assert "No guard is left in the department it: answers are shown unchecked." in page.inner_text(".follows")
    page.click("text=Keep it on")
    assert states.enabled("tickets", "it")
    page.click(switch)
    page.click(".danger")
    page.wait_for_selector("#plugin-tickets [role=status]:has-text('Switched off for it.')")
    assert not states.enabled("tickets", "it")
    assert states.enabled("tickets", "travel")
    page.click("text=Undo")
    page.wait_for_selector("#plugin-tickets [role=status]:has-text('Switch reset for it.')")
    assert states.enabled("tickets", "it")


def test_no_click_takes_the_console_or_the_chat_away(page: Page, mentee: Mentee) -> None:
    for plugin in ("console", "web"):
        assert page.locator(f"#plugin-{plugin} [role=switch]").count() == 0
        assert "always on here" in page.inner_text(f"#plugin-{plugin}")
    for plugin in [*mentee.plugins.loaded]:
        if page.locator(f"[role=switch][aria-label={plugin}][aria-checked=true]").count():
            page.click(f"[role=switch][aria-label={plugin}]")
            if page.locator(".danger").count():
                page.click(".danger")
            page.wait_for_selector(f"[role=switch][aria-label={plugin}][aria-checked=false]")
    assert page.reload()
    assert page.inner_text("h1") == "Console"
    response = page.goto(page.url.partition("/console")[0])
    assert response is not None
    assert response.ok
