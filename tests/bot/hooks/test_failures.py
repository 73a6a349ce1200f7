"""What plugins return is checked within the guarded call, and each failure says where it happened."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from pydantic import BaseModel, model_validator

from bot.domain.answers import Citation, DirectAnswer, Verdict
from bot.domain.departments import DepartmentSpec
from bot.domain.people import Person
from bot.domain.ports import ConsolePanel, WebRoutes
from bot.domain.questions import Passage, Question
from bot.hooks.methods.questions import UNCHECKED
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from bot.app import Mentee

    class MakeMentee(Protocol):
        def __call__(self, plugins: dict[str, object] | None = None, **more: object) -> Mentee: ...


ASKED = Question("?", Person("user:ada"), department="it")
FOUND = Passage("c1", "d1", "d1.md", "Laptops", "After five days.", 0.5, "it", "s1")


class Unreadable:
    """A value of which nothing can be read."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(f"no {name}")


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("I can't be printed")


def channel(**more: object) -> SimpleNamespace:
    return SimpleNamespace(**dict.fromkeys(("start", "stop", "handle", "deliver"), print), **more)


def anything(value: Any) -> Any:
    """Return a value where the types forbid it, as a plugin without type checks does."""
    return value


NUL, HALF = "\0", "\ud83d"
"""What no database, model or page can hold: NUL, and half of a surrogate pair."""


def test_what_a_part_lacks_is_said(make_mentee: MakeMentee) -> None:
    parts = [SimpleNamespace(name=3, start=print, stop=print, handle=print)]
    plugin = make_plugin(
        register_channels=lambda: parts, register_panels=lambda: [3, 4], register_departments=lambda: 3
    )
    mentee = make_mentee({"bad": plugin})
    plugins = mentee.plugins
    assert plugins.register_channels(mentee) == []
    said = (
        "register_channels: returned list with SimpleNamespace without a usable deliver() and name, not list of Channel"
    )
    assert plugins.problems["bad"] == said
    assert plugins.register_panels(mentee) == []
    assert plugins.problems["bad"] == "register_panels: returned list with int, not list of ConsolePanel"
    assert plugins.register_departments() == []
    assert plugins.problems["bad"] == "register_departments: returned int, not list of DepartmentSpec"


WRONG: dict[str, list[object]] = {
    "register_settings": [{"tone": "calm"}, Unreadable()],
    "register_departments": [
        [DepartmentSpec("new", "New", glossary={"VPN": f"tunnel{NUL}"})],
        ["it"],
        [DepartmentSpec("new", anything(3))],
        DepartmentSpec("new", "New"),
    ],
    "register_channels": [[channel()], [channel(name=3)], [Unreadable()], channel(name="pager")],
    "register_panels": [
        [ConsolePanel("Title", f"<p>{HALF}</p>")],
        [ConsolePanel("Title", anything(None))],
        ["<p>text</p>"],
    ],
    "register_routes": [[WebRoutes(anything(None), print)], [Unreadable()]],
    "register_engine": ["engine", SimpleNamespace(generate=print), Unreadable()],
    "register_services": [["x"], [SimpleNamespace(start=print, stop=print, name=3)], "x"],
    "register_sources": [["x"], [SimpleNamespace(accepts=print, name="wiki")], [Unreadable()], "x"],
    "register_parsers": [[SimpleNamespace(parse=print, name="txt", suffixes=".txt")]],
    "enrich_question": [
        Question("?", Person("user:ada"), search_text=HALF),
        Question("?", Person("user:ada"), search_text=anything(["a"])),
        "laptops",
        Unreadable(),
    ],
    "answer_directly": [
        DirectAnswer(anything(42)),
        DirectAnswer(f"Yes.{NUL}"),
        DirectAnswer("Yes.", (Citation(1, "d1.md", HALF, "", "c1"),)),
        DirectAnswer("Yes.", anything("source")),
        DirectAnswer("Yes.", anything(["d1.md"])),
        DirectAnswer("Yes.", (Citation(anything("1"), "d1.md", "", ""),)),
        Unreadable(),
    ],
    "rank_passages": [["text"], [FOUND, None], FOUND, [Unreadable()]],
    "extend_prompt": [f"Be {HALF}", b"Be brief.", ["Be brief."], Unreadable()],
    "check_answer": [
        Verdict(ok=False, reason="no", replacement=NUL),
        Verdict(anything("no")),
        Verdict(ok=False, reason=anything(None)),
        False,
        Unreadable(),
    ],
}
FIRED: dict[str, tuple[Callable[[Mentee], object], object]] = {
    "register_settings": (lambda mentee: mentee.plugins.register_settings("wrong"), None),
    "register_departments": (lambda mentee: mentee.plugins.register_departments(), []),
    "register_channels": (lambda mentee: mentee.plugins.register_channels(object()), []),
    "register_panels": (lambda mentee: mentee.plugins.register_panels(object()), []),
    "register_routes": (lambda mentee: mentee.plugins.register_routes(object()), []),
    "register_engine": (lambda mentee: mentee.plugins.register_engine(object()), None),
    "register_services": (lambda mentee: mentee.plugins.register_services(object(), ("gpu",)), []),
    "register_sources": (lambda mentee: mentee.plugins.register_sources(), []),
    "register_parsers": (lambda mentee: mentee.plugins.register_parsers(), []),
    "enrich_question": (lambda mentee: mentee.plugins.enrich_question(ASKED, "it"), ASKED),
    "answer_directly": (lambda mentee: mentee.plugins.answer_directly(ASKED, "it"), None),
    "rank_passages": (lambda mentee: mentee.plugins.rank_passages(ASKED, [FOUND], "it"), [FOUND]),
    "extend_prompt": (lambda mentee: mentee.plugins.extend_prompt(ASKED, "it"), []),
    "check_answer": (
        lambda mentee: getattr(mentee.plugins.check_answer(ASKED, "Hi.", [], None, "model", "it"), "replacement", None),
        UNCHECKED,
    ),
}


