"""The reader that is shipped: sound, small, made for today's prompt, and every department's first champion."""

import re

import pytest

from bot.artifacts import read_manifest
from bot.engines.identity import ModelIdentity
from bot.messages import DepartmentSpec
from bot.prompt import PROMPT_VERSION
from tuning.reader.install import ADAPTER, install_reader
from tuning.registry import Registry, check_sound

MEGABYTE = 1_000_000
BASE = "smollm2-135m-instruct"


def test_the_shipped_adapter_is_whole_small_and_has_its_card():
    manifest = check_sound(ADAPTER, ModelIdentity(BASE))
    assert sum(entry["bytes"] for entry in manifest.files.values()) <= 40 * MEGABYTE
    card = (ADAPTER / "README.md").read_text(encoding="utf-8")
    assert manifest.files["adapter_model.safetensors"]["sha256"] in card
    assert not re.search(r"@[A-Z]+@", card), "a place in the card was not filled in"


def test_the_prompt_it_was_trained_on_is_the_prompt_that_is_served():
    trained = read_manifest(ADAPTER, "adapter").meta["prompt_version"]
    assert trained == PROMPT_VERSION, "the prompt changed: train the reader again (`make reader`) or change it back"


def test_a_new_department_starts_with_the_reader_and_can_go_back_to_the_base(make_home):
    mentee = make_home(settings={"model": {"name": BASE}})
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="test")
    champion = mentee.champions.get("travel")
    assert (champion.version, champion.starter) == ("travel-1", True)
    assert Registry(mentee).rollback("travel", actor="test") is None
    assert mentee.champions.get("travel") is None


def test_without_passages_the_reader_stays_silent(make_home):
    mentee = make_home(settings={"model": {"name": BASE}})
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="test")
    assert mentee.champions.get("travel", reading=False) is None


@pytest.mark.parametrize("model", [{"name": "another-model"}, {"name": BASE, "engine": "openai"}])
def test_another_base_model_starts_without_an_adapter(make_home, model):
    mentee = make_home(departments=("travel",), settings={"model": model})
    assert install_reader(mentee, "travel") is None
    assert mentee.champions.get("travel") is None
