"""The page of outcomes: filters in the address, charts with their tables, questions behind figures, CSV."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.domain.answers import Answer, Citation, Provenance
from bot.domain.feedback import Vote
from bot.domain.identifiers import now
from bot.domain.outcomes.deciding import Facts, Outcome
from bot.domain.outcomes.figures import ended, over_time
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.storage.tables.answers import AnswerRow
from plugins.console.analytics.charts import HEIGHT, WIDTH, charts, headline
from plugins.console.analytics.filters import Given, read
from plugins.console.analytics.pages import duration
from plugins.console.analytics.tables import figures_csv
from plugins.web.testing.fixtures import bearer

if TYPE_CHECKING:
    import httpx2

    from bot.testing.homes import Mentee
    from bot.testing.serving import ServedHome
    from plugins.web.testing.fixtures import Visit

ADA = Person("user:ada", "Ada Lovelace")
CITED = (Citation(1, "travel/lodging.md", "Lodging", "Hotels are tax exempt."),)
PATH = "/console/analytics"


def asked(mentee: Mentee, text: str, *, days: float = 5, up: bool = False, **more: Any) -> str:
    """Record a question of some days ago; return its answer's id."""
    at = now() - timedelta(days=days)
    question = Question(text, ADA, received_at=at, channel="web")
    given = {"known": True, "department": "travel", "citations": CITED, "provenance": Provenance(), **more}
    answer = Answer(question.id, "Yes.", **given)
    mentee.recorder.record(question, answer)
    with mentee.store.write() as session:
        session.get_one(AnswerRow, answer.id).created_at = at
    if up:
        mentee.votes.record(Vote(answer.id, ADA, "up"))
    return answer.id


@pytest.fixture
def client(web: ServedHome, visit: Visit) -> httpx2.Client:
    """A client signed in as an operator."""
    return visit(web)


def shown(client: httpx2.Client, address: str = PATH) -> str:
    response = client.get(address)
    assert response.status_code == 200, response.text
    return html.unescape(response.text)


def rows(client: httpx2.Client, address: str) -> list[dict[str, str]]:
    response = client.get(address)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"].startswith('attachment; filename="')
    return list(csv.DictReader(io.StringIO(response.text)))


def test_before_any_question_the_page_says_what_will_appear(client: httpx2.Client) -> None:
    page = shown(client)
    assert "What will appear here" in page
    assert "Mentee found no answer" in page
    assert "<svg" not in page.replace("<svg class", "")


def test_figures_charts_and_tables_show_the_same_and_lead_to_the_questions(
    web: ServedHome, client: httpx2.Client
) -> None:
    mentee = web.mentee
    for number in range(3):
        asked(mentee, f"Liked {number}?", up=True)
    asked(mentee, "Silent?")
    asked(mentee, "Fresh?", days=0.1)
    asked(mentee, "In IT?", department="it", provenance=Provenance(adapter="it-4"))
    asked(mentee, "Unknown?", known=False, citations=(), provenance=Provenance(source="none"))
    mentee.outcomes.compare()
    page = shown(client)
    assert "3 of 6, 50% (19%–81%)" in re.sub(r"<[^>]*>", "", page)
    assert page.count('role="img"') == len(Outcome) - 1
    assert "it-4" in page
    assert "There aren't two weeks yet" in page or "clearly" in page
    links = re.findall(r'href="(/console/analytics/questions[^"]+)"', page)
    assert links
    for address in set(links):
        figure = parse_qs(urlsplit(address).query)["figure"][0]
        found = shown(client, address)
        assert "Lovelace" not in found, "nobody sees who asked"
        assert "user:ada" not in found, "nobody sees who asked"
        if figure == "confirmed":
            assert "Liked 2?" in found
            assert "Silent?" not in found
    narrowed = rows(client, f"{PATH}.csv?department=it")
    assert {row["name"]: row["asked"] for row in narrowed if row["group"] == "adapter"} == {"it-4": "1"}


def test_each_number_on_the_page_is_that_of_its_list(web: ServedHome, client: httpx2.Client) -> None:
    for number in range(4):
        asked(web.mentee, f"Question {number}?", days=2 + number, up=number % 2 == 0)
    web.mentee.outcomes.compare()
    page = client.get(PATH).text
    links = re.findall(r'href="(/console/analytics/questions[^"]+)">(\d+)', page)
    assert len(links) > 10
    for address, number in links:
        assert f"{number} question" in shown(client, html.unescape(address)), address


def test_the_filter_is_kept_and_a_day_that_is_none_is_named(client: httpx2.Client, web: ServedHome) -> None:
    asked(web.mentee, "Silent?")
    for query, problem in {
        "since=yesterday": "'yesterday' is no day. Expected one such as ",
        "since=2026-11-02&until=2026-11-01": "The first day, 2026-11-02, is after the last one, 2026-11-01.",
        "since=2020-01-01&until=2026-01-01": "These are 2193 days. Choose at most 366.",
        "until=9999-12-31": "9999-12-31 is too far away.",
    }.items():
        refused = client.get(f"{PATH}?{query}&department=travel")
        assert refused.status_code == 422
        page = html.unescape(refused.text)
        assert problem in page
        assert page.count("autofocus") == 1
        assert '<option value="travel" selected>' in page
        for file in (f"{PATH}.csv", f"{PATH}/questions", f"{PATH}/questions.csv"):
            assert client.get(f"{file}?{query}").status_code == 404
    assert "No question matches this filter" in shown(client, f"{PATH}?since=2020-01-01&until=2020-01-05")
    assert client.get(f"{PATH}?by=year").status_code == 422
    assert client.get(f"{PATH}/questions?figure=all").status_code == 404