@pytest.mark.parametrize(
    ("hook", "value"),
    [pytest.param(hook, value, id=f"{hook} {n}") for hook, values in WRONG.items() for n, value in enumerate(values)],
)
def test_a_wrong_value_is_left_out_and_its_plugin_named(make_mentee: MakeMentee, hook: str, value: object) -> None:
    mentee = make_mentee({"wrong": make_plugin(**{hook: lambda: value})}, built_in=())
    fire, left = FIRED[hook]
    assert fire(mentee) == left
    (failure,) = mentee.plugins.failures("wrong")
    assert (failure.plugin, failure.hook) == ("wrong", hook)
    assert __file__ in failure.traceback


def fail_in_plugin() -> NoReturn:
    raise RuntimeError("token: tk-1234567890abcdef is refused")


def test_a_failure_says_where_in_the_plugin_it_happened_without_secrets(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"bad": make_plugin(extend_prompt=fail_in_plugin)})
    mentee.plugins.extend_prompt(ASKED, "it")
    (failure,) = mentee.plugins.failures("bad")
    assert (failure.plugin, failure.hook, failure.department) == ("bad", "extend_prompt", "it")
    assert failure.text.startswith("RuntimeError: ")
    line = fail_in_plugin.__code__.co_firstlineno + 1
    assert f'File "{__file__}", line {line}, in fail_in_plugin' in failure.traceback
    assert "1234567890" not in f"{failure.text}{failure.traceback}{mentee.plugins.problems['bad']}"


def test_a_hanging_call_says_where_it_hangs(make_mentee: MakeMentee) -> None:
    released = threading.Event()

    def wait_for_backend() -> None:
        released.wait(20)

    mentee = make_mentee(
        {"slow": make_plugin(extend_prompt=wait_for_backend)}, settings={"limits": {"plugin_seconds": 0.3}}
    )
    mentee.plugins.extend_prompt(ASKED, "it")
    released.set()
    where = mentee.plugins.failures("slow")[0].traceback
    assert where.startswith(f'  File "{__file__}", line')
    assert "in wait_for_backend" in where.splitlines()[0]


def test_a_plugin_may_have_a_time_limit_of_its_own(make_mentee: MakeMentee) -> None:
    released = threading.Event()

    def take_longer() -> str:
        time.sleep(0.5)
        return "Be brief."

    plugins: dict[str, object] = {
        "patient": make_plugin(extend_prompt=take_longer),
        "hasty": make_plugin(extend_prompt=lambda: released.wait(20)),
    }
    mentee = make_mentee(plugins, settings={"limits": {"plugins": {"hasty": 0.3}}})
    assert mentee.plugins.extend_prompt(ASKED, "it") == ["Be brief."]
    released.set()
    assert [each.text for each in mentee.plugins.failures("hasty")] == ["no result after 0.3 s"]


def test_the_latest_five_failures_are_kept(make_mentee: MakeMentee) -> None:
    numbers = iter(range(7))

    def fail() -> NoReturn:
        raise RuntimeError(f"number {next(numbers)}")

    mentee = make_mentee({"bad": make_plugin(scrub_text=lambda: None, extend_prompt=fail)})
    for _ in range(7):
        mentee.plugins.extend_prompt(ASKED, "it")
    assert [each.text[-1] for each in mentee.plugins.failures("bad")] == ["6", "5", "4", "3", "2"]
    assert mentee.plugins.problems["bad"] == "extend_prompt: RuntimeError: number 6"
    assert mentee.plugins.failures("grounding") == ()


def test_an_error_with_characters_that_are_no_text_is_a_failure_like_any_other(make_mentee: MakeMentee) -> None:
    def fail() -> NoReturn:
        raise OSError(f"can't open page{HALF}{NUL}.txt")

    mentee = make_mentee({"bad": make_plugin(check_answer=fail)})
    assert FIRED["check_answer"][0](mentee) == UNCHECKED
    (failure,) = mentee.plugins.failures("bad")
    assert failure.text == "OSError: can't open page.txt"
    assert mentee.plugins.states.problem("bad") == "check_answer: OSError: can't open page.txt"


def test_an_error_that_cannot_be_printed_is_a_failure_like_any_other(make_mentee: MakeMentee) -> None:
    def fail() -> NoReturn:
        raise MuteError

    mentee = make_mentee({"mute": make_plugin(extend_prompt=fail), "b": make_plugin(extend_prompt=lambda: "b")})
    assert mentee.plugins.extend_prompt(ASKED, "it") == ["b"]
    assert mentee.plugins.failures("mute")[0].text.startswith("Mute")


def test_settings_whose_validators_raise_fail_the_hook_only(make_mentee: MakeMentee) -> None:
    class Settings(BaseModel):
        tone: str = "calm"

        @model_validator(mode="before")
        @classmethod
        def _checked(cls, _: object) -> NoReturn:
            raise RuntimeError("boom")

    plugin = make_plugin(register_settings=lambda: Settings, extend_prompt=lambda settings: settings.tone)
    mentee = make_mentee({"odd": plugin, "b": make_plugin(extend_prompt=lambda: "b")})
    assert mentee.plugins.extend_prompt(ASKED, "it") == ["b"]
    assert mentee.plugins.failures("odd")[0].text == "RuntimeError: boom"
