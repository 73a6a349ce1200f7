"""Curated answers over their life: edited in place, flagged, expired, retired, erased with their author."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from sqlalchemy import select

from bot.domain.answers import Answer, Provenance
from bot.domain.errors import MenteeError, NotFoundError
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Audience, Person, Role
from bot.domain.questions import Question
from bot.storage.tables.feedback import CuratedAnswerRow, CuratedVersionRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bot.testing.homes import Mentee

ADA, BOB = Person("user:ada"), Person("user:bob")
GUS, UMA = Person("user:gus", role=Role.AGENT), Person("user:uma", role=Role.AGENT)
ASKED = "How do I enable two-factor authentication?"


@pytest.fixture
def mentee(make_mentee: Callable[..., Mentee]) -> Mentee:
    return make_mentee()


def record(mentee: Mentee, asked: str = ASKED, *, repeats: str | None = None, who: Person = ADA) -> Answer:
    question = Question(asked, who)
    provenance = Provenance(source="curated" if repeats else "model", curated=repeats)
    answer = Answer(question.id, "Yes.", known=True, department="travel", provenance=provenance)
    mentee.recorder.record(question, answer)
    return answer


def given(mentee: Mentee, asked: str = ASKED) -> str | None:
    found = mentee.curated.find(mentee.departments.get("travel"), asked, Audience()).answer
    return found.text if found else None


def curate(mentee: Mentee, text: str = "In your profile.", asked: str = ASKED, by: Person = GUS) -> str:
    assert mentee.votes.correct(Correction(record(mentee, asked).id, by, text))
    return mentee.curated.all("travel")[-1].id


def rows(mentee: Mentee, table: type[Any]) -> list[Any]:
    with mentee.store.read() as session:
        return list(session.scalars(select(table)))


def test_the_opposite_question_does_not_get_it_and_other_words_do(mentee: Mentee) -> None:
    curate(mentee)
    assert given(mentee, "How do I disable two-factor authentication?") is None
    assert given(mentee, "Please, how can I ENABLE two-factor authentication") == "In your profile."


@pytest.mark.parametrize("change", ["edit", "erase"])
def test_what_changes_while_vectors_are_computed_stays_changed(
    mentee: Mentee, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    curated = curate(mentee)
    embed = mentee.curated._embed

    def slowly(texts: Sequence[str]) -> NDArray[np.float32]:
        monkeypatch.setattr(mentee.curated, "_embed", embed)
        if change == "edit":
            mentee.curated.edit(curated, text="In the settings.", actor="test")
        else:
            mentee.erasing.person(GUS.id, actor="test")
        return embed(texts)

    monkeypatch.setattr(mentee.curated, "_embed", slowly)
    given(mentee)
    assert [row.text for row in rows(mentee, CuratedAnswerRow)] == (["In the settings."] if change == "edit" else [])


def test_correcting_a_curated_answer_edits_it_and_keeps_what_it_said(mentee: Mentee) -> None:
    curated = curate(mentee)
    assert mentee.votes.correct(Correction(record(mentee, "2FA on?", repeats=curated).id, UMA, "In the settings."))
    (only,), (_, versions) = mentee.curated.all("travel"), mentee.curated.get(curated)
    assert (only.id, only.question, only.text, only.author, only.revision) == (
        curated, ASKED, "In the settings.", UMA.id, 2,
    )  # fmt: skip
    assert [(each.revision, each.text, each.author) for each in versions] == [
        (1, "In your profile.", GUS.id),
        (2, "In the settings.", UMA.id),
    ]
    assert given(mentee) == "In the settings."


def test_two_agents_who_correct_one_answer_edit_one_curated_answer(mentee: Mentee) -> None:
    answer = record(mentee)
    mentee.votes.correct(Correction(answer.id, GUS, "In your profile."))
    mentee.votes.correct(Correction(answer.id, UMA, "In the settings."))
    assert [each.text for each in mentee.curated.all()] == ["In the settings."]


def test_a_vote_down_flags_it_and_it_is_still_given(mentee: Mentee) -> None:
    curated = curate(mentee)
    answer = record(mentee, repeats=curated)
    mentee.votes.record(Vote(answer.id, BOB, "up"))
    assert mentee.curated.get(curated)[0].state == "given"
    mentee.votes.record(Vote(answer.id, BOB, "down"))
    assert mentee.curated.get(curated)[0].state == "flagged"
    assert given(mentee) == "In your profile."
    mentee.curated.keep(curated, actor="test")
    assert mentee.curated.get(curated)[0].state == "given"


def test_an_agents_correction_answers_the_vote_that_comes_with_it(mentee: Mentee) -> None:
    curated = curate(mentee)
    mentee.votes.correct(Correction(record(mentee, repeats=curated).id, UMA, "In the settings."))
    assert mentee.curated.get(curated)[0].state == "given"


def test_an_employees_correction_changes_nothing_and_flags_it(mentee: Mentee) -> None:
    curated = curate(mentee)
    assert not mentee.votes.correct(Correction(record(mentee, repeats=curated).id, BOB, "Nowhere."))
    found, versions = mentee.curated.get(curated)
    assert (found.text, found.state, len(versions)) == ("In your profile.", "flagged", 1)


def test_it_expires_by_the_clock(mentee: Mentee) -> None:
    curated = curate(mentee)
    end = now() + timedelta(days=3)
    mentee.curated.expire(curated, end, actor="test")
    assert given(mentee) == "In your profile."
    with time_machine.travel(end + timedelta(seconds=1), tick=False):
        assert given(mentee) is None
        assert mentee.curated.get(curated)[0].state == "expired"
    mentee.curated.expire(curated, None, actor="test")
    assert given(mentee) == "In your profile."


def test_a_retired_one_is_not_given_until_it_is_edited(mentee: Mentee) -> None:
    curated = curate(mentee)
    mentee.curated.retire(curated, actor="test")
    assert (given(mentee), mentee.curated.all()) == (None, ())
    assert [each.state for each in mentee.curated.all(retired=True)] == ["retired"]
    mentee.curated.edit(curated, text="Ask the desk.", actor="test")
    assert given(mentee) == "Ask the desk."


def test_an_edited_question_is_what_counts(mentee: Mentee) -> None:
    curated = curate(mentee)
    assert given(mentee) is not None
    mentee.curated.edit(curated, question="Which trains are there?", actor="test")
    assert given(mentee) is None
    assert given(mentee, "which trains are there") == "In your profile."


def test_of_two_edits_of_one_version_the_second_is_refused(mentee: Mentee) -> None:
    curated = curate(mentee)
    mentee.curated.edit(curated, text="First.", revision=1, actor="test")
    with pytest.raises(MenteeError, match="version 2 now, and this change was made from version 1"):
        mentee.curated.edit(curated, text="Second.", revision=1, actor="test")
    assert given(mentee) == "First."
    with pytest.raises(NotFoundError):
        mentee.curated.edit("cu_none", text="x", actor="test")
    with pytest.raises(MenteeError, match="at most 8,000 characters"):
        mentee.curated.edit(curated, text="x" * 8_001, actor="test")


def test_edits_at_once_lose_no_version(mentee: Mentee) -> None:
    curated = curate(mentee)
    answers = [record(mentee, repeats=curated) for _ in range(6)]

    def correct(number: int) -> bool:
        agent = Person(f"user:agent{number}", role=Role.AGENT)
        return mentee.votes.correct(Correction(answers[number].id, agent, f"Text {number}."))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(correct, range(6)))
    found, versions = mentee.curated.get(curated)
    assert [each.revision for each in versions] == list(range(1, 8))
    assert {each.text for each in versions[1:]} == {f"Text {number}." for number in range(6)}
    assert found.text == versions[-1].text
    assert len(mentee.curated.all()) == 1


def test_of_two_edits_at_once_from_one_version_one_wins(mentee: Mentee) -> None:
    curated = curate(mentee)

    def edit(text: str) -> bool:
        try:
            mentee.curated.edit(curated, text=text, revision=1, actor="test")
        except MenteeError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(edit, "abcd")) == [False, False, False, True]
    assert mentee.curated.get(curated)[0].revision == 2


def test_erasing_an_editor_brings_back_what_it_said_before(mentee: Mentee) -> None:
    curated = curate(mentee)
    mentee.votes.correct(Correction(record(mentee, repeats=curated, who=BOB).id, UMA, "Call Uma at home."))
    erased = mentee.erasing.person(UMA.id, actor="test")
    assert erased.left == ()
    found, versions = mentee.curated.get(curated)
    assert (found.text, found.author, found.revision, len(versions)) == ("In your profile.", GUS.id, 1, 1)
    assert given(mentee) == "In your profile."


def test_erasing_the_asker_of_the_corrected_question_takes_that_version(mentee: Mentee) -> None:
    curated = curate(mentee)
    mentee.votes.correct(Correction(record(mentee, repeats=curated, who=BOB).id, UMA, "As for Bob: in the settings."))
    assert mentee.erasing.person(BOB.id, actor="test").left == ()
    assert given(mentee) == "In your profile."


def test_erasing_the_first_author_takes_it_with_every_version(mentee: Mentee) -> None:
    curated = curate(mentee)
    mentee.votes.correct(Correction(record(mentee, repeats=curated).id, UMA, "In the settings."))
    assert mentee.erasing.person(GUS.id, actor="test").left == ()
    assert (rows(mentee, CuratedAnswerRow), rows(mentee, CuratedVersionRow)) == ([], [])


def test_two_to_the_same_question_are_named(mentee: Mentee) -> None:
    first = curate(mentee, "In your profile.")
    second = curate(mentee, "In the settings.", asked=ASKED.lower())
    other = curate(mentee, "Nowhere.", asked="How do I disable two-factor authentication?")
    assert mentee.curated.conflicts(mentee.departments.get("travel")) == ((first, second),)
    mentee.curated.retire(first, actor="test")
    assert mentee.curated.conflicts(mentee.departments.get("travel")) == ()
    assert len({first, second, other}) == 3
