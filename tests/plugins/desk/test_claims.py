"""Claims: what an agent opened is theirs for a while, and no other agent gets it at the same time."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from bot.domain.people import Role
from bot.storage.clock import moment
from plugins.desk.tables import ClaimRow
from plugins.desk.work.claims import Claims, HeldError, Work
from tests.plugins.desk.steps import ADA, answered, propose, seen, staffed

if TYPE_CHECKING:
    from bot.storage.session import Store
    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb
    from tests.plugins.desk.steps import Client

FIRST, SECOND = Work("co_1", "a_1", "travel"), Work("co_2", "a_2", "travel")


@pytest.fixture
def claims(store: Store) -> Claims:
    return Claims(store, lambda _: 10.0)


@pytest.fixture
def home(store: Store, make_web: MakeWeb, serve_home: ServeHome) -> ServedHome:
    """The desk's home, once on each kind of database, which outlives the server."""
    return serve_home(staffed(make_web, {"store": {"url": store.url}}))


def end_claims(store: Store) -> None:
    with store.write() as session:
        session.execute(update(ClaimRow).values(until=moment(session) - timedelta(seconds=1)))


def holders(store: Store) -> dict[str, str]:
    with store.read() as session:
        return {row.item: row.person_id for row in session.scalars(select(ClaimRow))}


def by_subject(claims: Claims) -> dict[str, str]:
    return {each.subject: each.person_id for each in claims.held()}


def test_of_many_agents_at_once_each_gets_another_item(claims: Claims) -> None:
    wanted = [Work(f"co_{number}", f"a_{number}", "travel") for number in range(8)]
    ready = Barrier(8)

    def take(number: int) -> str:
        ready.wait()
        claim = claims.take_first(f"web:agent{number}", wanted)
        return claim.item if claim else ""

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(take, range(8)))
    assert sorted(taken) == [each.item for each in wanted]
    assert claims.take_first("web:late", wanted) is None


def test_a_claim_is_renewed_released_and_ends(claims: Claims, store: Store) -> None:
    first = claims.take_first("web:gus", [FIRST])
    assert first is not None
    assert 590 < first.seconds <= 600
    second = claims.take_first("web:eve", [FIRST, SECOND])
    assert second is not None
    assert second.subject == SECOND.subject
    with pytest.raises(HeldError, match="Another agent"):
        claims.renew("web:eve", FIRST)
    renewed = claims.renew("web:gus", FIRST)
    assert (renewed.token, renewed.until >= first.until) == (first.token, True)

    claims.release("web:gus", FIRST.item, token="another page's")
    claims.release("web:eve", FIRST.item)
    assert by_subject(claims) == {"a_1": "web:gus", "a_2": "web:eve"}
    claims.release("web:gus", FIRST.item, token=first.token)
    assert by_subject(claims) == {"a_2": "web:eve"}

    end_claims(store)
    assert claims.held() == ()
    assert claims.renew("web:gus", SECOND).person_id == "web:gus", "nobody else wants it"


def test_opening_another_item_releases_the_last_one_but_typing_in_two_tabs_holds_both(claims: Claims) -> None:
    claims.take_first("web:gus", [FIRST])
    claims.take_first("web:gus", [SECOND])
    assert by_subject(claims) == {"a_2": "web:gus"}
    claims.renew("web:gus", FIRST)
    assert by_subject(claims) == {"a_1": "web:gus", "a_2": "web:gus"}


def test_as_many_agents_as_there_are_places_work_on_the_same(claims: Claims) -> None:
    twice = Work("sample_1", "sample_1", "travel", places=2)
    assert claims.take_first("web:gus", [twice]) is not None
    assert claims.take_first("web:eve", [twice]) is not None
    assert claims.take_first("web:olga", [twice]) is None
    assert claims.renew("web:gus", twice).person_id == "web:gus"


def test_a_claim_from_a_wrong_clock_ends(claims: Claims, store: Store) -> None:
    claims.take_first("web:gus", [FIRST])
    with store.write() as session:
        session.execute(update(ClaimRow).values(until=moment(session) + timedelta(days=300)))
    assert claims.held() == ()
    assert claims.take_first("web:eve", [FIRST]) is not None


def test_two_requests_at_once_get_two_items(home: ServedHome, client: Client) -> None:
    items = {propose(home, answered(home, f"Question {number}?"), f"Text {number}.") for number in range(2)}
    ready = Barrier(2)
    opened = {name: client(name) for name in ("gus", "eve")}

    def first_item(name: str) -> str:
        ready.wait()
        found = re.search(r'data-item="/desk/items/([^"]+)"', opened[name].get("/desk/").text)
        return found[1] if found else ""

    for _ in range(5):
        with ThreadPoolExecutor(2) as threads:
            got = list(threads.map(first_item, opened))
        assert set(got) == items
    assert holders(home.mentee.store).keys() == items