def test_a_question_is_shown_as_text_and_no_cell_is_a_formula(web: ServedHome, client: httpx2.Client) -> None:
    hostile = [
        "<b>Bold</b>?",
        '=HYPERLINK("http://x")',
        "+1",
        "-1",
        "@SUM(A1)",
        " =1",
        "\uff1d1",
        'plain, "quoted"\nlines',
    ]
    for text in hostile:
        asked(web.mentee, text)
    page = client.get(f"{PATH}/questions").text
    assert "&lt;b&gt;Bold" in page
    assert "<b>Bold" not in page
    found = {row["text"] for row in rows(client, f"{PATH}/questions.csv")}
    formulas = {text for text in hostile if text.strip()[0] in "=+-@\uff1d"}
    assert found == (set(hostile) - formulas) | {f"'{text}" for text in formulas}


def test_a_long_list_has_pages(web: ServedHome, client: httpx2.Client) -> None:
    for number in range(53):
        asked(web.mentee, f"Number {number:02}?", days=4 + number / 1000)
    first = shown(client, f"{PATH}/questions")
    assert "Number 00?" in first
    assert "Number 52?" not in first
    (address,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = shown(client, address)
    assert "Number 52?" in second
    assert "Later ones" in second
    assert "No question here" in shown(client, f"{PATH}/questions?start=100")


@pytest.mark.parametrize("role", [Role.EMPLOYEE, Role.AGENT])
def test_only_operators_see_outcomes(web: ServedHome, visit: Visit, role: Role) -> None:
    web.mentee.people.add("eve", role=role, password="correct horse battery", actor="test")
    asked(web.mentee, "Secret?")
    client, header = visit(web, first_page=False), bearer(web, "eve")
    for address in (PATH, f"{PATH}.csv", f"{PATH}/questions", f"{PATH}/questions.csv"):
        assert client.get(address, headers=header).status_code == 403
        assert "Secret?" not in client.get(address, headers=header).text
        assert client.get(address).status_code in (303, 401)


def test_questions_that_are_not_compared_yet_are_announced(web: ServedHome, client: httpx2.Client) -> None:
    asked(web.mentee, "Silent?")
    assert "1 question can't be assumed or abandoned until Mentee has compared it" in shown(client)
    web.mentee.outcomes.compare()
    assert "until Mentee has compared" not in shown(client)


AT = datetime(2026, 11, 30, tzinfo=UTC)


def weeks(*counts: tuple[int, int]) -> Any:
    """Return figures of the weeks before: of so many questions, the first so many were confirmed."""
    known = []
    for week, (liked, all_) in enumerate(counts):
        at = AT - timedelta(weeks=len(counts) - week + 1)
        votes = ["up" if number < liked else None for number in range(all_)]
        known += [Facts("q", "a", "it", "web", at, at, asker_vote=vote) for vote in votes]  # type: ignore[arg-type] # a literal
    first = (AT - timedelta(weeks=len(counts) + 1)).date()
    return over_time(ended(known, AT), first, AT.date() - timedelta(days=8), "week")


def test_a_sentence_claims_a_change_only_if_the_intervals_are_apart() -> None:
    assert "More questions were confirmed and fewer questions were assumed" in headline(
        weeks((5, 100), (60, 100)), "week"
    )
    assert headline(weeks((5, 10), (6, 10)), "week").startswith("No outcome was clearly more or less frequent")
    assert headline(weeks((5, 10)), "week").startswith("There aren't two weeks yet")
    assert headline({}, "day").startswith("There aren't two days yet")
    confirmed = charts(weeks((5, 100), (60, 100)), "week")[0]
    assert confirmed.sentence == "60% (50%–69%) in the week of 16 Nov: more than before."


def test_points_lie_within_the_picture_and_gaps_part_the_line() -> None:
    steps = weeks((5, 10), (3, 10), (0, 0), (10, 10), (0, 4))
    for chart in charts(steps, "week"):
        assert len(chart.points) == 4
        assert len(chart.lines) == 2
        for point in chart.points:
            assert 0 < point.x < WIDTH
            assert 0 <= point.ends[1] <= point.y <= point.ends[0] <= HEIGHT
    assert charts({}, "week")[0].points == []


def test_a_filter_without_days_means_the_last_weeks_or_days() -> None:
    today = date(2026, 12, 2)
    assert (read(Given(), today).since, read(Given(), today).until) == (date(2026, 9, 14), today)
    assert read(Given(by="day"), today).since == date(2026, 11, 5)
    wanted = read(Given(since="2026-11-04", channel="a&b"), today)
    assert wanted.within(date(2026, 11, 2)).query(figure="open") == (
        "since=2026-11-04&until=2026-11-08&by=week&channel=a%26b&figure=open"
    )


@pytest.mark.parametrize(("minutes", "said"), [(0, "0 min"), (59, "59 min"), (61, "1 h 1 min"), (60 * 49, "2 d 1 h")])
def test_times_are_said_in_two_units(minutes: int, said: str) -> None:
    assert duration(timedelta(minutes=minutes)) == said


def test_names_in_the_file_of_figures_are_no_formulas(web: ServedHome, client: httpx2.Client) -> None:
    asked(web.mentee, "Silent?", provenance=Provenance(adapter="=1+1"))
    names = {row["name"] for row in rows(client, f"{PATH}.csv") if row["group"] == "adapter"}
    assert names == {"'=1+1"}
    assert figures_csv.__doc__
