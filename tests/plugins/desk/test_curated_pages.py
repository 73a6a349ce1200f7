"""The pages of curated answers: who sees which, what agents change, and that nothing changes twice or unseen."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.answers import Answer, Provenance
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.questions import Question
from tests.plugins.desk.steps import ADA, BOB, answered

if TYPE_CHECKING:
    from bot.testing.serving import ServedHome
    from tests.plugins.desk.steps import Client


def curate(
    home: ServedHome, text: str = "In 12 states.", asked: str = "Are hotels taxed?", department: str = "travel"
) -> str:
    author = home.mentee.people.get("web:olga" if department == "board" else "web:eve")
    assert home.mentee.votes.correct(Correction(answered(home, asked, department), author, text))
    return home.mentee.curated.all(department)[-1].id


def repeat(home: ServedHome, curated_id: str) -> str:
    question = Question("Are hotels taxed?", BOB)
    provenance = Provenance(source="curated", curated=curated_id)
    answer = Answer(question.id, "In 12 states.", known=True, department="travel", provenance=provenance)
    home.mentee.recorder.record(question, answer)
    return answer.id


def audited(home: ServedHome) -> list[tuple[str, str]]:
    return [(each.actor, each.action) for each in home.mentee.audit.newest(50) if each.action.startswith("curated.")]


def test_the_list_says_who_wrote_what_and_how_often_it_is_given(home: ServedHome, client: Client) -> None:
    gus = client("gus")
    assert "There are none yet" in gus.get("/desk/curated").text
    used, other = curate(home, "In <b>12</b> states."), curate(home, "They are late.", "Are trains late?")
    for _ in range(2):
        repeat(home, used)
    page = gus.get("/desk/curated").text
    for shown in ("In &lt;b&gt;12&lt;/b&gt; states.", "<bdi>eve</bdi>", "given 2 times", "given 0 times", "2 curated"):
        assert shown in page, shown
    assert page.index(used) < page.index(other), "the most used comes first"
    found = gus.get("/desk/curated", params={"q": "LATE"}).text
    assert (other in found, used in found) == (True, False)
    assert other in gus.get("/desk/curated", params={"q": "eve"}).text
    assert "No curated answer fits." in gus.get("/desk/curated", params={"q": "<nothing>", "page": "7"}).text
    assert gus.get("/desk/curated", params={"page": "99999999999999999999"}).status_code == 200
    assert gus.get("/desk/curated", params={"state": "nonsense", "department": "nowhere"}).status_code == 200
    assert gus.get("/desk/").text.count('href="/desk/curated"') == 1


def test_conflicts_come_first_and_say_how_they_differ(home: ServedHome, client: Client) -> None:
    used = curate(home, "They are late.", "Are trains late?")
    repeat(home, used)
    first, second = curate(home), curate(home, "In 13 states.")
    assert home.mentee.curated.conflicts(home.mentee.departments.get("travel")) == ((first, second),)
    gus = client("gus")
    page = gus.get("/desk/curated").text
    assert page.count(">Conflict<") == 2
    assert max(page.index(first), page.index(second)) < page.index(used)
    shown = gus.get(f"/desk/curated/{first}").text
    assert second in shown
    assert "<del>12</del><ins>13</ins>" in shown
    gus.post(f"/desk/curated/{first}/retire", data={"revision": "1"})
    assert ">Conflict<" not in gus.get("/desk/curated").text


def test_an_agent_edits_one_and_its_history_stays(home: ServedHome, client: Client) -> None:
    curated, gus = curate(home), client("gus")
    given = {"revision": "1", "text": "In 13 states.", "question": "Are hotels taxed anywhere?"}
    done = gus.post(f"/desk/curated/{curated}/edit", data=given)
    assert done.headers["location"] == f"/desk/curated/{curated}?done=edited"
    page = gus.get(done.headers["location"]).text
    for shown in ("Saved. It is given from now on.", "Version 2", "<del>12</del><ins>13</ins>", "anywhere?"):
        assert shown in page, shown
    assert audited(home) == [("web:gus", "curated.edit")]

    again = gus.post(f"/desk/curated/{curated}/edit", data={**given, "text": "In <14> states."})
    assert again.status_code == 409, "sent twice, or from a page that is out of date"
    for shown in ("Somebody else has changed this answer", "In &lt;14&gt; states.", "What you typed is still below."):
        assert shown in again.text, shown
    assert audited(home) == [("web:gus", "curated.edit")]
    assert home.mentee.curated.get(curated)[0].text == "In 13 states."


@pytest.mark.parametrize(
    ("form", "sent", "problem"),
    [
        ("edit", {"text": " ", "question": "x"}, "can&#39;t be empty"),
        ("edit", {"text": "x" * 8_001, "question": "x"}, "at most 8,000 characters"),
        ("edit", {"text": "x", "question": "x", "revision": "one"}, "which version you read"),
        ("edit", {"text": "x", "question": "x", "revision": "\u0663"}, "which version you read"),
        ("expire", {"day": "soon"}, "&#39;soon&#39; isn&#39;t a date."),
        ("expire", {"day": "2020-01-01"}, "2020-01-01 is past"),
        ("expire", {"day": "9999-12-31"}, "too far ahead"),
        ("expire", {"day": ""}, "No day is chosen."),
        ("retire", {"revision": "7"}, "Somebody else has changed this answer"),
        ("keep", {"revision": "7"}, "Somebody else has changed this answer"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(
    home: ServedHome, client: Client, form: str, sent: dict[str, str], problem: str
) -> None:
    curated = curate(home)
    refused = client("gus").post(f"/desk/curated/{curated}/{form}", data={"revision": "1", **sent})
    assert (refused.status_code in (409, 422), problem in refused.text) == (True, True), refused.text
    if sent.get("text"):
        assert sent["text"] in refused.text
    assert audited(home) == []
    assert client("gus").get(f"/desk/curated/{curated}/{form}").headers["location"] == f"/desk/curated/{curated}"


def test_it_expires_is_confirmed_and_retired(home: ServedHome, client: Client) -> None:
    curated, gus = curate(home), client("gus")
    day = (now() + timedelta(days=40)).date()
    gus.post(f"/desk/curated/{curated}/expire", data={"revision": "1", "day": day.isoformat()})
    assert f"until {day:%d %b %Y}" in gus.get("/desk/curated").text
    gus.post(f"/desk/curated/{curated}/expire", data={"revision": "1", "day": "", "never": "yes"})
    assert home.mentee.curated.get(curated)[0].expires_at is None

    home.mentee.votes.record(Vote(repeat(home, curated), BOB, "down", "outdated"))
    assert curated in gus.get("/desk/curated", params={"state": "flagged"}).text
    assert "It is right as it is" in gus.get(f"/desk/curated/{curated}").text
    gus.post(f"/desk/curated/{curated}/keep", data={"revision": "1"})
    assert home.mentee.curated.get(curated)[0].state == "given"

    for _ in range(2):
        done = gus.post(f"/desk/curated/{curated}/retire", data={"revision": "1"})
        assert done.headers["location"] == f"/desk/curated/{curated}?done=retired"
    assert curated not in gus.get("/desk/curated").text
    assert curated in gus.get("/desk/curated", params={"state": "retired"}).text
    assert [action for _, action in audited(home)].count("curated.retire") == 1
    gus.post(f"/desk/curated/{curated}/edit", data={"revision": "1", "text": "In 13.", "question": "Are hotels taxed?"})
    assert curated in gus.get("/desk/curated").text


def test_agents_see_and_change_only_those_of_their_departments(home: ServedHome, client: Client) -> None:
    board = curate(home, "It is called HERON.", "How is the secret merger?", "board")
    it = curate(home, "Turn it off and on.", "Why is it slow?", "it")
    for name, own in (("gus", False), ("eve", True)):
        opened = client(name)
        page = opened.get("/desk/curated").text
        assert ("HERON" in page, "Turn it off" in page) == (False, own)
        for curated in (board,) if own else (board, it):
            assert opened.get(f"/desk/curated/{curated}").status_code == 404
            for form in ("edit", "keep", "retire", "expire"):
                data = {"revision": "1", "text": "Mine.", "question": "Mine?", "day": "2027-01-01"}
                refused = opened.post(f"/desk/curated/{curated}/{form}", data=data)
                assert (refused.status_code, "HERON" in refused.text) == (404, False)
                assert "Mine." in refused.text, "what was typed is kept"
    assert "HERON" in client("olga").get("/desk/curated").text
    assert client("ada").get("/desk/curated").status_code == 403
    assert client("ada").post(f"/desk/curated/{it}/retire", data={"revision": "1"}).status_code == 403
    assert audited(home) == []


def test_what_was_typed_about_a_deleted_one_is_kept(home: ServedHome, client: Client) -> None:
    curated, gus = curate(home), client("gus")
    home.mentee.erasing.person("ada", actor="test")
    gone = gus.post(f"/desk/curated/{curated}/edit", data={"revision": "1", "text": "In <13>.", "question": "x"})
    assert gone.status_code == 404
    assert "In &lt;13&gt;." in gone.text
    assert "mentee curated" not in gone.text
    assert "There are none yet" in gus.get("/desk/curated").text


def test_versions_based_on_pages_that_an_agent_may_not_read_are_left_out(home: ServedHome, client: Client) -> None:
    curated = curate(home)
    home.mentee.curated.edit(curated, text="In 13 states.", actor="web:eve")
    page = client("gus").get(f"/desk/curated/{curated}").text
    assert re.findall(r"Version (\d)", page) == ["2", "1"]
    home.mentee.erasing.person("eve", actor="test")
    assert client("gus").get(f"/desk/curated/{curated}").status_code == 404, ADA
