from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from bot.config.core import SettingsSection
from bot.config.sections import check_sections, read_section, section_name
from bot.config.settings import CONFIG_NAME, load_settings
from bot.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Retry(BaseModel):
    times: int = 3
    seconds: float = 1.0


class Tickets(SettingsSection):
    url: str = "https://tickets.example.com"
    mode: Literal["read", "write"] = "read"
    queues: tuple[str, ...] = ()
    retry: Retry = Field(default_factory=Retry)
    token: SecretStr | None = None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path))
    return (tmp_path / CONFIG_NAME).write_text


def tickets() -> Tickets:
    return read_section(load_settings(), "ticket_status", Tickets)


def test_a_section_without_a_line_has_the_models_defaults(home: Callable[[str], None]) -> None:
    home("")
    assert tickets() == Tickets()


def test_the_environment_wins_over_the_file_and_given_values_over_both(
    home: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    home('[ticket_status]\nmode = "write"\nqueues = ["it"]\nretry = {times = 5}\n')
    assert (tickets().mode, tickets().queues, tickets().retry) == ("write", ("it",), Retry(times=5))
    monkeypatch.setenv("MENTEE_TICKET_STATUS__MODE", "read")
    monkeypatch.setenv("MENTEE_TICKET_STATUS__QUEUES", '["hr", "it"]')
    monkeypatch.setenv("MENTEE_TICKET_STATUS__RETRY__SECONDS", "2.5")
    assert (tickets().mode, tickets().queues) == ("read", ("hr", "it"))
    assert tickets().retry == Retry(times=5, seconds=2.5)
    given = load_settings({"ticket_status": {"mode": "write"}})
    assert read_section(given, "ticket_status", Tickets).mode == "write"


WRONG = {
    "an unknown key": ("[ticket_status]\nulr = 1\n", r"ticket_status\.ulr"),
    "a value of the wrong kind": ('[ticket_status]\nmode = "wirte"\n', r"ticket_status\.mode.*wirte"),
    "no table": ("[[ticket_status]]\nurl = 1\n", "ticket_status"),
    "an unknown section": ("[ticket_stats]\nurl = 1\n", r"\[ticket_stats\].*no installed plugin"),
}


@pytest.mark.parametrize(("toml", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_used_is_named_at_start(home: Callable[[str], None], toml: str, said: str) -> None:
    home(toml)
    with pytest.raises(SettingsError, match=said):
        check_sections(load_settings(), {"ticket_status": Tickets})


def test_a_section_waits_for_its_plugin_to_work_again(home: Callable[[str], None]) -> None:
    home("[ticket_status]\nurl = 1\n")
    check_sections(load_settings(), {}, {"ticket_status"})


def test_secrets_come_from_the_environment_or_from_files(
    home: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home("")
    (tmp_path / "token").write_text("hunter2-in-a-mount\n")
    monkeypatch.setenv("MENTEE_TICKET_STATUS_TOKEN_FILE", str(tmp_path / "token"))
    found = tickets()
    assert found.token is not None
    assert found.token.get_secret_value() == "hunter2-in-a-mount"
    assert "hunter2" not in repr(found) + found.model_dump_json()
    monkeypatch.setenv("MENTEE_TICKET_STATUS_TOKEN", "hunter3")
    assert tickets().token == SecretStr("hunter3")


def test_a_secret_in_the_file_is_refused_and_not_repeated(home: Callable[[str], None]) -> None:
    home('[ticket_status]\ntoken = "hunter2"\n')
    with pytest.raises(SettingsError, match="MENTEE_TICKET_STATUS_TOKEN_FILE") as caught:
        tickets()
    assert "hunter2" not in str(caught.value)


def test_a_section_is_named_like_its_plugin() -> None:
    assert section_name("ticket-status") == "ticket_status"
