"""When a failing plugin is paused, and how it returns."""

from __future__ import annotations

from bot.hooks.calling.breaker import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, MAX_FAILURES, WINDOW_SECONDS, Breakers


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def paused(clock: Clock) -> Breakers:
    breakers = Breakers(clock)
    begun = [breakers.failed("bad", "it", "call") for _ in range(MAX_FAILURES)]
    assert begun == [False] * (MAX_FAILURES - 1) + [True]
    return breakers


def test_only_the_department_it_failed_for_is_paused() -> None:
    breakers = paused(Clock())
    assert breakers.admit("bad", "it") == ""
    assert breakers.admit("bad", "travel") == breakers.admit("bad", None) == breakers.admit("good", "it") == "call"
    assert breakers.paused("bad") == {"it": FIRST_PAUSE_SECONDS}


def test_failures_far_apart_pause_nothing() -> None:
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(3 * MAX_FAILURES):
        assert not breakers.failed("bad", "it", "call")
        clock.at += WINDOW_SECONDS / (MAX_FAILURES - 1) + 1


def test_one_trial_at_a_time_and_each_that_fails_doubles_the_pause_to_an_hour() -> None:
    clock = Clock()
    breakers, pause = paused(clock), FIRST_PAUSE_SECONDS
    for _ in range(8):
        clock.at += pause - 1
        assert breakers.admit("bad", "it") == ""
        clock.at += 1
        assert breakers.admit("bad", "it") == "trial"
        assert breakers.admit("bad", "it") == ""
        assert breakers.failed("bad", "it", "trial")
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        assert breakers.paused("bad") == {"it": pause}


def test_a_trial_that_succeeds_ends_the_pause_and_one_that_was_never_made_is_given_back() -> None:
    clock = Clock()
    breakers = paused(clock)
    clock.at += FIRST_PAUSE_SECONDS
    assert breakers.admit("bad", "it") == "trial"
    breakers.ended("bad", "it")
    assert breakers.admit("bad", "it") == "trial"
    breakers.succeeded("bad", "it")
    assert breakers.admit("bad", "it") == "call"
    assert not breakers.paused("bad")


def test_a_call_that_began_before_the_pause_does_not_prolong_it() -> None:
    clock = Clock()
    breakers = paused(clock)
    clock.at += 30
    assert not breakers.failed("bad", "it", "call")
    assert breakers.paused("bad") == {"it": FIRST_PAUSE_SECONDS - 30}
