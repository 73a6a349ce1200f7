from __future__ import annotations

from bot.observability.repeats import AGAIN_SECONDS, Repeats


def test_what_goes_on_failing_is_news_once_a_minute() -> None:
    time = 0.0
    repeats = Repeats(clock=lambda: time)
    assert repeats.is_news(ValueError("full"))
    assert not repeats.is_news(ValueError("full"))
    assert repeats.is_news(ValueError("locked"))
    time = AGAIN_SECONDS - 1
    assert not repeats.is_news(ValueError("locked"))
    time = AGAIN_SECONDS
    assert repeats.is_news(ValueError("locked"))
