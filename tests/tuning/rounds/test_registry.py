from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import select

from bot.domain.errors import ArtifactError, NotFoundError
from bot.domain.identifiers import now
from bot.inference.adapter_files import WEIGHTS
from bot.inference.fingerprint import ModelFingerprint
from bot.storage.artifacts import writing
from bot.storage.tables.access import AuditRow
from bot.storage.tables.training import AdapterRow, ChampionRow
from tuning import services
from tuning.rounds.registry import check_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bot.testing.homes import MakeHome
    from tuning.rounds.registry import Registry

CONFIG = '{"peft_type": "LORA"}'


def safetensors(dtype: str, values: NDArray[Any]) -> bytes:
    raw = values.tobytes()
    header = json.dumps({"a": {"dtype": dtype, "shape": [values.size], "data_offsets": [0, len(raw)]}}).encode()
    return struct.pack("<Q", len(header)) + header + raw


@pytest.fixture
def make_adapter(tmp_path: Path) -> Callable[..., Path]:
    """Write an adapter snapshot with the given numbers, without any model library."""

    def make(
        name: str = "made",
        *,
        values: Sequence[float] = (0.5, -0.25),
        dtype: str = "F32",
        base: str = "tiny",
        weights: bytes | None = None,
    ) -> Path:
        stored = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}[dtype]
        path = tmp_path / "made" / name
        with writing(path, "adapter") as draft:
            (draft.path / WEIGHTS).write_bytes(
                safetensors(dtype, np.array(values, dtype=stored)) if weights is None else weights
            )
            (draft.path / "adapter_config.json").write_text(CONFIG)
            draft.meta |= {"base_model": base, "version": name}
        return path

    return make


@pytest.fixture
def registry(make_home: MakeHome) -> Registry:
    # A model behind a server is known by name only, so no model has to exist for these tests.
    mentee = make_home(departments=("support",), settings={"model": {"name": "tiny", "engine": "openai"}})
    return services.registry(mentee)


def champions(registry: Registry) -> list[tuple[str, str | None]]:
    with registry._store.read() as session:
        return [(row.action, row.adapter) for row in session.scalars(select(ChampionRow).order_by(ChampionRow.id))]


