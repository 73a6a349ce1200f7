"""What a hook may return, checked at run time: a plugin's mistake is found at the hook, under the plugin's name.

Parts such as an engine are told by their methods, because a plugin's class need not inherit from a protocol.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import MetaData

from bot.domain.answers import Citation, DirectAnswer, Verdict
from bot.domain.departments import DepartmentSpec
from bot.domain.plugins.actions import ActionResult
from bot.domain.plugins.jobs import Job
from bot.domain.ports import ConsolePanel, WebRoutes
from bot.domain.questions import Passage, Question, is_text
from bot.hooks.calling.awaiting import result_of
from bot.storage.migrate import PluginTables

if TYPE_CHECKING:
    from types import UnionType

    from bot.domain.ports import AdapterRegistry, Channel, Engine, Eraser, Parser, Retriever, Service, Source

T = TypeVar("T")
SEVERAL: Any = list | tuple


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value, with its name for messages.

    :param used: whether the texts of a value are used, and so must be ones that can be stored and shown.
    :param found: says what a value is that doesn't fit.
    """

    name: str
    fits: Callable[[Any], bool]
    used: bool = True
    found: Callable[[Any], str] = lambda value: type(value).__name__


def instance_of(wanted: type[T]) -> Kind[T]:
    """Return the kind of a class's instances."""
    return Kind(wanted.__name__, lambda value: isinstance(value, wanted))


def with_methods(kind: str, *methods: str, **fields: type | UnionType) -> Kind[Any]:
    """Return the kind of objects that have these methods, and attributes of these types."""

    def fits(value: Any) -> bool:
        return all(callable(getattr(value, each, None)) for each in methods) and all(
            isinstance(getattr(value, each, None), wanted) for each, wanted in fields.items()
        )

    def found(value: Any) -> str:
        lacking = [f"{each}()" for each in methods if not callable(_attribute(value, each))]
        lacking += [each for each, wanted in fields.items() if not isinstance(_attribute(value, each), wanted)]
        return f"{type(value).__name__} without a usable {' and '.join(lacking)}"

    return Kind(kind, fits, found=found)


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except BaseException:  # noqa: BLE001 - a plugin's class may do anything here
        return None


def with_fields(wanted: type[T], **fields: type | UnionType) -> Kind[T]:
    """Return the kind of a dataclass's instances whose fields are of these types: annotations bind nobody."""

    def fits(value: Any) -> bool:
        return isinstance(value, wanted) and all(
            isinstance(getattr(value, name), kind) for name, kind in fields.items()
        )

    return Kind(wanted.__name__, fits)


def list_of(kind: Kind[T]) -> Kind[Sequence[T]]:
    """Return the kind of lists and tuples with only such items."""

    def found(value: Any) -> str:
        if not isinstance(value, list | tuple):
            return type(value).__name__
        return f"{type(value).__name__} with {next((kind.found(each) for each in value if not _fits(kind, each)), '')}"

    return Kind(
        f"list of {kind.name}",
        lambda value: isinstance(value, list | tuple) and all(kind.fits(item) for item in value),
        found=found,
    )


def _are_jobs(value: Any) -> bool:
    return list_of(instance_of(Job)).fits(value) and len({job.name for job in value}) == len(value)


def _fits(kind: Kind[Any], value: Any) -> bool:
    try:
        return kind.fits(value)
    except BaseException:  # noqa: BLE001 - a plugin's class may do anything here
        return False


def _is_settings_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


_ANSWER = with_fields(DirectAnswer, text=str)
_CITATIONS = list_of(with_fields(Citation, n=int, document=str, heading=str, text=str, chunk_id=str))
ACTION_RESULT = instance_of(ActionResult)
ADAPTER_REGISTRY: Kind[AdapterRegistry] = with_methods("AdapterRegistry", "publish", "champion", "promote")
ADDRESS: Kind[Mapping[str, Any]] = Kind("mapping", lambda value: isinstance(value, Mapping))
CHANNELS: Kind[Sequence[Channel]] = list_of(with_methods("Channel", "start", "stop", "handle", "deliver", name=str))
DEPARTMENTS = list_of(
    with_fields(
        DepartmentSpec,
        name=str,
        title=str,
        instructions=str,
        glossary=Mapping,
        sources=tuple,
        examples=tuple,
        open=bool,
        demo=str,
    )
)
DIRECT_ANSWER: Kind[DirectAnswer] = Kind(
    "DirectAnswer", lambda value: _ANSWER.fits(value) and _CITATIONS.fits(value.citations)
)
ENGINE: Kind[Engine] = with_methods("Engine", "generate", "start", "stop")
ERASERS: Kind[Sequence[Eraser]] = list_of(with_methods("Eraser", "erase", "aliases", "orphans", name=str))
JOBS: Kind[Sequence[Job]] = Kind("list of Job with different names", _are_jobs)
NOTHING: Kind[Any] = Kind("None", lambda _value: True, used=False)
"""For hooks that are told something: whatever they return is dropped."""

PANELS = list_of(with_fields(ConsolePanel, title=str, html=str, links=SEVERAL))
PARSERS: Kind[Sequence[Parser]] = list_of(with_methods("Parser", "parse", name=str, suffixes=SEVERAL))
PASSAGES = replace(list_of(with_fields(Passage, chunk_id=str)), used=False)
QUESTION = with_fields(Question, search_text=str)
RETRIEVER: Kind[Retriever] = with_methods("Retriever", "search", "embed")
ROUTES = list_of(with_fields(WebRoutes, prefix=str, raw=SEVERAL))
SERVICES: Kind[Sequence[Service]] = list_of(with_methods("Service", "start", "stop", name=str))
SETTINGS_MODEL: Kind[type[BaseModel]] = Kind("pydantic model", _is_settings_model)
SOURCES: Kind[Sequence[Source]] = list_of(with_methods("Source", "accepts", "documents", name=str))
TABLES = with_fields(PluginTables, metadata=MetaData, migrations=Path)
TEXT = instance_of(str)
VERDICT = with_fields(Verdict, ok=bool, reason=str, replacement=str | None)
YES_OR_NO = instance_of(bool)


def holds_texts(value: Any) -> bool:
    """Return whether every text in a value can be stored and shown: in lists, mappings and dataclasses, too."""
    if isinstance(value, str):
        return is_text(value)
    if isinstance(value, Mapping):
        return all(holds_texts(key) and holds_texts(each) for key, each in value.items())
    if isinstance(value, SEVERAL):
        return all(holds_texts(each) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return all(holds_texts(getattr(value, each.name)) for each in fields(value))
    return True


class LateResult:
    """Calls a function, and hands its result to ``late`` if its caller has given up meanwhile.

    A result that comes in time is only returned. Whatever is no :class:`bot.ActionResult` is dropped.
    """

    def __init__(self, function: Callable[..., Any], late: Callable[[ActionResult], object]) -> None:
        self._function = function
        self._late = late
        self._lock = threading.Lock()
        self._given_up = False
        self._result: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        result = result_of(self._function, arguments)
        with self._lock:
            self._result = result
            given_up = self._given_up
        if given_up:
            self._tell(result)
        return result

    def give_up(self) -> None:
        """Say that nobody waits for the result any more."""
        with self._lock:
            self._given_up = True
            result = self._result
        self._tell(result)

    def _tell(self, result: Any) -> None:
        if isinstance(result, ActionResult):
            self._late(result)
