"""The random sample: who rates what, blindly, and what the queues page says of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from bot.domain.answers import Answer, Provenance
from bot.domain.feedback import Vote
from bot.domain.questions import Attachment, Question
from bot.testing.homes import run_job
from plugins.desk.settings import DeskSettings
from plugins.desk.work.sampling import Samples
from tests.plugins.desk.steps import ADA, BOB, answered, propose, seen

if TYPE_CHECKING:
    from bot.testing.serving import ServedHome
    from tests.plugins.desk.steps import Client

LAST_WEEK = datetime(2026, 11, 25, 12, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 8, tzinfo=UTC)
GRADES = {"correct": "3", "complete": "2", "tone": "1", "format": "1"}


def configure(home: ServedHome, **values: int) -> None:
    plugins = home.mentee.plugins
    model = plugins.register_settings("desk")
    plugins.states.configure("desk", "", values, actor="test", model=model)


def draw(home: ServedHome) -> None:
    mentee = home.mentee

    def settings(department: str) -> DeskSettings:
        found = mentee.plugins.states.settings("desk", department, DeskSettings)
        assert isinstance(found, DeskSettings)
        return found

    Samples(mentee.store, mentee.ratings, mentee.reviews, settings).draw(mentee.departments.names())


@pytest.fixture
def home(home: ServedHome) -> ServedHome:
    """The desk's home, with twelve answers of last week about travel, of which three are drawn."""
    configure(home, sampled_per_week=3, raters=2)
    with time_machine.travel(LAST_WEEK):
        for number in range(12):
            answered(home, f"Question {number}?", said=f"Answer {number}.")
    with time_machine.travel(MONDAY):
        draw(home)
    return home


def samples(client: Client, name: str) -> list[str]:
    page = client(name).get("/desk/?queue=sample").text
    return sorted(set(re.findall(r'href="/desk/items/(sample-[^"]+)"', page)))


def test_the_same_answers_are_drawn_however_often_it_runs(home: ServedHome, client: Client) -> None:
    drawn = samples(client, "gus")
    assert len(drawn) == 3
    with time_machine.travel(MONDAY + timedelta(days=3)):
        draw(home)
        draw(home)
    assert samples(client, "gus") == drawn
    run_job(home.mentee, "desk", "random-sample")
    with time_machine.travel(MONDAY + timedelta(days=70)):
        draw(home)
    assert samples(client, "gus") == [], "nobody rated them in time"


def test_only_what_answers_something_is_drawn(home: ServedHome) -> None:
    with time_machine.travel(LAST_WEEK):
        refused = Question("Unknown?", ADA)
        none = Provenance(source="none")
        home.mentee.recorder.record(refused, Answer(refused.id, "No.", known=False, department="it", provenance=none))
        thanks = Question("Thanks!", ADA)
        polite = Provenance(source="courtesy")
        home.mentee.recorder.record(thanks, Answer(thanks.id, "!", known=True, department="it", provenance=polite))
        file = Question("What does it say?", ADA, attachments=(Attachment("plan.txt"),))
        home.mentee.recorder.record(file, Answer(file.id, "HERON.", known=True, department="it"))
    now = answered(home, "Today?", "it")
    since, until = LAST_WEEK - timedelta(days=1), LAST_WEEK + timedelta(days=1)
    assert home.mentee.ratings.draw("it", since, until, 10) == ()
    assert home.mentee.ratings.draw("it", since, until + timedelta(days=9_000), 10) == (now,)


def test_two_agents_rate_an_answer_without_seeing_each_others_grades(home: ServedHome, client: Client) -> None:
    gus, eve = client("gus"), client("eve")
    item, *others = samples(client, "gus")
    answer_id = item.removeprefix("sample-")
    home.mentee.votes.record(Vote(answer_id, BOB, "down", "outdated", "Biased!"))
    page = gus.get(f"/desk/items/{item}").text
    assert "Drawn at random" in page
    assert "2 agents rate it, each without seeing the other's rating." in page
    assert "Biased!" not in page, "nor what others think of it"
    done = gus.post(f"/desk/items/{item}/rate", data=GRADES)
    assert re.fullmatch(r"/desk/items/sample-.+\?done=rated", done.headers["location"])
    assert item not in samples(client, "gus")
    again = gus.post(f"/desk/items/{item}/rate", data=GRADES)
    assert (again.status_code, "enough others have rated" in again.text) == (409, True)

    page = eve.get(f"/desk/items/{item}").text
    assert 'value="3" required checked' not in page
    assert "correct: no" not in page
    eve.post(f"/desk/items/{item}/rate", data={**GRADES, "correct": "1"})
    assert "<bdi>gus</bdi>: correct: no" in eve.get(f"/desk/items/{item}").text
    assert item not in samples(client, "olga"), "two raters are enough"
    assert len(home.mentee.ratings.sampled("travel")) == 2
    assert len(others) == 2


