"""Two questions ask the same, or they don't: by rules, token vectors and weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bot.config.core import AnswerSettings
from bot.domain.ports import TokenVectors
from bot.feedback.sameness.comparing import Likeness, Sameness, load_weights, weights_from
from bot.feedback.sameness.features import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

GIVEN = AnswerSettings().curated_threshold

OPPOSITES = [
    ("How do I enable two-factor authentication?", "How do I disable two-factor authentication?"),
    ("How do I turn on notifications?", "How can I switch the notifications off?"),
    ("How do I add a user?", "How do I remove a user?"),
    ("How do I sign in?", "How do I sign out?"),
    ("How do I buy shares?", "How do I sell shares?"),
    ("Can I book trains?", "Can't I book trains?"),
    ("Which receipts do I need?", "Which receipts do I not need?"),
    ("Where is the printer on floor 3?", "Where is the printer on the fourth floor?"),
    ("How do I buy something over $10,000?", "How do I buy something over $25k?"),
    ("Is the office open on Friday?", "Is the office open on Sunday?"),
    ("What are the goals for Q3?", "What are the goals for the fourth quarter?"),
    ("How do I move from Paris to Rome?", "How do I move from Rome to Paris?"),
    ("How do I convert dollars to euros?", "How do I convert euros to dollars?"),
    ("Where is the office in Vienna?", "Where is the office in Berlin?"),
    ("When is the bonus paid?", "How much is the bonus?"),
    ("When do managers get the bonus?", "When do interns get the bonus?"),
    ("What may I book before the trip?", "What may I book after the trip?"),
]

SAME = [
    ("How do I enable two-factor authentication?", "How can I switch on 2FA?"),
    ("How do I enable two-factor authentication?", "turn two factor auth on pls"),
    ("How do I reset my password?", "how can i reset my pwd"),
    ("Where is the printer on floor 3?", "Where's the printer on the third floor?"),
    ("How do I cancel my subscription?", "I don't know how to cancel my subscription."),
    ("HOW DO I RESET MY PASSWORD?", "How do I reset my password"),
]

MORE = [
    ("When do we get paid?", "When do contractors get paid?"),
    ("How do I cancel an order?", "How do I cancel order 48213?"),
    ("How do I get a badge?", "How do I give back a badge?"),
]


def embed_tokens(texts: Sequence[str]) -> list[TokenVectors]:
    """Return a vector for each word, in which equal words are equal."""
    found = []
    for text in texts:
        words = list(re.finditer(r"\w+", text.lower()))
        vectors = np.zeros((len(words), 64), dtype=np.float32)
        for row, word in enumerate(words):
            vectors[row, sum(map(ord, word.group())) % 64] = 1
        found.append(TokenVectors(vectors, tuple(word.span() for word in words)))
    return found


def no_tokens(texts: Sequence[str]) -> None:
    """Return nothing, as an embedder without token vectors."""


def compare(first: str, second: str, *, cosine: float = 0.95, tokens: bool = True) -> Likeness:
    """Return how alike two questions are, whichever comes first."""
    sameness = Sameness(embed_tokens if tokens else no_tokens)
    (there,) = sameness.compare(first, [second], [cosine])
    (back,) = sameness.compare(second, [first], [cosine])
    assert there.probability == pytest.approx(back.probability)
    assert (there.excluded, there.certain > 0) == (back.excluded, back.certain > 0)
    return there


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize(("first", "second"), OPPOSITES)
def test_opposites_exclude_each_other(first: str, second: str, tokens: bool) -> None:
    assert compare(first, second, tokens=tokens).excluded


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize(("first", "second"), SAME)
def test_the_same_in_other_words_is_the_same(first: str, second: str, tokens: bool) -> None:
    assert compare(first, second, tokens=tokens).certain >= GIVEN


@pytest.mark.parametrize(("first", "second"), MORE)
def test_what_says_more_is_similar_and_not_the_same(first: str, second: str) -> None:
    found = compare(first, second)
    assert found.certain < GIVEN
    assert not found.excluded


def test_a_typo_is_forgiven_where_the_vocabulary_lacks_the_word() -> None:
    def pieces(texts: Sequence[str]) -> list[TokenVectors]:
        """Split what is misspelt, as word pieces do."""
        found = embed_tokens(texts)
        return [
            TokenVectors(
                np.vstack([each.vectors, each.vectors[-1:]]),
                tuple(span for span in each.spans if "pirnter" not in text[slice(*span)])
                + tuple((match.start(), match.start() + 3) for match in re.finditer("pirnter", text))
                + ((0, 0),),
            )
            for text, each in zip(texts, found, strict=True)
        ]

    (found,) = Sameness(pieces).compare("Where is the printer?", ["Where is the pirnter?"], [0.9])
    assert not found.differences


def test_two_known_words_are_no_typo_of_each_other() -> None:
    assert compare("Where is my contract?", "Where is my contact?").certain < GIVEN


def test_without_token_vectors_a_word_too_many_is_not_the_same() -> None:
    assert compare("How do I get a badge?", "How do I get a badge photo?", tokens=False).certain == 0


@pytest.mark.parametrize("text", ["", "?", "🙂", "ə" * 3000, "from to from to", "'s 's", "\u202e2FA", "1" * 500])
def test_any_text_can_be_compared(text: str) -> None:
    compare(text, "How do I get a badge?")
    compare(text, text)


def test_a_long_question_is_the_same_only_word_for_word() -> None:
    long = " ".join(f"word{number}x" for number in range(1_000))
    assert compare(long, long).certain == 1
    assert compare(long, long + " more").probability == 0


def test_the_weights_are_of_these_features() -> None:
    weights = load_weights()
    networks, inputs, units = weights.hidden.shape
    assert inputs == len(NAMES) == len(weights.mean) == len(weights.scale)
    assert weights.bias.shape == weights.output.shape == (networks, units)
    assert all(np.isfinite(part).all() for part in (weights.hidden, weights.output, weights.constant))
    assert (weights.scale > 0).all()


def test_weights_of_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match="of other features"):
        weights_from({"embedder": "", "features": ["cosine"]})


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Comment aller de Paris à Rome ?", "Comment aller de Rome à Paris ?"),
        ("Wie sperre ich meine Karte?", "Wie sperre ich meine Karte nicht?"),
        ("如何启用双重认证？", "如何禁用双重认证？"),
        ("Как включить уведомления?", "Как выключить уведомления?"),
    ],
)
def test_what_the_lists_do_not_know_is_never_the_same_in_other_words(first: str, second: str, tokens: bool) -> None:
    assert compare(first, second, cosine=0.99, tokens=tokens).certain == 0
    assert compare(first, first, tokens=tokens).certain == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Can patients call doctors?", "Is it possible for doctors to call patients?"),
        ("Which hotels may I book in vienna?", "Which hotels may I book in prague?"),
        ("How do I pay in euros?", "How do I pay in dollars?"),
        ("Does the app run on windows?", "Does the app run on linux?"),
    ],
)
def test_people_who_change_roles_and_other_members_of_a_group_exclude_each_other(first: str, second: str) -> None:
    assert compare(first, second).excluded


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How do I book a room?", "How do I book a room in March?"),
        ("My account is locked, how do I unlock it?", "How do I lock my account?"),
        ("How do I reset my password?", "How do I reset my Concur password?"),
        ("Can I book a room?", "Who can book a room?"),
    ],
)
def test_what_only_one_question_says_is_not_given(first: str, second: str) -> None:
    assert compare(first, second).certain < GIVEN
