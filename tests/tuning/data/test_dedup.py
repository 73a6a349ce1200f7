from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.questions import Turn
from tuning.data.aggregate import Rating
from tuning.data.dedup import NEAR, cluster, jaccard, normalise, shingles, without_duplicates

if TYPE_CHECKING:
    import random

WORDS = st.sampled_from(
    ["cancel", "order", "refund", "where", "how", "my", "the", "track", "can", "I", "book", "hotel"]
)
QUESTIONS = st.lists(st.lists(WORDS, min_size=1, max_size=6).map(" ".join), max_size=25)


@settings(deadline=None)
@given(QUESTIONS)
def test_clusters_are_the_connected_groups_of_near_questions(texts: list[str]) -> None:
    found = cluster(texts)
    sets = {text: shingles(normalise(text)) for text in texts}
    for one in texts:  # every near pair is together, compared the slow way
        for other in texts:
            if jaccard(sets[one], sets[other]) >= NEAR:
                assert found[one] == found[other]
    members = defaultdict(set)
    for text, name in found.items():
        members[name].add(text)
    for group in members.values():  # and nothing is together without a chain of near pairs
        reached = {next(iter(group))}
        while more := {o for t in reached for o in group - reached if jaccard(sets[t], sets[o]) >= NEAR}:
            reached |= more
        assert reached == group


@settings(deadline=None)
@given(QUESTIONS, st.randoms())
def test_the_order_of_the_questions_does_not_matter(texts: list[str], order: random.Random) -> None:
    shuffled = list(texts)
    order.shuffle(shuffled)
    assert cluster(texts) == cluster(shuffled)


def test_numbers_placeholders_case_and_punctuation_make_no_difference() -> None:
    texts = ["Cancel order 4711!", "cancel ORDER 00123842", "cancel order {{Order Number}}", "cancel order <NUMBER>?"]
    assert {normalise(text) for text in texts} == {"cancel order #"}
    assert len(set(cluster(texts).values())) == 1


def test_a_reworded_question_is_near_and_another_one_is_not() -> None:
    found = cluster(["how can I get a refund?", "how can I get my refund", "when does the canteen open?"])
    assert found["how can I get a refund?"] == found["how can I get my refund"] != found["when does the canteen open?"]


def test_texts_without_words_are_clustered_too() -> None:
    assert set(cluster(["", "?!", "a"])) == {"", "?!", "a"}


def test_a_number_in_a_text_without_spaces_hides_only_itself() -> None:
    assert normalise("每年15天年假") == "每年 # 天年假"
    assert normalise("ＶＰＮ怎么用") == normalise("vpn怎么用")


def test_one_question_in_several_threads_is_put_in_order_by_what_was_said_before() -> None:
    def rated(before: str) -> Rating:
        turns = (Turn(before, "Yes."),)
        return Rating("up", "And for contractors?", turns, "They too.", 1.0, {"user:ada": 1.0}, 0.0, before, ())

    kept = without_duplicates([rated("May I travel?"), rated("May I park?")], Counter())
    assert [row.history[0].question for row in kept] == ["May I park?", "May I travel?"]
