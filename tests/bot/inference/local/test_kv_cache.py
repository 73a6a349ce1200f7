"""Pages of keys and values: shared where the same was read before, in the same department with the same adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.inference.local.kv_cache import KVCacheManager
from bot.inference.local.model_config import PAGE
from bot.inference.local.prompt_lookup import MAX_GUESSES, PromptLookup

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from bot.inference.local.kv_cache import PageTable

PROMPT = list(range(1000, 1000 + 3 * PAGE + 5))


def allocate(cache: KVCacheManager, space: Hashable, tokens: Sequence[int], length: int) -> PageTable:
    table = cache.allocate(space, tokens, length)
    assert table is not None
    return table


def read(cache: KVCacheManager, space: Hashable, tokens: Sequence[int], length: int | None = None) -> PageTable | None:
    """Allocate, compute and free, as an answer does."""
    table = cache.allocate(space, tokens, length or len(tokens) + 10)
    if table is not None:
        cache.share(table, tokens)
        cache.free(table)
    return table


def test_a_prompt_read_before_shares_its_whole_pages() -> None:
    cache = KVCacheManager(20)
    first = allocate(cache, "hr", PROMPT, 120)
    assert (first.shared, len(first.pages)) == (0, 4)
    cache.share(first, PROMPT)
    again = allocate(cache, "hr", PROMPT, 120)
    assert again.shared == 3 * PAGE
    assert again.pages[:3] == first.pages[:3]
    assert again.pages[3] != first.pages[3]
    other = allocate(cache, "hr", [*PROMPT[: 2 * PAGE], 7, *PROMPT[2 * PAGE + 1 :]], 120)
    assert other.shared == 2 * PAGE


def test_the_last_token_is_always_left_to_read() -> None:
    cache = KVCacheManager(20)
    read(cache, "hr", PROMPT[: 2 * PAGE])
    assert allocate(cache, "hr", PROMPT[: 2 * PAGE], 100).shared == PAGE


@pytest.mark.parametrize("other", ["it", ("hr", "v2")])
def test_another_space_shares_nothing(other: Hashable) -> None:
    cache = KVCacheManager(20)
    read(cache, "hr", PROMPT)
    assert allocate(cache, other, PROMPT, 120).shared == 0


def test_the_pages_unused_for_longest_go_first_and_used_ones_stay() -> None:
    cache = KVCacheManager(8)
    read(cache, "old", PROMPT)
    read(cache, "new", PROMPT)
    assert cache.available == 8
    third = allocate(cache, "third", PROMPT, 4 * PAGE)
    new = allocate(cache, "new", PROMPT, 4 * PAGE)
    assert new.shared == 3 * PAGE
    assert not set(new.pages) & set(third.pages)
    cache.free(third)
    assert allocate(cache, "old", PROMPT, 4 * PAGE).shared < 3 * PAGE


def test_without_room_nothing_is_allocated_and_nothing_lost() -> None:
    cache = KVCacheManager(4)
    running = allocate(cache, "hr", PROMPT, 4 * PAGE)
    assert cache.allocate("hr", PROMPT, 4 * PAGE) is None
    cache.free(running)
    assert cache.available == 4
    assert cache.allocate("hr", PROMPT, 4 * PAGE) is not None


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.integers(1, 6), st.booleans()), max_size=40))
def test_no_page_is_lost_or_written_by_two(steps: list[tuple[str, int, int, bool]]) -> None:
    cache = KVCacheManager(12)
    running: list[tuple[PageTable, list[int]]] = []
    for space, kind, pages, end in steps:
        tokens = [kind] * (pages * PAGE - 3) + [9, 9]
        table = cache.allocate(space, tokens, pages * PAGE)
        if table is not None:
            own = table.pages[table.shared // PAGE :]
            assert not {page for each, _ in running for page in each.pages} & set(own)
            running.append((table, tokens))
            cache.share(table, tokens[: len(tokens) // 2])
        if end and running:
            table, tokens = running.pop(0)
            cache.share(table, tokens)
            cache.free(table)
        in_use = {page for each, _ in running for page in each.pages}
        assert cache.available + len(in_use) == 12
    for table, _ in running:
        cache.free(table)
    assert cache.available == 12


def test_what_followed_these_tokens_before_is_guessed() -> None:
    lookup = PromptLookup([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2])
    assert lookup.guess(MAX_GUESSES) == []
    lookup.add([3])
    assert lookup.guess(MAX_GUESSES) == [4, 5]
    assert lookup.guess(1) == [4]


def test_right_guesses_are_followed_by_longer_ones_and_wrong_ones_by_shorter_ones() -> None:
    lookup = PromptLookup([*range(20), 0, 1, 2])
    lookup.learn(2, 2)
    assert lookup.guess(9) == [3, 4, 5, 6]
    lookup.learn(4, 4)
    assert len(lookup.guess(9)) == MAX_GUESSES
    lookup.learn(5, 0)
    assert lookup.guess(9) == [3]