def test_no_more_agents_work_on_an_answer_than_shall_rate_it(home: ServedHome, client: Client) -> None:
    item = samples(client, "gus")[0]
    assert "You hold this item" in client("gus").get(f"/desk/items/{item}").text
    assert "You hold this item" in client("eve").get(f"/desk/items/{item}").text
    assert "is working on this item" in client("olga").get(f"/desk/items/{item}").text
    late = client("olga").post(f"/desk/items/{item}/rate", data=GRADES)
    assert (late.status_code, "is working on it" in late.text) == (409, True)
    assert client("olga").post(f"/desk/items/{item}/hold").status_code == 409
    assert home.mentee.ratings.sampled("travel") == ()


def test_the_queues_page_counts_what_waits_and_how_far_raters_agree(home: ServedHome, client: Client) -> None:
    propose(home, answered(home))
    drawn = samples(client, "gus")
    page = client("gus").get("/desk/queues").text
    assert re.search(r">Random sample</a></th><td class=\"number\">3</td>", page)
    assert re.search(r">Proposed corrections</a></th><td class=\"number\">1</td>", page)
    assert "0 answers rated · 3 drawn a week · 2 raters each" in page
    for name, correct in (("gus", "113"), ("eve", "133")):
        for item, grade in zip(drawn, correct, strict=True):
            client(name).post(f"/desk/items/{item}/rate", data={**GRADES, "correct": grade})
    page = client("gus").get("/desk/queues").text
    assert "3 answers rated" in page
    expected = r"Correct</th><td[^>]*>50 %</td><td[^>]*>0\.44 <small>weak</small></td><td[^>]*>3</td>"
    assert re.search(expected, page), page
    assert re.search(r"Tone</th><td[^>]*>100 %</td><td[^>]*>–</td><td[^>]*>3</td>", page)
    assert ">IT</caption>" not in page
    assert client("ada").get("/desk/queues").status_code == 403


def test_a_sample_shows_nothing_of_other_departments_and_goes_with_the_question(
    home: ServedHome, client: Client
) -> None:
    with time_machine.travel(LAST_WEEK):
        board = answered(home, "How is the secret merger?", "board", "It is called HERON.")
    with time_machine.travel(MONDAY):
        draw(home)
    item = f"sample-{board}"
    assert item in samples(client, "olga")
    for name in ("gus", "eve"):
        opened = client(name)
        assert opened.get(f"/desk/items/{item}").status_code == 404
        assert opened.post(f"/desk/items/{item}/rate", data=GRADES).status_code == 404
        assert "merger" not in opened.get("/desk/?queue=sample").text + opened.get("/desk/queues").text
    never = answered(home, "Today?")
    assert client("gus").get(f"/desk/items/sample-{never}").status_code == 404
    assert client("gus").post(f"/desk/items/sample-{never}/rate", data=GRADES).status_code == 404
    home.mentee.erasing.person("ada", actor="test")
    assert samples(client, "olga") == []
    assert client("olga").get(f"/desk/items/{item}").status_code == 404


def test_what_is_rated_as_not_correct_waits_for_a_decision_of_those_who_no_longer_rate_it(
    home: ServedHome, client: Client
) -> None:
    gus, eve = client("gus"), client("eve")
    first, second, third = samples(client, "gus")
    for item in (first, second):
        gus.post(f"/desk/items/{item}/rate", data=GRADES)
    gus.post(f"/desk/items/{third}/rate", data={**GRADES, "correct": "1"})
    page = gus.get("/desk/?queue=weak").text
    assert "An agent rated this answer of the random sample as not fully correct." in page
    waiting = {f"sample-{each.answer_id}" for each in home.mentee.reviews.queue(home.mentee.people.get("web:gus"))}
    assert waiting == {first, second}
    assert "Rated as not correct" not in eve.get("/desk/").text, "eve rates it, too"

    stands, wrong = (item.removeprefix("sample-") for item in (first, second))
    read = seen(gus.get(f"/desk/items/{stands}").text)
    gus.post(f"/desk/items/{stands}/reject", data={"seen": read, "reason": "It is right."})
    given = {"seen": seen(gus.get(f"/desk/items/{wrong}").text), "text": "In 13 states."}
    assert gus.post(f"/desk/items/{wrong}/accept", data=given).headers["location"] == "/desk/?done=live"
    assert "Nothing waits for you" in gus.get("/desk/").text
