"""Two people, or a person and a round, decide about one adapter at the same time: the first decision stands."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.app import open_mentee
from bot.domain.errors import MenteeError
from bot.domain.identifiers import now
from bot.storage.tables.training import AdapterRow, ChampionRow
from tests.tuning.rounds.adapters import BETTER, better, judged, make_adapter
from tuning import services
from tuning.rounds.champions import ChampionChangedError
from tuning.rounds.registry import Registry
from tuning.rounds.store import NotHeldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.app import Mentee
    from bot.inference.fingerprint import ModelFingerprint
    from bot.testing.homes import MakeHome


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    settings: dict[str, dict[str, Any]] = {
        "model": {"name": "tiny", "engine": "openai"},
        "tuning": {"approval": "operator"},
    }
    return make_home(departments=("support",), settings=settings)


@pytest.fixture
def other(mentee: Mentee) -> Iterator[Mentee]:
    """Return the same instance in another operator's process."""
    opened = open_mentee(mentee.settings, discover=False)
    yield opened
    opened.close()


def published(mentee: Mentee, name: str) -> str:
    make_adapter(mentee.settings.home / name)
    return services.registry(mentee).publish(mentee.settings.home / name, "support")


def promotions(mentee: Mentee) -> list[tuple[str, str | None]]:
    with mentee.store.read() as session:
        return [(row.action, row.adapter) for row in session.scalars(select(ChampionRow).order_by(ChampionRow.id))]


def state(mentee: Mentee, version: str) -> str:
    return services.registry(mentee).get("support", version).state


