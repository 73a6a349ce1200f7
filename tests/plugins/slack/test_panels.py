from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome


def test_operators_read_when_rounds_learn_from_slack(make_home: MakeHome) -> None:
    mentee = make_home(built_in=("plugins.slack",))
    (panel,) = mentee.plugins.register_panels(mentee)
    assert "train_eligible" in panel.html
    assert "direct messages" in panel.html
