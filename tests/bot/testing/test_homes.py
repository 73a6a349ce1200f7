from __future__ import annotations

import os


def test_a_home_is_ready_for_use_and_named_in_the_environment(make_home):
    mentee = make_home(departments=["travel"], settings={"limits": {"queue": 7}})
    assert mentee.departments.names() == ["travel"]
    assert mentee.settings.limits.queue == 7
    assert mentee.settings.model.embedder == "hashing"
    assert os.environ["MENTEE_HOME"] == str(mentee.settings.home)


def test_two_homes_of_one_test_share_nothing(make_home):
    first, second = make_home(departments=["travel"]), make_home(secrets={"SLACK_BOT_TOKEN": "xoxb-test"})
    assert second.departments.names() == []
    assert first.settings.slack_bot_token is None
    assert second.settings.slack_bot_token.get_secret_value() == "xoxb-test"
