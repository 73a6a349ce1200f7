"""Pages of keys and values: shared where the same was read before, in the same department with the same adapter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engines.decoder.lookup import MOST, Lookup
from bot.engines.decoder.pages import PageBook
from bot.engines.decoder.shape import PAGE

PROMPT = list(range(1000, 1000 + 3 * PAGE + 5))


def read(book, space, tokens, length=None):
    """Lease, compute and give back, as an answer does."""
    lease = book.open(space, tokens, length or len(tokens) + 10)
    if lease is not None:
        book.publish(lease, tokens)
        book.close(lease)
    return lease


def test_a_prompt_read_before_shares_its_whole_pages():
    book = PageBook(20)
    first = book.open("hr", PROMPT, 120)
    assert (first.shared, len(first.pages)) == (0, 4)
    book.publish(first, PROMPT)
    again = book.open("hr", PROMPT, 120)
    assert again.shared == 3 * PAGE
    assert again.pages[:3] == first.pages[:3]
    assert again.pages[3] != first.pages[3]
    other = book.open("hr", [*PROMPT[: 2 * PAGE], 7, *PROMPT[2 * PAGE + 1 :]], 120)
    assert other.shared == 2 * PAGE


def test_the_last_token_is_always_left_to_read():
    book = PageBook(20)
    read(book, "hr", PROMPT[: 2 * PAGE])
    assert book.open("hr", PROMPT[: 2 * PAGE], 100).shared == PAGE


@pytest.mark.parametrize("other", ["it", ("hr", "v2")])
def test_another_space_shares_nothing(other):
    book = PageBook(20)
    read(book, "hr", PROMPT)
    assert book.open(other, PROMPT, 120).shared == 0


def test_the_pages_unused_for_longest_go_first_and_used_ones_stay():
    book = PageBook(8)
    read(book, "old", PROMPT)
    read(book, "new", PROMPT)
    assert book.available == 8
    third = book.open("third", PROMPT, 4 * PAGE)
    new = book.open("new", PROMPT, 4 * PAGE)
    assert new.shared == 3 * PAGE
    assert not set(new.pages) & set(third.pages)
    book.close(third)
    assert book.open("old", PROMPT, 4 * PAGE).shared < 3 * PAGE


def test_without_room_nothing_is_leased_and_nothing_lost():
    book = PageBook(4)
    running = book.open("hr", PROMPT, 4 * PAGE)
    assert book.open("hr", PROMPT, 4 * PAGE) is None
    book.close(running)
    assert book.available == 4
    assert book.open("hr", PROMPT, 4 * PAGE) is not None


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.integers(1, 6), st.booleans()), max_size=40))
def test_no_page_is_lost_or_written_by_two(steps):
    book, running = PageBook(12), []
    for space, kind, pages, end in steps:
        tokens = [kind] * (pages * PAGE - 3) + [9, 9]
        lease = book.open(space, tokens, pages * PAGE)
        if lease is not None:
            own = lease.pages[lease.shared // PAGE :]
            assert not {page for each, _ in running for page in each.pages} & set(own)
            running.append((lease, tokens))
            book.publish(lease, tokens[: len(tokens) // 2])
        if end and running:
            lease, tokens = running.pop(0)
            book.publish(lease, tokens)
            book.close(lease)
        in_use = {page for each, _ in running for page in each.pages}
        assert book.available + len(in_use) == 12
    for lease, _ in running:
        book.close(lease)
    assert book.available == 12


def test_what_followed_these_tokens_before_is_guessed():
    lookup = Lookup([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2])
    assert lookup.guess(MOST) == []
    lookup.add([3])
    assert lookup.guess(MOST) == [4, 5]
    assert lookup.guess(1) == [4]


def test_right_guesses_are_followed_by_longer_ones_and_wrong_ones_by_shorter_ones():
    lookup = Lookup([*range(20), 0, 1, 2])
    lookup.learn(2, 2)
    assert lookup.guess(9) == [3, 4, 5, 6]
    lookup.learn(4, 4)
    assert len(lookup.guess(9)) == MOST
    lookup.learn(5, 0)
    assert lookup.guess(9) == [3]
