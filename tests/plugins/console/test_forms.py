from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from plugins.console import forms


class Mood(StrEnum):
    CALM = "calm"
    BRIGHT = "bright"


class Size(Enum):
    SMALL = 1
    BIG = 2


class Inner(BaseModel):
    token: SecretStr | None = None
    places: dict[str, str] = {}


class Example(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    on: bool = True
    limit: int = Field(3, ge=1, description="How many.")
    share: float | None = None
    name: str = "Ada <b>"
    nick: str | None = None
    mood: Mood = Mood.CALM
    size: Size = Size.SMALL
    colour: Literal["red", "blue"] | None = None
    maybe: bool | None = None
    words: list[str] = ["a", "b"]
    days: list[int] = [1]
    moods: list[Mood] = []
    either: int | str = 1
    key: SecretStr = SecretStr("hidden")
    inner: Inner = Inner()
    url: str = Field(alias="address", default="")
    needed: str


def drawn(values: dict[str, Any] | None = None) -> list[forms.Field]:
    return forms.draw(Example, {"instance": values or {}}, "instance", {})


def sent(**given: str) -> forms.Sent:
    return forms.read(drawn(), {name: [text] for name, text in given.items()})


def test_each_kind_of_setting_has_its_input() -> None:
    found = {field.name: (field.input.kind, field.value) for field in drawn()}
    inner = '{\n "token": null,\n "places": {}\n}'
    assert found == {
        "on": ("checkbox", "true"),
        "limit": ("number", "3"),
        "share": ("number", ""),
        "name": ("text", "Ada <b>"),
        "nick": ("text", ""),
        "mood": ("choice", "calm"),
        "size": ("choice", "1"),
        "colour": ("choice", ""),
        "maybe": ("choice", ""),
        "words": ("lines", "a\nb"),
        "days": ("lines", "1"),
        "moods": ("lines", ""),
        "either": ("text", "1"),
        "key": ("secret", ""),
        "inner": ("json", inner),
        "address": ("text", ""),
        "needed": ("text", ""),
    }
    options = {field.name: field.input.options for field in drawn()}
    assert (options["mood"], options["colour"], options["maybe"]) == (
        ["calm", "bright"],
        ["", "red", "blue"],
        ["", "true", "false"],
    )
    assert [field.name for field in drawn() if field.input.required] == ["needed"]


def test_a_form_that_was_not_touched_changes_nothing() -> None:
    fields = drawn({"nick": "ada", "either": "x", "key": {"$env": "KEY"}, "words": []})
    as_sent = {forms.SHOWN + field.name: [field.shown] for field in fields}
    typed = {field.name: [field.value.replace("\n", "\r\n")] for field in fields if field.input.kind != "checkbox"}
    read = forms.read(fields, {**as_sent, **typed, "on": ["on"]})
    assert (read.values, read.unset, read.problems) == ({}, [], {})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("limit", "5", 5),
        ("limit", " 5 ", 5),
        ("limit", "many", "many"),
        ("share", "0.5", 0.5),
        ("share", "1e999", "1e999"),
        ("name", " x ", " x "),
        ("name", "", ""),
        ("nick", "bo", "bo"),
        ("mood", "bright", "bright"),
        ("mood", "forged", "forged"),
        ("size", "2", 2),
        ("colour", "blue", "blue"),
        ("maybe", "false", False),
        ("words", "x\r\n\r\n y ", ["x", "y"]),
        ("words", "", []),
        ("days", "1\n2\nmany", [1, 2, "many"]),
        ("inner", '{"places": {"a": "b"}}', {"places": {"a": "b"}}),
        ("key", "$NEW", "$NEW"),
        ("address", "x", "x"),
    ],
)
def test_what_was_typed_is_read_as_its_kind(name: str, text: str, value: object) -> None:
    assert sent(**{name: text}).values == {name: value}


@pytest.mark.parametrize(("name", "was"), [("nick", "ada"), ("share", 0.5), ("colour", "red"), ("maybe", True)])
def test_an_empty_input_of_an_optional_setting_is_none(name: str, was: object) -> None:
    read = forms.read(drawn({name: was}), {name: [""]})
    assert read.values == {name: None}


def test_what_is_no_json_is_said_at_its_field() -> None:
    read = sent(inner="{a")
    assert read.values == {}
    assert "This isn't JSON" in read.problems["inner"]
    [field] = [each for each in read.fields if each.name == "inner"]
    assert field.value == "{a"


def test_a_secret_that_was_written_out_is_not_shown() -> None:
    fields = drawn({"key": "sesame", "inner": {"token": "sesame"}})
    assert "sesame" not in str(fields)


def test_a_setting_is_found_and_reset_by_its_name_or_alias() -> None:
    layers: dict[str, dict[str, Any]] = {"mentee.toml": {"address": "a"}, "instance": {"url": "b"}, "department": {}}
    [field] = [each for each in forms.draw(Example, layers, "department", {}) if each.name == "address"]
    assert (field.value, field.origin, field.own) == ("b", "instance", "")
    [field] = [each for each in forms.draw(Example, layers, "instance", {}) if each.name == "address"]
    assert (field.own, field.inherited, field.above) == ("url", "a", "mentee.toml")
    assert forms.read([field], {"reset": ["address"]}).unset == ["url"]


class Plain(BaseModel):
    when: tuple[int, str] = (1, "a")
    tags: set[str] = {"a"}
    rest: Any = None
    text: list[str] | None = None


def test_kinds_without_an_input_of_their_own_are_json() -> None:
    found = {field.name: field.input.kind for field in forms.draw(Plain, {}, "instance", {})}
    assert found == {"when": "json", "tags": "lines", "rest": "json", "text": "lines"}