def at_once(monkeypatch: pytest.MonkeyPatch, *decisions: Callable[[], object]) -> list[BaseException]:
    """Make decisions that have all read the old champion before any writes; return what the losers were told."""
    gate = threading.Barrier(len(decisions))
    check, usable = Registry.check, Registry._usable

    def check_together(self: Registry, department: str, version: str) -> None:
        check(self, department, version)
        gate.wait(10)

    def usable_together(self: Registry, version: str | None) -> bool:
        found = usable(self, version)
        gate.wait(10)
        return found

    monkeypatch.setattr(Registry, "check", check_together)
    monkeypatch.setattr(Registry, "_usable", usable_together)
    errors: list[BaseException] = []

    def decide(decision: Callable[[], object]) -> None:
        try:
            decision()
        except BaseException as error:  # noqa: BLE001 - the test looks at what it is
            errors.append(error)

    threads = [threading.Thread(target=decide, args=(each,)) for each in decisions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    return errors


def test_of_an_approval_and_a_rejection_one_stands(mentee: Mentee, other: Mentee, monkeypatch: Any) -> None:
    round_id = better(mentee)
    check = Registry.check

    def check_while_another_rejects(self: Registry, department: str, version: str) -> None:
        check(self, department, version)
        services.approvals(other).reject(round_id, actor="ben")

    monkeypatch.setattr(Registry, "check", check_while_another_rejects)
    with pytest.raises(MenteeError, match="is rejected; it doesn't wait for approval"):
        services.approvals(mentee).approve(round_id, actor="ada")
    assert promotions(mentee) == []
    assert services.rounds(mentee).get(round_id).approval == "rejected"
    assert state(mentee, "support-1") == "refused"


def test_an_approval_that_is_killed_half_way_changed_nothing(mentee: Mentee, monkeypatch: Any) -> None:
    round_id = better(mentee)

    class KilledError(BaseException):
        pass

    deciding = type(services.rounds(mentee)).deciding

    @contextmanager
    def killed(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with deciding(*args, **kwargs) as session:
            yield session
            raise KilledError

    monkeypatch.setattr(type(services.rounds(mentee)), "deciding", killed)
    with pytest.raises(KilledError):
        services.approvals(mentee).approve(round_id, actor="ada")
    monkeypatch.undo()
    assert promotions(mentee) == []
    assert services.rounds(mentee).get(round_id).approval == "waiting"
    services.approvals(mentee).approve(round_id, actor="ada")
    assert promotions(mentee) == [("promote", "support-1")]


def test_two_approvals_at_once_promote_once(mentee: Mentee, other: Mentee, monkeypatch: Any) -> None:
    round_id = better(mentee)
    approvals = [services.approvals(each) for each in (mentee, other)]
    errors = at_once(monkeypatch, *(lambda each=each: each.approve(round_id, actor="x") for each in approvals))
    assert [str(error).partition(";")[0] for error in errors] == [f"Round {round_id} is approved"]
    assert promotions(mentee) == [("promote", "support-1")]


def test_two_rollbacks_at_once_go_back_one_champion(mentee: Mentee, other: Mentee, monkeypatch: Any) -> None:
    for name in ("one", "two", "three"):
        services.registry(mentee).promote("support", published(mentee, name), actor="test")
    registries = [services.registry(each) for each in (mentee, other)]
    errors = at_once(monkeypatch, *(lambda each=each: each.rollback("support", actor="x") for each in registries))
    assert [type(error) for error in errors] == [ChampionChangedError]
    assert "support-2 answers now, no longer support-3" in str(errors[0])
    assert services.registry(mentee).champion("support") == "support-2"


def test_two_promotions_at_once_leave_one_champion(mentee: Mentee, other: Mentee, monkeypatch: Any) -> None:
    versions = [published(mentee, name) for name in ("one", "two")]
    pairs = zip((services.registry(each) for each in (mentee, other)), versions, strict=True)
    calls = [lambda r=registry, v=version: r.promote("support", v, actor="x") for registry, version in pairs]
    errors = at_once(monkeypatch, *calls)
    assert [type(error) for error in errors] == [ChampionChangedError]
    assert len(promotions(mentee)) == 1
    assert sorted(state(mentee, each) for each in versions) == ["challenger", "champion"]


def test_a_rejection_does_not_refuse_an_adapter_that_is_live(mentee: Mentee) -> None:
    round_id = better(mentee)
    services.registry(mentee).promote("support", "support-1", actor="ada")
    with pytest.raises(MenteeError, match=r"live already.*adapters rollback"):
        services.approvals(mentee).reject(round_id, actor="ben")
    services.registry(mentee).rollback("support", actor="ben")
    services.approvals(mentee).reject(round_id, actor="ben")
    assert state(mentee, "support-1") == "refused"


def test_an_approval_after_a_rollback_is_refused(mentee: Mentee) -> None:
    services.registry(mentee).promote("support", published(mentee, "one"), actor="test")
    stages = judged(mentee)
    mentee.departments.configure("support", {"tuning.approval": "operator"}, actor="test")
    carried = {**BETTER, "champion": "support-1"}
    services.rounds(mentee).update(stages.folder.name, champion="support-1")
    stages.finish({**carried, **stages.run("publish", carried)})
    services.registry(mentee).rollback("support", actor="test")
    with pytest.raises(MenteeError, match="was compared with support-1, but the base model answers now"):
        services.approvals(mentee).approve(stages.folder.name, actor="ada")
    assert services.registry(mentee).champion("support") is None


def test_a_round_does_not_undo_a_rollback_of_what_it_was_compared_with(mentee: Mentee) -> None:
    mentee.departments.configure("support", {"tuning.approval": "auto"}, actor="test")
    services.registry(mentee).promote("support", published(mentee, "one"), actor="test")
    stages = judged(mentee)
    services.registry(mentee).rollback("support", actor="ada")
    result = stages.run("publish", {**BETTER, "champion": "support-1"})
    assert result["verdict"] == "refused"
    assert "compared with support-1; now base answers" in result["reason"]
    assert services.registry(mentee).champion("support") is None
    assert state(mentee, result["adapter"]) == "refused"


def test_a_publication_that_is_repeated_does_not_undo_a_rollback(mentee: Mentee) -> None:
    mentee.departments.configure("support", {"tuning.approval": "auto"}, actor="test")
    stages = judged(mentee)
    assert stages.run("publish", BETTER) == {"adapter": "support-1"}
    services.registry(mentee).rollback("support", actor="ada")  # the worker was killed before it stored the result
    assert stages.run("publish", BETTER) == {"adapter": "support-1"}
    assert promotions(mentee) == [("promote", "support-1"), ("rollback", None)]


def test_a_round_that_is_cancelled_while_it_publishes_leaves_nothing(mentee: Mentee, monkeypatch: Any) -> None:
    mentee.departments.configure("support", {"tuning.approval": "auto"}, actor="test")
    stages = judged(mentee)
    rounds = services.rounds(mentee)
    base = Registry.base

    def cancelled_base(self: Registry) -> ModelFingerprint:
        rounds.cancel(stages.folder.name, actor="ada")
        return base(self)

    monkeypatch.setattr(Registry, "base", cancelled_base)
    with pytest.raises(NotHeldError):
        stages.run("publish", BETTER)
    assert services.registry(mentee).versions("support") == []
    assert list((mentee.settings.artifacts_dir / "adapters").glob("support-*")) == []
    assert promotions(mentee) == []


def test_a_round_is_not_cancelled_once_its_adapter_is_live(mentee: Mentee) -> None:
    mentee.departments.configure("support", {"tuning.approval": "auto"}, actor="test")
    stages = judged(mentee)
    stages.run("publish", BETTER)
    with pytest.raises(MenteeError, match=r"has already put support-1 live.*adapters rollback"):
        services.rounds(mentee).cancel(stages.folder.name, actor="ada")
    assert services.rounds(mentee).get(stages.folder.name).state == "running"
    services.rounds(mentee).cancel(stages.folder.name, actor="erasure", live=True)


def test_an_adapter_that_becomes_stale_while_it_is_checked_is_not_promoted(mentee: Mentee, monkeypatch: Any) -> None:
    version = published(mentee, "one")
    check = Registry.check

    def check_while_erasing(self: Registry, department: str, name: str) -> None:
        check(self, department, name)
        with mentee.store.write() as session:
            session.get_one(AdapterRow, version).stale_since = now()

    monkeypatch.setattr(Registry, "check", check_while_erasing)
    with pytest.raises(MenteeError, match="learned from data that was erased"):
        services.registry(mentee).promote("support", version, actor="ada")
    assert promotions(mentee) == []
