from __future__ import annotations

import pytest

from bot.errors import HomeMissingError, SettingsError
from bot.settings import CONFIG_NAME, load_settings


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path))

    def write(toml=""):
        (tmp_path / CONFIG_NAME).write_text(toml)
        return tmp_path

    return write


def test_defaults_need_no_line_of_configuration(home):
    folder = home()
    settings = load_settings()
    assert settings.home == folder
    assert settings.database_url == f"sqlite:///{folder / 'mentee.db'}"
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8080)


def test_the_environment_wins_over_the_file_and_given_values_over_both(home, monkeypatch):
    home("[web]\nport = 1\n[answers]\npassages = 2\n")
    assert load_settings().web.port == 1
    monkeypatch.setenv("MENTEE_WEB__PORT", "2")
    settings = load_settings()
    assert (settings.web.port, settings.answers.passages) == (2, 2)
    assert load_settings({"web": {"port": 3}}).web.port == 3


def test_the_store_may_be_a_server(home):
    home('[store]\nurl = "postgresql://db/mentee"\n')
    assert load_settings().database_url == "postgresql://db/mentee"


WRONG = {
    "an unknown key": ("[web]\nprot = 1\n", "web.prot"),
    "an unknown section": ("[wbe]\nport = 1\n", "wbe"),
    "a value of the wrong kind": ('[web]\nport = "eighty"\n', "web.port.*eighty"),
    "a value out of range": ("[answers]\npassages = 99\n", "answers.passages.*99"),
    "a file that is no TOML": ("[web\n", "cannot be read"),
}


@pytest.mark.parametrize(("toml", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_used_is_named(home, toml, said):
    home(toml)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_a_missing_home_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path / "none"))
    with pytest.raises(HomeMissingError, match="mentee init"):
        load_settings()


def test_the_home_is_beside_us_by_default(tmp_path, monkeypatch):
    monkeypatch.delenv("MENTEE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert load_settings(must_exist=False).home == tmp_path / ".mentee"


def test_secrets_come_from_the_environment_and_are_masked(home, monkeypatch):
    home()
    monkeypatch.setenv("MENTEE_SLACK_BOT_TOKEN", "xoxb-1-secret")
    settings = load_settings()
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1-secret"
    assert "xoxb-1-secret" not in repr(settings) + settings.model_dump_json()


def test_secrets_come_from_files(home, monkeypatch, tmp_path):
    home()
    (tmp_path / "token").write_text("xoxb-2-secret\n")
    monkeypatch.setenv("MENTEE_SLACK_BOT_TOKEN_FILE", str(tmp_path / "token"))
    assert load_settings().slack_bot_token.get_secret_value() == "xoxb-2-secret"


@pytest.mark.parametrize("name", ["slack_bot_token", "slack_app_token", "slack_signing_secret", "model_api_key"])
def test_secrets_are_refused_in_the_file(home, name):
    home(f'{name} = "hunter2-in-a-file"\n')
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_a_secret_file_that_cannot_be_read_is_named(home, monkeypatch):
    home()
    monkeypatch.setenv("MENTEE_SLACK_APP_TOKEN_FILE", "/nowhere/token")
    with pytest.raises(SettingsError, match="MENTEE_SLACK_APP_TOKEN_FILE names /nowhere/token"):
        load_settings()


def test_a_refusal_must_outweigh_what_retrieval_holds_of_the_passage(home):
    home("[answers]\nrefusal_odds = 4\n")
    answers = load_settings().answers
    chances = [answers.refusal_chance(relevance) for relevance in (0, 0.2, 0.5, 1)]
    assert chances == pytest.approx([0, 2 / 3, 0.8, 1])
    home()
    assert load_settings().answers.refusal_chance(1) == 0