def test_versions_count_up_and_are_never_reused(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    assert registry.publish(make_adapter("one"), "support") == "support-1"
    assert registry.publish(make_adapter("two"), "support") == "support-2"
    shutil.rmtree(registry.path("support-2"))
    assert registry.publish(make_adapter("three"), "support") == "support-3"


def test_a_stray_folder_of_a_killed_publisher_is_left_alone(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    registry.path("support-1").mkdir(parents=True)
    assert registry.publish(make_adapter(), "support") == "support-2"


def test_publishing_for_the_same_round_again_returns_its_version(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    source = make_adapter()
    first = registry.publish(source, "support", round_id="r_1")
    assert registry.publish(source, "support", round_id="r_1") == first
    assert [row.version for row in registry.versions("support")] == ["support-1"]


def test_a_published_adapter_holds_the_same_bytes(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    source = make_adapter()
    published = registry.path(registry.publish(source, "support"))
    assert (published / WEIGHTS).read_bytes() == (source / WEIGHTS).read_bytes()
    assert check_sound(published, registry.base()).meta["version"] == "support-1"


def test_promotion_and_rollback_walk_back_to_the_base_model(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    for name in ("one", "two"):
        registry.promote("support", registry.publish(make_adapter(name), "support"), actor="test")
    assert registry.champion("support") == "support-2"
    assert registry.rollback("support", actor="test") == "support-1"
    assert registry.champion("support") == "support-1"
    assert registry.rollback("support", actor="test") is None
    assert registry.champion("support") is None
    with pytest.raises(NotFoundError, match="no earlier champion"):
        registry.rollback("support", actor="test")


def test_promoting_after_a_rollback_rolls_back_to_what_was_in_force(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    one, two, three = (registry.publish(make_adapter(name), "support") for name in "abc")
    registry.promote("support", one, actor="test")
    registry.promote("support", two, actor="test")
    registry.rollback("support", actor="test")
    registry.promote("support", three, actor="test")
    assert registry.rollback("support", actor="test") == one


def test_rollback_passes_over_a_previous_champion_that_is_damaged(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    for name in ("one", "two"):
        registry.promote("support", registry.publish(make_adapter(name), "support"), actor="test")
    (registry.path("support-1") / WEIGHTS).write_bytes(b"damaged")
    assert registry.rollback("support", actor="test") is None


def test_promoting_the_champion_again_changes_nothing(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    version = registry.publish(make_adapter(), "support")
    registry.promote("support", version, actor="test")
    registry.promote("support", version, actor="test")
    assert champions(registry) == [("promote", version)]


def test_states_and_audit_follow(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    one, two = (registry.publish(make_adapter(name), "support") for name in "ab")
    registry.promote("support", one, actor="ada", reason="better")
    registry.promote("support", two, actor="ada", reason="better still")
    registry.rollback("support", actor="ben")
    with registry._store.read() as session:
        states = dict(session.execute(select(AdapterRow.version, AdapterRow.state)).all())
        audit = session.scalars(select(AuditRow).where(AuditRow.action == "adapter.rollback")).one()
    assert states == {one: "champion", two: "retired"}
    assert (audit.actor, audit.detail["from"], audit.detail["to"]) == ("ben", two, one)


def test_the_serving_side_sees_promotion_and_rollback_at_once(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    active = registry._active
    assert active.get("support") is None
    version = registry.publish(make_adapter(), "support")
    registry.promote("support", version, actor="test")
    champion = active.get("support")
    assert champion is not None
    assert champion.version == version
    registry.rollback("support", actor="test")
    assert active.get("support") is None


@pytest.mark.parametrize(
    ("dtype", "values"), [("F32", (1.0, np.nan)), ("F32", (np.inf, 0.0)), ("F16", (np.nan, 1.0)), ("BF16", (0x7FC0, 1))]
)
def test_numbers_that_are_not_finite_are_refused_and_nothing_is_written(
    registry: Registry, make_adapter: Callable[..., Path], dtype: str, values: tuple[float, ...]
) -> None:
    with pytest.raises(ArtifactError, match="not finite"):
        registry.publish(make_adapter(values=values, dtype=dtype), "support")
    assert registry.versions("support") == []
    assert not registry.path("support-1").exists()


def test_finite_bfloat16_is_sound(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    registry.publish(make_adapter(values=(0x3F80, 0xBF80), dtype="BF16"), "support")


def test_another_base_model_is_refused(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    with pytest.raises(ArtifactError, match="made for another base"):
        registry.publish(make_adapter(base="other"), "support")


def test_another_hash_of_the_base_is_refused(make_adapter: Callable[..., Path]) -> None:
    path = make_adapter()
    assert check_sound(path, ModelFingerprint("tiny", "0" * 64))  # the adapter names no hash
    with writing(path.with_name("hashed"), "adapter") as draft:
        for name in (WEIGHTS, "adapter_config.json"):
            shutil.copyfile(path / name, draft.path / name)
        draft.meta |= {"base_model": "tiny", "base_sha256": "1" * 64}
    with pytest.raises(ArtifactError, match="base_sha256"):
        check_sound(path.with_name("hashed"), ModelFingerprint("tiny", "0" * 64))


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"\xff" * 64, struct.pack("<Q", 2) + b"[]"])
def test_a_file_that_is_no_safetensors_is_refused(
    registry: Registry, make_adapter: Callable[..., Path], content: bytes
) -> None:
    with pytest.raises(ArtifactError):
        registry.publish(make_adapter(weights=content), "support")


def test_an_altered_adapter_is_not_promoted_and_the_champion_stays(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    first = registry.publish(make_adapter("one"), "support")
    registry.promote("support", first, actor="test")
    second = registry.publish(make_adapter("two", values=(0.1, 0.2)), "support")
    weights = registry.path(second) / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ArtifactError, match="altered"):
        registry.promote("support", second, actor="test")
    assert registry.champion("support") == first


def test_a_folder_that_is_no_adapter_is_refused_whole(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing"):
        registry.publish(tmp_path, "support")
    assert registry.versions("support") == []


def test_versions_of_another_department_are_not_found(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    version = registry.publish(make_adapter(), "support")
    with pytest.raises(NotFoundError, match="has no adapter"):
        registry.promote("travel", version, actor="test")


def test_departments_whose_names_begin_alike_count_apart(registry: Registry, make_adapter: Callable[..., Path]) -> None:
    registry.publish(make_adapter("one"), "support-eu")
    assert registry.publish(make_adapter("two"), "support") == "support-1"


def test_a_stale_adapter_is_not_promoted_rolled_back_to_or_trained_from(
    registry: Registry, make_adapter: Callable[..., Path]
) -> None:
    first, second = (registry.publish(make_adapter(name), "support") for name in ("one", "two"))
    for version in (first, second):
        registry.promote("support", version, actor="test")
    with registry._store.write() as session:
        for version in (first, second):
            session.get_one(AdapterRow, version).stale_since = now()
    assert registry.stale(second)
    assert not registry.stale(None)
    third = registry.publish(make_adapter("three"), "support")
    assert registry.get("support", third).parent is None
    with pytest.raises(ArtifactError, match="learned from data that was erased"):
        registry.promote("support", first, actor="test")
    assert registry.rollback("support", actor="test") is None