def test_others_see_who_holds_an_item_and_skip_it(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    gus, eve = client("gus"), client("eve")
    page = gus.get("/desk/").text
    assert "You hold this item until" in page
    read = seen(page)
    told = eve.get("/desk/").text
    assert "Colleagues are working on all that waits" in told
    assert re.search(r"<bdi>gus</bdi> until \d\d:\d\d UTC", told)
    shown = eve.get(f"/desk/items/{item}").text
    assert re.search(r"<bdi>gus</bdi> is working on this item until <time [^>]+>\d\d:\d\d</time> UTC", shown)
    assert 'name="text"' not in shown

    late = eve.post(f"/desk/items/{item}/accept", data={"seen": read, "text": "In 13 states."})
    assert late.status_code == 409
    assert "You no longer hold this item: gus is working on it." in late.text
    assert "In 13 states." in late.text
    assert home.mentee.curated.all("travel") == ()

    following = propose(home, answered(home, "Trains?"), "They are late.")
    assert f'data-item="/desk/items/{following}"' in eve.get("/desk/").text
    eve.post(f"/desk/items/{following}/skip")
    assert (
        gus.post(f"/desk/items/{item}/accept", data={"seen": read})
        .headers["location"]
        .startswith(f"/desk/items/{following}")
    )
    assert holders(home.mentee.store) == {following: "web:gus"}


def test_a_claim_that_ran_out_is_taken_over_and_nothing_typed_is_lost(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    gus, eve = client("gus"), client("eve")
    read = seen(gus.get("/desk/").text)
    end_claims(home.mentee.store)
    assert "You hold this item" in eve.get("/desk/").text
    held = gus.post(f"/desk/items/{item}/hold", headers={"Accept": "*/*"})
    assert (held.status_code, "eve is working on it" in held.json()["detail"]) == (409, True)
    for action, field in (("accept", "text"), ("reject", "reason")):
        late = gus.post(f"/desk/items/{item}/{action}", data={"seen": read, field: "In <13> states."})
        assert late.status_code == 409
        for shown in ("eve is working on it", "What you typed is still below.", "In &lt;13&gt; states."):
            assert shown in late.text, shown
    end_claims(home.mentee.store)
    done = gus.post(f"/desk/items/{item}/accept", data={"seen": read, "text": "In <13> states."})
    assert done.headers["location"] == "/desk/?done=live", "eve's ended, too"


def test_a_claim_is_held_while_typing_and_left_with_the_page(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    gus = client("gus")
    page = gus.get("/desk/").text
    token = re.search(r'data-token="([^"]+)"', page)
    assert token is not None
    held = gus.post(f"/desk/items/{item}/hold").json()
    assert (held["token"], 590 < held["seconds"] <= 600) == (token[1], True)
    gus.get(f"/desk/items/{item}")  # reloaded: the old page's farewell comes late
    assert gus.post(f"/desk/items/{item}/leave", data={"token": token[1]}).status_code == 204
    assert holders(home.mentee.store) == {item: "web:gus"}
    fresh = re.search(r'data-token="([^"]+)"', gus.get(f"/desk/items/{item}").text)
    assert fresh is not None
    gus.post(f"/desk/items/{item}/leave", data={"token": fresh[1]})
    assert holders(home.mentee.store) == {}


def test_a_department_sets_how_long_a_claim_lasts(home: ServedHome, client: Client) -> None:
    plugins = home.mentee.plugins
    plugins.states.configure(
        "desk", "travel", {"claim_minutes": 2}, actor="test", model=plugins.register_settings("desk")
    )
    propose(home, answered(home))
    assert 'data-seconds="120"' in client("gus").get("/desk/").text


def test_two_proposals_for_one_answer_are_one_piece_of_work(home: ServedHome, client: Client) -> None:
    answer_id = answered(home)
    first, second = (
        propose(home, answer_id, "In 12 states."),
        propose(home, answer_id, "In 13 states.", home.mentee.people.get("web:bob")),
    )
    client("gus").get(f"/desk/items/{first}")
    assert "Colleagues are working" in client("eve").get("/desk/").text
    late = client("eve").post(f"/desk/items/{second}/accept", data={"text": "Mine.", "anyway": "yes"})
    assert (late.status_code, "Mine." in late.text) == (409, True)


def test_who_loses_the_role_loses_the_claim(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    gus = client("gus")
    read = seen(gus.get("/desk/").text)
    home.mentee.people.set_role("gus", Role.EMPLOYEE, department="travel", actor="test")
    assert "You hold this item" in client("eve").get("/desk/").text
    assert gus.post(f"/desk/items/{item}/accept", data={"seen": read}).status_code == 403
    assert gus.post(f"/desk/items/{item}/hold").status_code == 403
    assert holders(home.mentee.store) == {item: "web:eve"}
    home.mentee.people.set_role("gus", Role.AGENT, department="it", actor="test")
    other = gus.post(f"/desk/items/{item}/accept", data={"seen": read, "text": "My own words."})
    assert (other.status_code, "My own words." in other.text, "hotels" in other.text) == (404, True, False)


def test_what_was_typed_about_a_deleted_question_is_kept(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home))
    gus = client("gus")
    read = seen(gus.get("/desk/").text)
    home.mentee.erasing.person("ada", actor="test")
    gone = gus.post(f"/desk/items/{item}/accept", data={"seen": read, "text": "In 13 <states>."})
    assert gone.status_code == 404
    for shown in ("Your decision wasn't saved", "In 13 &lt;states&gt;."):
        assert shown in gone.text
    assert gus.post(f"/desk/items/{item}/skip").headers["location"] == "/desk/"
    assert "Nothing waits for you" in gus.get("/desk/").text


def test_erasing_a_person_drops_their_claims(home: ServedHome, client: Client) -> None:
    item = home.mentee.escalations.open(answered(home), ADA)[0].id
    client("gus").get("/desk/")
    assert holders(home.mentee.store) == {item: "web:gus"}
    home.mentee.erasing.person("gus", actor="test")
    assert holders(home.mentee.store) == {}


def test_claims_show_nothing_of_what_an_agent_may_not_judge(home: ServedHome, client: Client) -> None:
    item = propose(home, answered(home, "How is the secret merger?", "board"), "It is called HERON.")
    assert "HERON" in client("olga").get("/desk/").text.replace("<ins>", "").replace("</ins>", "")
    for name in ("gus", "eve"):
        opened = client(name)
        assert "olga" not in opened.get("/desk/").text
        assert opened.post(f"/desk/items/{item}/hold").status_code == 404
        opened.post(f"/desk/items/{item}/skip")
    assert holders(home.mentee.store) == {item: "web:olga"}
