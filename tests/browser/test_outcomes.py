"""The page of outcomes in a browser: from a figure to its questions and back, on a phone, in both themes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from bot.domain.answers import Answer, Citation
from bot.domain.feedback import Vote
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.storage.tables.answers import AnswerRow
from plugins.web.testing.pages import axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from bot.testing.browser import BrowserPage, Opened
    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb

ADA = Person("user:ada")
CITED = (Citation(1, "travel/lodging.md", "Lodging", "Hotels are tax exempt."),)
PHONE = 390


@pytest.fixture
def home(make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    """A home with six weeks of questions, a third of them confirmed."""
    mentee = make_web()
    for number in range(24):
        at = now() - timedelta(days=number * 1.75)
        question = Question(f"Question {number} of an employee?", ADA, received_at=at, channel="web")
        answer = Answer(question.id, "Yes.", known=True, department="travel", citations=CITED)
        mentee.recorder.record(question, answer)
        with mentee.store.write() as session:
            session.get_one(AnswerRow, answer.id).created_at = at
        if number % 3 == 0:
            mentee.votes.record(Vote(answer.id, ADA, "up"))
    mentee.outcomes.compare()
    return serve_home(mentee)


@pytest.fixture
def opened(home: ServedHome, browser_page: BrowserPage) -> Opened:
    opened = browser_page(home.url)  # signs in
    opened.page.goto(f"{home.url}/console/analytics")
    return opened


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_figure_leads_to_its_questions_and_the_filter_comes_along(opened: Opened, home: ServedHome) -> None:
    page = opened.page
    page.select_option("[name=by]", "day")
    page.select_option("[name=department]", "travel")
    with page.expect_navigation():
        page.click("text=Show")
    assert "by=day" in page.url
    assert page.input_value("[name=department]") == "travel"
    confirmed = page.locator(".ledger .box", has_text="Confirmed").first.locator("a").first
    number = int(confirmed.inner_text())
    confirmed.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("tbody tr").count() == number
    assert "department=travel" in page.url
    with page.expect_navigation():
        page.click(".crumbs a")
    assert page.input_value("[name=by]") == "day"
    with page.expect_download() as download:
        page.click("text=Download the figures")
    assert download.value.suggested_filename.startswith("outcomes-")
    assert opened.problems == []
    assert opened.hosts == {home.url.partition("//")[2]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_a_phone_shows_it_whole(
    opened: Opened, home: ServedHome, scheme: Literal["light", "dark"]
) -> None:
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    found = []
    for width in (1280, PHONE):
        page.set_viewport_size({"width": width, "height": 800})
        for address in (
            "/console/analytics",
            "/console/analytics/questions?figure=confirmed",
            "/console/analytics?since=x",
        ):
            page.goto(f"{home.url}{address}")
            found += axe(page)
            assert fits(page), (address, width)
    assert found == []
