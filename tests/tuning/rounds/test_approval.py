"""With ``tuning.approval = "operator"``, a better adapter waits for an operator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from bot.domain.errors import MenteeError
from tests.tuning.rounds.adapters import better
from tuning import services
from tuning.commands import rounds as commands

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.testing.homes import MakeHome


@pytest.fixture
def mentee(make_home: MakeHome, monkeypatch: pytest.MonkeyPatch) -> Mentee:
    monkeypatch.setattr(commands, "CACHE_SECONDS", 0)
    settings: dict[str, dict[str, Any]] = {
        "model": {"name": "tiny", "engine": "openai"},
        "tuning": {"approval": "operator"},
    }
    return make_home(departments=("support",), settings=settings)


def invoke(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(commands.round_, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_a_better_adapter_waits_and_goes_live_once_approved(mentee: Mentee) -> None:
    round_id = better(mentee)
    shown = invoke("show", round_id)
    assert (shown["state"], shown["verdict"], shown["approval"]) == ("finished", "better", "waiting")
    assert "better. An operator decides." in shown["reason"]
    assert invoke("list")["rounds"][0]["approval"] == "waiting"
    assert "waits for approval" in CliRunner().invoke(commands.round_, ["list"]).output
    assert services.registry(mentee).champion("support") is None
    assert invoke("approve", round_id) == {"round": round_id, "approval": "approved", "adapter": "support-1"}
    assert services.registry(mentee).champion("support") == "support-1"
    with pytest.raises(MenteeError, match="approved; it doesn't wait"):
        invoke("reject", round_id)


def test_a_rejected_adapter_stays_out(mentee: Mentee) -> None:
    round_id = better(mentee)
    assert invoke("reject", round_id) == {"round": round_id, "approval": "rejected"}
    registry = services.registry(mentee)
    assert registry.champion("support") is None
    assert registry.get("support", "support-1").state == "refused"
    with pytest.raises(MenteeError, match="rejected; it doesn't wait"):
        invoke("approve", round_id)


def test_a_comparison_with_an_earlier_champion_cannot_be_approved(mentee: Mentee) -> None:
    waiting = better(mentee)
    invoke("approve", better(mentee))
    with pytest.raises(MenteeError, match="was compared with the base model, but support-2 answers now"):
        invoke("approve", waiting)
    assert services.registry(mentee).champion("support") == "support-2"


def test_by_default_nobody_is_asked(mentee: Mentee) -> None:
    mentee.departments.configure("support", {"tuning.approval": "auto"}, actor="test")
    assert invoke("show", better(mentee))["approval"] is None
    assert services.registry(mentee).champion("support") == "support-1"
