from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse

from bot.cli.commands.serve import listening
from bot.domain.errors import BusyError, ForbiddenError, SettingsError
from bot.domain.ports import WebRoutes
from bot.server.app import build_app
from bot.server.lifespan import Runtime
from bot.server.parts import DOWN_SECONDS
from bot.testing import WAIT_SECONDS
from bot.testing.notes import NotesRetriever, make_plugin
from plugins.web.testing.fixtures import answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.domain.deliveries import InboxItem
    from bot.domain.errors import MenteeError
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome, Mentee
    from bot.testing.serving import ServedHome, ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit


class Channel:
    name = "pigeon"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.well = True

    async def start(self) -> None:
        self.log.append("start")

    async def stop(self) -> None:
        self.log.append("stop")

    async def handle(self, item: InboxItem) -> None:
        raise NotImplementedError

    async def deliver(self, item: InboxItem) -> None:
        raise NotImplementedError

    def healthy(self) -> bool:
        return self.well


def notes() -> Any:
    return NotesRetriever()


@pytest.fixture
def make_plain(make_home: MakeHome, scripted_engine: ScriptedEngine) -> Callable[..., Mentee]:
    """Make a home with nothing but a retriever and what the test gives."""

    def make(engine: ScriptedEngine = scripted_engine, **hooks: Any) -> Mentee:
        plugin = make_plugin(register_retriever=notes, **hooks)
        return make_home(departments=("it",), engine=engine, built_in=(), extra_plugins={"given": plugin})

    return make


