from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from bot.config.settings import CONFIG_NAME, load_settings
from bot.domain.errors import HomeMissingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path))

    def write(toml: str = "") -> Path:
        (tmp_path / CONFIG_NAME).write_text(toml)
        return tmp_path

    return write


def test_defaults_need_no_line_of_configuration(home: Callable[..., Path]) -> None:
    folder = home()
    settings = load_settings()
    assert settings.home == folder
    assert settings.database_url == f"sqlite:///{folder / 'mentee.db'}"
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8080)


def test_the_environment_wins_over_the_file_and_given_values_over_both(
    home: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home("[web]\nport = 1\n[answers]\npassages = 2\n")
    assert load_settings().web.port == 1
    monkeypatch.setenv("MENTEE_WEB__PORT", "2")
    settings = load_settings()
    assert (settings.web.port, settings.answers.passages) == (2, 2)
    assert load_settings({"web": {"port": 3}}).web.port == 3


def test_the_store_may_be_a_server(home: Callable[..., Path]) -> None:
    home('[store]\nurl = "postgresql://db/mentee"\n')
    assert load_settings().database_url == "postgresql://db/mentee"


WRONG = {
    "an unknown key": ("[web]\nprot = 1\n", "web.prot"),
    "an unknown key at the top": ("prot = 1\n", "prot"),
    "a value of the wrong kind": ('[web]\nport = "eighty"\n', "web.port.*eighty"),
    "a value out of range": ("[answers]\npassages = 99\n", "answers.passages.*99"),
    "a time limit of nothing": ("[limits.plugins]\nwiki = 0\n", r"limits.plugins.wiki.*greater than 0 \(found 0"),
    "a file that is no TOML": ("[web\n", "can't be read"),
}


@pytest.mark.parametrize(("toml", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_used_is_named(home: Callable[..., Path], toml: str, said: str) -> None:
    home(toml)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_a_missing_home_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path / "none"))
    with pytest.raises(HomeMissingError, match="mentee init"):
        load_settings()


def test_the_home_is_beside_us_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MENTEE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert load_settings(must_exist=False).home == tmp_path / ".mentee"


def test_secrets_come_from_the_environment_and_are_masked(
    home: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home()
    monkeypatch.setenv("MENTEE_MODEL_API_KEY", "key-1-secret")
    settings = load_settings()
    assert settings.model_api_key is not None
    assert settings.model_api_key.get_secret_value() == "key-1-secret"
    assert "key-1-secret" not in repr(settings) + settings.model_dump_json()


def test_secrets_come_from_files(home: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home()
    (tmp_path / "key").write_text("key-2-secret\n")
    monkeypatch.setenv("MENTEE_MODEL_API_KEY_FILE", str(tmp_path / "key"))
    assert load_settings().model_api_key == SecretStr("key-2-secret")


@pytest.mark.parametrize("name", ["model_api_key", "slack_bot_token"])
def test_secrets_are_refused_in_the_file_and_not_repeated(home: Callable[..., Path], name: str) -> None:
    home(f'{name} = "hunter2-in-a-file"\n')
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_a_secret_file_that_cannot_be_read_is_named(home: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    home()
    monkeypatch.setenv("MENTEE_MODEL_API_KEY_FILE", "/nowhere/key")
    with pytest.raises(SettingsError, match="the file set in MENTEE_MODEL_API_KEY_FILE"):
        load_settings()


def test_a_refusal_must_outweigh_what_retrieval_holds_of_the_passage(home: Callable[..., Path]) -> None:
    home("[answers]\nrefusal_odds = 4\n")
    answers = load_settings().answers
    chances = [answers.refusal_chance(relevance) for relevance in (0, 0.2, 0.5, 1)]
    assert chances == pytest.approx([0, 2 / 3, 0.8, 1])
    assert answers.refusal_chance(doubt=4) == pytest.approx(0.5)
    assert answers.refusal_chance(sure=True) == 0
    home("[answers]\nrefusal_odds = 4\nsure_odds = 1\n")
    assert load_settings().answers.refusal_chance(sure=True) == pytest.approx(0.5)
    home()
    assert load_settings().answers.refusal_chance(1) == 0


@pytest.mark.parametrize("must_exist", [True, False])
def test_a_home_of_another_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, must_exist: bool) -> None:
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path))

    def refuse(path: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # the superuser, who may run the tests, reads everything
    with pytest.raises(SettingsError, match=r"mentee\.toml can't be read: Permission denied\. Run Mentee as the user"):
        load_settings(must_exist=must_exist)
