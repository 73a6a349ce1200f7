"""Forms for plugin settings: one input for each field of the plugin's pydantic model, and what a sent form says.

A form shows the settings of a scope, a department or the whole instance, with where each comes from. Sent back, it
changes what a person changed, and nothing else: everything else keeps following its defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from bot.config.references import hidden, named_fields, secret_fields
from plugins.console.inputs import Input, input_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    Layers = Mapping[str, Mapping[str, Any]]

SHOWN = "was."
"""Prefix of the hidden input with the text that a field showed."""

RESET = "reset"
"""Name of the checkboxes that let a setting follow the next level again; their values are names of settings."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form.

    :param value: the text in the input.
    :param shown: the text of the setting in force, to tell what a person changed.
    :param origin: where the setting comes from: ``department``, ``instance``, ``mentee.toml`` or ``default``.
    :param own: the name under which the scope itself sets it; empty if it doesn't.
    :param inherited: the text that it would have otherwise.
    :param above: where that would come from.
    :param error: what is wrong with the value.
    """

    name: str
    title: str
    help: str
    input: Input
    value: str
    shown: str
    origin: str
    own: str = ""
    inherited: str = ""
    above: str = "default"
    error: str = ""
    reset: bool = False

    @property
    def checked(self) -> bool:
        """Whether the box of a checkbox is ticked."""
        return self.value == "true"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sent form changes, and its fields as they were sent, to show again if that is refused.

    :param problems: what can't be read, by the setting's name.
    """

    values: dict[str, Any] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def draw(model: type[BaseModel], layers: Layers, scope: str, problems: Mapping[str, str]) -> list[Field]:
    """Return a form's fields.

    :param layers: the settings that are set, by where; the last wins.
    :param scope: the layer that the form changes: ``department`` or ``instance``.
    :param problems: what is wrong, by the setting's name.
    """
    schema = model.model_json_schema(by_alias=False)
    safe = {place: hidden(model, values) for place, values in layers.items()}
    secrets = secret_fields(model)
    fields = []
    for name, described in schema.get("properties", {}).items():
        declared, keys = model.model_fields[name], _names(model, name)
        control = input_of(described, schema, secret=name in secrets, required=declared.is_required())
        found = [(place, key) for place in reversed(safe) for key in keys if key in safe[place]]
        texts = [(place, control.text(safe[place][key])) for place, key in found]
        texts.append(("default", control.text(_default(declared, secret=control.kind == "secret"))))
        own = next((key for place, key in found if place == scope), "")
        (origin, shown), (above, inherited) = texts[0], texts[1 if own else 0]
        wrong = next((problems[key] for key in keys if key in problems), "")
        title = described.get("title") or name.replace("_", " ").capitalize()
        about = described.get("description", "")
        fields.append(Field(keys[0], title, about, control, shown, shown, origin, own, inherited, above, wrong))
    return fields


def read(form: Sequence[Field], given: Mapping[str, Sequence[str]]) -> Sent:
    """Return what a sent form changes. A field that wasn't sent stays as it is."""
    sent = Sent()
    for each in form:
        shown = _line_ends(given.get(SHOWN + each.name, [each.shown])[0])
        text = _sent(each, given, shown)
        resets = bool(each.own) and each.name in given.get(RESET, ())
        if resets:
            sent.unset.append(each.own)
        elif text != shown:
            try:
                sent.values[each.name] = each.input.parsed(text)
            except ValueError as error:
                sent.problems[each.name] = str(error)
        sent.fields.append(replace(each, value=text, shown=shown, reset=resets, error=""))
    return sent


def with_problems(fields: Sequence[Field], problems: Mapping[str, str]) -> list[Field]:
    """Return the fields with what is wrong with them."""
    return [replace(each, error=problems.get(each.name, "")) for each in fields]


def _sent(of: Field, given: Mapping[str, Sequence[str]], shown: str) -> str:
    if of.input.kind == "checkbox":
        ticked = given.get(of.name, ["off" if SHOWN + of.name in given else shown])[0]
        return "true" if ticked in ("on", "true") else "false"
    text = _line_ends(given.get(of.name, [shown])[0])
    return text if of.input.kind == "text" else text.strip()


def _line_ends(text: str) -> str:
    """Return a text with the line ends that browsers send as they were."""
    return text.replace("\r\n", "\n")


def _names(model: type[BaseModel], name: str) -> list[str]:
    """Return the names under which a setting can be given, the one to write first."""
    wanted = model.model_fields[name]
    return [key for key, each in named_fields(model).items() if each is wanted]


def _default(of: FieldInfo, *, secret: bool) -> Any:
    if of.is_required() or secret:
        return None
    return TypeAdapter(Any).dump_python(of.get_default(call_default_factory=True), mode="json", fallback=str)
