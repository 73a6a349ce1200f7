from __future__ import annotations

import asyncio
import threading
import time

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse

from bot.commands.serve import listening
from bot.errors import BusyError, ForbiddenError, SettingsError
from bot.protocols import WebRoutes
from bot.runtime import DOWN_SECONDS, Runtime
from bot.server import build_app
from bot.testing import WAIT_SECONDS
from bot.testing.notes import NotesRetriever, make_plugin
from bot.testing.web import answer, ask


class Channel:
    name = "pigeon"

    def __init__(self):
        self.log = []
        self.well = True

    async def start(self):
        self.log.append("start")

    async def stop(self):
        self.log.append("stop")

    async def interpret(self, item):
        raise NotImplementedError

    async def deliver(self, item):
        raise NotImplementedError

    def healthy(self):
        return self.well


def notes():
    return NotesRetriever()


@pytest.fixture
def make_plain(make_home, scripted_engine):
    """Make a home with nothing but a retriever and what the test gives."""

    def make(engine=scripted_engine, **hooks):
        plugin = make_plugin(register_retriever=notes, **hooks)
        return make_home(departments=("it",), engine=engine, built_in=(), extra_plugins={"given": plugin})

    return make


def wait_until(condition, seconds=WAIT_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_port_answers_while_the_model_loads_and_readiness_follows_it(make_plain, scripted_engine, serve_home):
    release = threading.Event()

    async def slow_start():
        await asyncio.to_thread(release.wait)

    scripted_engine.start = slow_start
    home = serve_home(make_plain(), ready=False)
    assert httpx2.get(f"{home.url}/livez").text == "ok"
    starting = httpx2.get(f"{home.url}/readyz")
    assert (starting.status_code, starting.json()["parts"]["engine"]) == (503, "starting")
    release.set()
    wait_until(lambda: httpx2.get(f"{home.url}/readyz").status_code == 200)


def test_an_engine_that_cannot_load_is_reported_once_and_never_ready(make_plain, scripted_engine, serve_home):
    async def broken_start():
        raise SettingsError("no model")

    scripted_engine.start = broken_start
    home = serve_home(make_plain(), ready=False)
    wait_until(lambda: home.runtime.engine_state == "failed")
    assert httpx2.get(f"{home.url}/readyz").json() == {
        "ready": False,
        "parts": {"database": "ok", "engine": "failed"},
    }


def test_a_channel_may_be_down_a_minute_before_the_server_is_not_ready(make_plain, serve_home):
    channel = Channel()
    home = serve_home(make_plain(register_channels=lambda: [channel]))
    channel.well = False
    assert httpx2.get(f"{home.url}/readyz").status_code == 200
    home.runtime._down_since["pigeon"] -= DOWN_SECONDS
    late = httpx2.get(f"{home.url}/readyz")
    assert late.status_code == 503
    assert late.json()["parts"]["channel pigeon"].startswith("down for 6")
    channel.well = True
    assert httpx2.get(f"{home.url}/readyz").status_code == 200


def test_services_get_the_queues_and_everything_is_stopped(make_plain, scripted_engine, serve_home):
    log = []

    class Service:
        name = "digger"

        async def start(self):
            log.append("start")

        async def stop(self):
            log.append("stop")

    def register(queues):
        log.append(queues)
        return [Service()]

    channel = Channel()
    home = serve_home(make_plain(register_services=register, register_channels=lambda: [channel]))
    home.stop()
    assert log == [("gpu",), "start", "stop"]
    assert channel.log == ["start", "stop"]
    assert not scripted_engine.started


def test_a_part_that_fails_to_stop_does_not_keep_the_others_from_it(make_plain, scripted_engine, serve_home):
    channel = Channel()

    async def stuck():
        raise RuntimeError("stuck")

    channel.stop = stuck
    serve_home(make_plain(register_channels=lambda: [channel])).stop()
    assert not scripted_engine.started


def test_a_worker_runs_services_without_channels_or_engine(make_plain, scripted_engine):

    async def run(mentee):
        runtime = Runtime(mentee, queues=("gpu",), messages=False)
        await runtime.start()
        assert runtime.channels == {}
        await runtime.stop()

    asyncio.run(run(make_plain(register_channels=lambda: [Channel()])))
    assert not scripted_engine.started


def failing_app(error):
    async def app(*_):
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status"), [(ForbiddenError("No.", hint="Ask."), 403), (BusyError("Full.", retry_after=7), 429)]
)
def test_expected_errors_of_plugins_become_their_status(make_plain, serve_home, error, status):
    home = serve_home(make_plain(register_routes=lambda: [WebRoutes("/x", failing_app(error))]))
    response = httpx2.get(f"{home.url}/x")
    assert response.status_code == status
    assert response.json() == {"error": {"text": error.text, "hint": error.hint}}
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)
    page = httpx2.get(f"{home.url}/x", headers={"accept": "text/html"})
    assert (page.status_code, f"<h1>{error.text}</h1>" in page.text) == (status, True)


def test_the_longest_prefix_answers_and_the_prefix_itself_belongs_to_it(make_plain, serve_home):
    routes = [WebRoutes(prefix, PlainTextResponse(prefix)) for prefix in ("/a", "/a/b")]
    home = serve_home(make_plain(register_routes=lambda: routes))
    for path, shown in {"/a": "/a", "/a/": "/a", "/a/x": "/a", "/a/b": "/a/b", "/a/b/c": "/a/b", "/a/bc": "/a"}.items():
        assert httpx2.post(home.url + path).text == shown
    assert httpx2.get(f"{home.url}/ab").status_code == 404


def test_a_demo_that_other_machines_could_reach_is_refused(make_web):
    with pytest.raises(SettingsError, match=r"web.host is '0.0.0.0', which other machines may reach"):
        build_app(make_web({"web": {"host": "0.0.0.0"}}))


def test_a_body_over_the_limit_is_refused_where_the_sender_sees_it(web, visit):
    client = visit(web)
    assert client.post("/api/questions", content=b"x" * 3_000_000).status_code == 413
    assert client.post("/api/questions", content=(b"x" * 100_000 for _ in range(30))).status_code == 413


def test_a_port_in_use_is_named_with_what_to_do(make_plain, web):
    port = int(web.url.rpartition(":")[2])
    mentee = make_plain()
    busy = mentee.settings.model_copy(update={"web": mentee.settings.web.model_copy(update={"port": port})})
    mentee.settings = busy
    with pytest.raises(SettingsError, match=f"Port {port} on 127.0.0.1 is in use.*--port {port + 1}"):
        listening(mentee)


def test_metrics_count_answers_votes_and_queues(web, visit):
    client = visit(web)
    given = answer(client, "Which states exempt hotels from tax?")
    client.post(f"/api/answers/{given['id']}/vote", json={"value": "up"})
    exposed = httpx2.get(f"{web.url}/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(exposed)}
    votes = {tuple(sample.labels.values()): sample.value for sample in families["mentee_votes"].samples}
    assert votes["travel", "up"] >= 1
    assert any(sample.labels["channel"] == "web" for sample in families["mentee_answers"].samples)
    depth = {tuple(sample.labels.values()): sample.value for sample in families["mentee_queue_depth"].samples}
    assert depth["inbox", "received"] == depth["inbox", "dead"] == 0
    assert "hotels" not in exposed


def test_stopping_lets_a_running_answer_finish_and_its_watcher_go(make_web, serve_home, visit, web_engine):
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
        from bot.store.models import AnswerRow, InboxRow

        assert session.query(AnswerRow).count() == 1
        assert session.query(InboxRow).one().state == "done"
