"""The context of a hook: whose it is, what it gives, and with whose permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog
from prometheus_client import generate_latest
from pydantic import BaseModel
from starlette.requests import Request

from bot import (
    Audience,
    FetchError,
    ForbiddenError,
    NotFoundError,
    Person,
    PluginContext,
    Question,
    Role,
    Scope,
    SettingsError,
    hookimpl,
)
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import SignInRequiredError
from bot.hooks.context import metrics
from bot.network.deadline import within
from bot.observability.metrics import REGISTRY

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.testing.homes import MakeHome


class Tone(BaseModel):
    tone: str = "calm"


class Taker:
    """Keeps the contexts it gets."""

    def __init__(self) -> None:
        self.contexts: list[PluginContext] = []
        self.settings: list[Tone] = []

    @hookimpl
    def register_settings(self) -> type[BaseModel]:
        return Tone

    @hookimpl
    def register_panels(self, context: PluginContext, settings: Tone) -> list[Any]:
        self.contexts.append(context)
        self.settings.append(settings)
        return []

    @hookimpl
    def extend_prompt(self, context: PluginContext) -> None:
        self.contexts.append(context)


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def mentee(make_home: MakeHome, taker: Taker) -> Mentee:
    closed = DepartmentSpec("legal", "Legal", open=False)
    return make_home(departments=["it", closed], extra_plugins={"taker": taker})


def in_prompt(mentee: Mentee, taker: Taker, question: Question, department: str = "it") -> PluginContext:
    mentee.plugins.extend_prompt(question, department)
    return taker.contexts[-1]


def at_start(mentee: Mentee, taker: Taker) -> PluginContext:
    mentee.plugins.register_panels(mentee)
    return taker.contexts[-1]


ASKED = Question("Where is the printer?", Person("user:ada"))


def test_a_hook_at_start_gets_the_instances_settings_and_a_context_without_a_department(
    mentee: Mentee, taker: Taker
) -> None:
    mentee.plugins.states.configure("taker", "", {"tone": "warm"}, actor="test", model=Tone)
    context = at_start(mentee, taker)
    assert (context.plugin, context.department, context.instance) == ("taker", None, mentee)
    assert taker.settings == [Tone(tone="warm")]
    mentee.plugins.states.configure("taker", "", {"tone": "dry"}, actor="test", model=Tone)
    assert context.settings == Tone(tone="dry"), "a context that is kept sees the settings of now"


def test_the_logger_names_plugin_and_department(mentee: Mentee, taker: Taker) -> None:
    context = in_prompt(mentee, taker, ASKED)
    with structlog.testing.capture_logs() as lines:
        context.log.info("looked_up", tickets=2)
    assert lines == [
        {"event": "looked_up", "log_level": "info", "plugin": "taker", "department": "it", "tickets": 2},
    ]


def test_a_search_has_the_permissions_of_those_who_see_the_answer(mentee: Mentee, taker: Taker) -> None:
    asked_by: list[Audience] = []

    class Fake:
        def search(self, text: str, department: str, audience: Audience, *, k: int) -> list[Any]:
            asked_by.append(audience)
            return [f"{text} in {department}, {k}"]

    mentee.__dict__["retriever"] = Fake()
    context = in_prompt(mentee, taker, ASKED)
    found: list[Any] = list(context.retriever.search("printers", k=3))
    assert found == ["printers in it, 3"]
    assert asked_by == [ASKED.audience]
    with pytest.raises(ForbiddenError, match="Only members"):
        context.retriever.search("contracts", department="legal")
    with pytest.raises(NotFoundError):
        context.retriever.search("contracts", department="gone")
    assert len(asked_by) == 1


def test_without_an_audience_nothing_is_searched(mentee: Mentee, taker: Taker) -> None:
    context = at_start(mentee, taker)
    with pytest.raises(ForbiddenError, match="audience="):
        context.retriever.search("printers", department="it")
    with pytest.raises(SettingsError, match="department="):
        context.retriever.search("printers", audience=Audience())


def request(**headers: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )


def signed_in(mentee: Mentee, person: Person) -> Request:
    token = mentee.sessions.open(person)
    return request(cookie=f"{mentee.sessions.cookie}={token}")


async def test_routes_learn_who_sent_a_request(mentee: Mentee, taker: Taker) -> None:
    mentee.people.add("ada", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    ada = mentee.departments.person("web:ada")
    sign_in = at_start(mentee, taker).sign_in
    assert (await sign_in.arequire(signed_in(mentee, ada))).id == ada.id
    assert sign_in.require(signed_in(mentee, ada), department="it").id == ada.id
    with pytest.raises(SignInRequiredError):
        sign_in.require(request())
    with pytest.raises(ForbiddenError, match="role operator"):
        sign_in.require(signed_in(mentee, ada), Role.OPERATOR)
    with pytest.raises(ForbiddenError, match="role agent in the It department"):
        sign_in.require(signed_in(mentee, ada), Role.AGENT, department="it")
    with pytest.raises(ForbiddenError, match="Only members"):
        sign_in.require(signed_in(mentee, ada), department="legal")


def test_a_token_needs_the_scope(mentee: Mentee, taker: Taker) -> None:
    from bot.access.tokens import Tokens

    mentee.people.add("ada", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    secret, _ = Tokens(mentee.store).create("ada", [Scope.ASK], actor="test")
    sign_in = at_start(mentee, taker).sign_in
    sent = request(authorization=f"Bearer {secret}")
    assert sign_in.require(sent, department="it").id == "web:ada"
    with pytest.raises(ForbiddenError, match="scope votes:write"):
        sign_in.require(sent, scope=Scope.VOTE)
    with pytest.raises(ForbiddenError, match="scope console:write"):
        sign_in.require(sent, Role.OPERATOR, department="it")


def published() -> str:
    return generate_latest(REGISTRY).decode()


def test_metrics_are_published_under_the_plugins_name(mentee: Mentee, taker: Taker) -> None:
    made = at_start(mentee, taker).metrics
    made.counter("lookups", "Tickets looked up.", ["outcome"]).inc(outcome="found")
    made.counter("lookups", "Tickets looked up.", ["outcome"]).inc(2, outcome="found")
    made.gauge("open", "Open tickets.").set(7)
    made.histogram("seconds", "Seconds.").observe(0.2)
    text = published()
    assert 'mentee_plugin_taker_lookups_total{outcome="found"} 3.0' in text
    assert "mentee_plugin_taker_open 7.0" in text
    assert "mentee_plugin_taker_seconds_count 1.0" in text


def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_SERIES", 3)
    counter = metrics.PluginMetrics("bounded").counter("seen", "Seen.", ["who"])
    for number in range(10):
        counter.inc(who=f"person-{number}")
    series = [line for line in published().splitlines() if line.startswith("mentee_plugin_bounded_seen_total")]
    assert len(series) == 4
    assert 'mentee_plugin_bounded_seen_total{who="other"} 7.0' in series


def test_a_metric_that_cant_be_is_an_error_that_says_why() -> None:
    made = metrics.PluginMetrics("strict")
    made.counter("a", "A.")
    with pytest.raises(SettingsError, match="declared before"):
        made.gauge("a", "A.")
    with pytest.raises(SettingsError, match="lower-case"):
        made.counter("Not This", "A.")
    with pytest.raises(SettingsError, match="labels"):
        made.counter("a", "A.").inc(who="ada")


async def test_http_ends_before_the_hook_does_and_reaches_no_private_address(mentee: Mentee, taker: Taker) -> None:
    http = in_prompt(mentee, taker, ASKED).http
    assert http._client is at_start(mentee, taker).http._client, "a plugin has one pool of connections"
    with pytest.raises(FetchError, match="isn't public"):
        http.get("http://127.0.0.1:9/")
    with pytest.raises(FetchError, match="isn't public"):
        await http.aget("http://127.0.0.1:9/")
    with within(0.05), pytest.raises(FetchError, match="no time left"):
        http.get("http://127.0.0.1:9/")