def wait_until(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_port_answers_while_the_model_loads_and_readiness_follows_it(
    make_plain: Callable[..., Mentee],
    scripted_engine: ScriptedEngine,
    serve_home: ServeHome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    async def slow_start() -> None:
        await asyncio.to_thread(release.wait)

    monkeypatch.setattr(scripted_engine, "start", slow_start)
    home = serve_home(make_plain(), ready=False)
    assert httpx2.get(f"{home.url}/livez").text == "ok"
    starting = httpx2.get(f"{home.url}/readyz")
    assert (starting.status_code, starting.json()["parts"]["engine"]) == (503, "starting")
    release.set()
    wait_until(lambda: httpx2.get(f"{home.url}/readyz").status_code == 200)


def test_an_engine_that_cannot_load_is_reported_once_and_never_ready(
    make_plain: Callable[..., Mentee],
    scripted_engine: ScriptedEngine,
    serve_home: ServeHome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken_start() -> None:
        raise SettingsError("no model")

    monkeypatch.setattr(scripted_engine, "start", broken_start)
    home = serve_home(make_plain(), ready=False)
    wait_until(lambda: home.runtime.engine_state == "failed")
    assert httpx2.get(f"{home.url}/readyz").json() == {
        "ready": False,
        "parts": {"database": "ok", "engine": "failed"},
    }


def test_a_channel_may_be_down_a_minute_before_the_server_is_not_ready(
    make_plain: Callable[..., Mentee], serve_home: ServeHome
) -> None:
    channel = Channel()
    home = serve_home(make_plain(register_channels=lambda: [channel]))
    channel.well = False
    assert httpx2.get(f"{home.url}/readyz").status_code == 200
    (part,) = home.runtime._parts.parts
    assert part.down_since is not None
    part.down_since -= DOWN_SECONDS
    late = httpx2.get(f"{home.url}/readyz")
    assert late.status_code == 503
    assert late.json()["parts"]["channel pigeon"].startswith("down for 6")
    channel.well = True
    assert httpx2.get(f"{home.url}/readyz").status_code == 200


def test_services_get_the_queues_and_everything_is_stopped(
    make_plain: Callable[..., Mentee], scripted_engine: ScriptedEngine, serve_home: ServeHome
) -> None:
    log: list[object] = []

    class Service:
        name = "digger"

        async def start(self) -> None:
            log.append("start")

        async def stop(self) -> None:
            log.append("stop")

    def register(queues: Sequence[str]) -> Any:
        log.append(queues)
        return [Service()]

    channel = Channel()
    home = serve_home(make_plain(register_services=register, register_channels=lambda: [channel]))
    home.stop()
    assert log == [("gpu",), "start", "stop"]
    assert channel.log == ["start", "stop"]
    assert not scripted_engine.started


def test_a_part_that_fails_to_stop_does_not_keep_the_others_from_it(
    make_plain: Callable[..., Mentee],
    scripted_engine: ScriptedEngine,
    serve_home: ServeHome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel = Channel()

    async def stuck() -> None:
        raise RuntimeError("stuck")

    monkeypatch.setattr(channel, "stop", stuck)
    serve_home(make_plain(register_channels=lambda: [channel])).stop()
    assert not scripted_engine.started


def test_a_worker_runs_services_without_channels_or_engine(
    make_plain: Callable[..., Mentee], scripted_engine: ScriptedEngine
) -> None:

    async def run(mentee: Mentee) -> None:
        runtime = Runtime(mentee, queues=("gpu",), messages=False)
        await runtime.start()
        assert runtime.channels == {}
        await runtime.stop()

    asyncio.run(run(make_plain(register_channels=lambda: [Channel()])))
    assert not scripted_engine.started


def failing_app(error: MenteeError) -> Any:
    async def app(*_: Any) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status"), [(ForbiddenError("No.", hint="Ask."), 403), (BusyError("Full.", retry_after=7), 429)]
)
def test_expected_errors_of_plugins_become_their_status(
    make_plain: Callable[..., Mentee], serve_home: ServeHome, error: MenteeError, status: int
) -> None:
    home = serve_home(make_plain(register_routes=lambda: [WebRoutes("/x", failing_app(error))]))
    response = httpx2.get(f"{home.url}/x")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["detail"], response.json()["hint"]) == (error.text, error.hint)
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)
    page = httpx2.get(f"{home.url}/x", headers={"accept": "text/html"})
    assert (page.status_code, f"<h1>{error.text}</h1>" in page.text) == (status, True)


def test_the_longest_prefix_answers_and_the_prefix_itself_belongs_to_it(
    make_plain: Callable[..., Mentee], serve_home: ServeHome
) -> None:
    routes = [WebRoutes(prefix, PlainTextResponse(prefix)) for prefix in ("/a", "/a/b")]
    home = serve_home(make_plain(register_routes=lambda: routes))
    for path, shown in {"/a": "/a", "/a/": "/a", "/a/x": "/a", "/a/b": "/a/b", "/a/b/c": "/a/b", "/a/bc": "/a"}.items():
        assert httpx2.post(home.url + path).text == shown
    assert httpx2.get(f"{home.url}/ab").status_code == 404


def test_a_demo_that_other_machines_could_reach_is_refused(make_web: MakeWeb) -> None:
    with pytest.raises(SettingsError, match=r"web.host is '0.0.0.0', which other machines may reach"):
        build_app(make_web({"web": {"host": "0.0.0.0"}}))


@pytest.mark.parametrize("web", [{"public_url": "https://mentee.example"}, {"trusted_proxies": ["10.0.0.0/8"]}])
def test_a_demo_behind_a_proxy_is_refused(make_web: MakeWeb, web: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="so that other people may reach it"):
        build_app(make_web({"web": web}))


def test_a_demo_says_on_every_page_and_in_every_answer_that_it_is_one(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    page = {"accept": "text/html"}
    for path in ("/", "/console/", "/console/?department=nowhere"):
        shown = client.get(path, headers=page)
        assert '<p class="demo" role="note">Demo: anyone on this machine' in shown.text, path
        assert shown.headers["mentee-demo"]
    assert client.get("/api/v1/departments").headers["mentee-demo"]
    assert client.get("/static/style.css").headers["mentee-demo"]


def test_only_a_demo_says_that_it_is_one(make_web: MakeWeb, serve_home: ServeHome, visit: Visit) -> None:
    shown = visit(serve_home(make_web({"web": {"sign_in": "password"}}))).get("/sign-in")
    assert "Demo" not in shown.text
    assert "mentee-demo" not in shown.headers


def test_a_stranger_gets_no_session_of_a_demo_through_a_proxy(web: ServedHome, visit: Visit) -> None:
    client = visit(web, first_page=False)
    assert client.get("/", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 403
    assert not client.cookies


def test_a_body_over_the_limit_is_refused_where_the_sender_sees_it(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    assert client.post("/api/v1/questions", content=b"x" * 3_000_000).status_code == 413
    assert client.post("/api/v1/questions", content=(b"x" * 100_000 for _ in range(30))).status_code == 413


def test_a_port_in_use_is_named_with_what_to_do(make_plain: Callable[..., Mentee], web: ServedHome) -> None:
    port = int(web.url.rpartition(":")[2])
    mentee = make_plain()
    busy = mentee.settings.model_copy(update={"web": mentee.settings.web.model_copy(update={"port": port})})
    mentee.settings = busy
    with pytest.raises(SettingsError, match=f"Port {port} on 127.0.0.1 is in use.*--port {port + 1}"):
        listening(mentee)


def test_metrics_count_answers_votes_and_queues(web: ServedHome, visit: Visit) -> None:
    client = visit(web)
    given = answer(client, "Which states exempt hotels from tax?")
    client.post(f"/api/v1/answers/{given['id']}/vote", json={"value": "up"})
    exposed = httpx2.get(f"{web.url}/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(exposed)}
    votes = {tuple(sample.labels.values()): sample.value for sample in families["mentee_votes"].samples}
    assert votes["travel", "up"] >= 1
    assert any(sample.labels["channel"] == "web" for sample in families["mentee_answers"].samples)
    depth = {tuple(sample.labels.values()): sample.value for sample in families["mentee_queue_depth"].samples}
    assert depth["inbox", "received"] == depth["inbox", "dead"] == 0
    assert "hotels" not in exposed


def test_stopping_lets_a_running_answer_finish_and_its_watcher_go(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit, web_engine: ScriptedEngine
) -> None:
    web_engine.delay = 0.2
    home = serve_home(make_web())
    client = visit(home)
    accepted = ask(client, "Which states exempt hotels from tax?").json()
    wait_until(lambda: web_engine.running == 1)
    with client.stream("GET", accepted["events"], headers={"Accept": "text/event-stream"}) as watched:
        lines = watched.iter_lines()
        assert any(line.startswith("event: ") for line in lines)  # it is watched, and then the server stops
        home.stop()
        assert "event: done" not in list(lines)
    with home.mentee.store.read() as session:
        from bot.storage.tables.answers import AnswerRow
        from bot.storage.tables.delivery import InboxRow

        assert session.query(AnswerRow).count() == 1
        assert session.query(InboxRow).one().state == "done"
