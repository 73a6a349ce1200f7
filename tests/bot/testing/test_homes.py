from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import BaseModel

from bot.testing.notes import make_plugin
from plugins.slack.settings import SlackSettings

if TYPE_CHECKING:
    from bot.testing import MakeHome


def test_a_home_is_ready_for_use_and_named_in_the_environment(make_home: MakeHome) -> None:
    mentee = make_home(departments=["travel"], settings={"limits": {"queue": 7}})
    assert mentee.departments.names() == ["travel"]
    assert mentee.settings.limits.queue == 7
    assert mentee.settings.model.embedder == "hashing"
    assert os.environ["MENTEE_HOME"] == str(mentee.settings.home)


def test_two_homes_of_one_test_share_nothing(make_home: MakeHome) -> None:
    first, second = make_home(departments=["travel"]), make_home(secrets={"SLACK_BOT_TOKEN": "xoxb-test"})
    assert second.departments.names() == []
    assert SlackSettings.of(first.settings).bot_token is None
    token = SlackSettings.of(second.settings).bot_token
    assert token is not None
    assert token.get_secret_value() == "xoxb-test"


class Spoken(BaseModel):
    words: list[str]
    replies: dict[str, str]
    quiet: bool = False


def test_settings_of_plugins_are_read_as_they_were_given(make_home: MakeHome) -> None:
    given = {"words": ["hi", 'a "b" \\ ü'], "replies": {"a.b": "c"}, "quiet": True}
    plugin = make_plugin(register_settings=lambda: Spoken)
    mentee = make_home(extra_plugins={"x-y": plugin}, settings={"plugins": {"x-y": given}})
    assert mentee.plugins.states.settings("x-y", "it", Spoken) == Spoken.model_validate(given)
