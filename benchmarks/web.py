"""How fast web chat answers and how much its pages weigh, beside Chainlit's echo app, in one run.

    .venv/bin/python benchmarks/web.py [--json] [--alone] [--peers-python FILE]

Both are processes of their own, and so are their clients; they take turns. Neither has a model: Mentee's engine says a
fixed sentence, and Chainlit's app repeats the message word by word. Measured are the time from sending a question to
the first word (Mentee: HTTP and server-sent events; Chainlit: Socket.IO), and the time of the requests with which the
page starts, made by 50 readers at once. A headless Chromium then opens each page once and counts bytes as sent, layout
shift, and requests to other hosts. Chainlit is installed into a temporary virtual environment; without it, it is null.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import venv
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

if Path(sys.path[0]) == Path(__file__).parent:
    sys.path.append(sys.path.pop(0))  # a benchmark beside this one is named like a package of the product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
PEER = ("chainlit==2.12.0", "python-socketio[asyncio_client]")
NAMES = ("mentee", "chainlit")
QUESTION = "Are hotels tax exempt in many of the states?"
READERS = 50
PLUGINS = ("plugins.web", "plugins.console", "plugins.desk")
PAGES = {"mentee": ("/", "/desk", "/console", "/api/v1/docs"), "chainlit": ("/",)}
STARTS = {
    "mentee": ("/api/v1/departments", "/api/v1/conversations"),
    "chainlit": ("/project/settings?language=en-US", "/auth/config"),
}
"""What a page asks its server for when it is opened."""
MOST_BYTES = 150_000
MOST_SHIFT = 0.01
ECHO = """
import chainlit as cl

@cl.on_message
async def main(message: cl.Message) -> None:
    said = cl.Message(content="")
    for word in message.content.split():
        await said.stream_token(word + " ")
    await said.update()
"""


def main() -> None:
    """Measure and print; exit 1 when Mentee misses a target."""
    arguments = _arguments()
    if arguments.serve:
        serve_mentee(arguments.port)
    elif arguments.client:
        client(arguments.client, arguments.url, arguments.token)
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(arguments, Path(folder))
        print(json.dumps(found) if arguments.json else _table(found))
        sys.exit(0 if found["met"] else 1)


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures of both, in seconds and bytes, and Chainlit's over Mentee's."""
    python = _peer(arguments, folder)
    first: dict[str, list[float]] = {name: [] for name in NAMES}
    read: dict[str, list[float]] = {name: [] for name in NAMES}
    pages: dict[str, dict[str, Any]] = {}
    with ExitStack() as running:
        token, url = running.enter_context(_mentee(folder))
        urls = {"mentee": url}
        clients = {"mentee": running.enter_context(_Client(sys.executable, "mentee", url, token))}
        if python:
            urls["chainlit"] = running.enter_context(_chainlit(python, folder))
            clients["chainlit"] = running.enter_context(_Client(python, "chainlit", urls["chainlit"], ""))
        for each in clients.values():
            each.ask("first", 5)  # the first ones open what is opened once
        for _ in range(arguments.rounds):
            for name, each in clients.items():
                first[name] += each.ask("first", arguments.questions)
                read[name] += each.ask("read", arguments.reads)
        from web_pages import opened

        for name, at in urls.items():
            pages |= {f"{name} {path}": found for path, found in opened(at, PAGES[name]).items()}
    return _summary(first, read, pages, arguments)


class _Client:
    """A client in a process of its own, which is told what to measure and how often."""

    def __init__(self, python: str, name: str, url: str, token: str) -> None:
        command = [python, __file__, "--client", name, "--url", url, "--token", token]
        path = {"PYTHONPATH": str(ROOT)} if name == "mentee" else {}
        self._process = subprocess.Popen(  # noqa: S603 - this file
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **path}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, what: str, times: int) -> list[float]:
        """Return the seconds that each took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {times}\n")
        self._process.stdin.flush()
        seconds: list[float] = json.loads(self._process.stdout.readline())
        return seconds


# --- the clients ------------------------------------------------------------------------------------------------------


def client(name: str, url: str, token: str) -> None:
    """Measure what each line says; print the seconds."""
    asyncio.run({"mentee": _ask_mentee, "chainlit": _ask_chainlit}[name](url, token))


async def _ask_mentee(url: str, token: str) -> None:
    import aiohttp

    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session:

        async def first() -> float:
            started = time.perf_counter()
            body = {"text": QUESTION, "department": "travel", "conversation": f"c_{uuid4().hex}", "key": uuid4().hex}
            async with session.post("/api/v1/questions", json=body) as accepted:
                assert accepted.status == 202, await accepted.text()  # noqa: PLR2004
                events = (await accepted.json())["events"]
            seconds = 0.0
            async with session.get(events) as stream:
                async for line in stream.content:
                    if line.startswith((b"event: text", b"event: done")) and not seconds:
                        seconds = time.perf_counter() - started
            return seconds

        await _obey(first, lambda path: _get(session, path), STARTS["mentee"])


async def _ask_chainlit(url: str, _token: str) -> None:
    import aiohttp
    import socketio

    connection = socketio.AsyncClient()
    token, ended = asyncio.Event(), asyncio.Event()
    for name, event in {"stream_start": token, "stream_token": token, "task_end": ended}.items():
        connection.on(name, lambda *_, event=event: event.set())
    auth = {"clientType": "webapp", "sessionId": str(uuid4()), "threadId": "", "userEnv": "{}"}
    await connection.connect(url, socketio_path="/ws/socket.io", auth=auth, transports=["websocket"])
    await connection.emit("connection_successful")
    await asyncio.sleep(1)

    async def first() -> float:
        token.clear()
        ended.clear()
        message = {"id": str(uuid4()), "name": "user", "type": "user_message", "output": QUESTION, "createdAt": ""}
        started = time.perf_counter()
        await connection.emit("client_message", {"message": message, "fileReferences": []})
        await asyncio.wait_for(token.wait(), 30)
        seconds = time.perf_counter() - started
        await asyncio.wait_for(ended.wait(), 30)
        return seconds

    async with aiohttp.ClientSession(url) as session:
        await _obey(first, lambda path: _get(session, path), STARTS["chainlit"])


async def _get(session: Any, path: str) -> float:
    started = time.perf_counter()
    async with session.get(path) as response:
        await response.read()
        assert response.status == 200, f"{path}: {response.status}"  # noqa: PLR2004
    return time.perf_counter() - started


async def _obey(
    first: Callable[[], Awaitable[float]], get: Callable[[str], Awaitable[float]], paths: Sequence[str]
) -> None:
    async for line in _lines():
        what, times = line.split()
        if what == "first":
            found = [await first() for _ in range(int(times))]
        else:

            async def reader(times: int) -> list[float]:
                return [await get(path) for _ in range(times) for path in paths]

            parts = await asyncio.gather(*(reader(int(times)) for _ in range(READERS)))
            found = [each for part in parts for each in part]
        print(json.dumps(found), flush=True)


async def _lines() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line


# --- the servers ------------------------------------------------------------------------------------------------------


@contextmanager
def _mentee(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve a home with one department; give a token and the address."""
    from bot.access.people import People
    from bot.access.tokens import Tokens
    from bot.app import Mentee
    from bot.config.settings import CONFIG_NAME, load_settings
    from bot.domain.departments import DepartmentSpec
    from bot.domain.people import Role, Scope
    from bot.storage.migrate import upgrade

    (home := folder / "home").mkdir()
    (home / CONFIG_NAME).write_text('[web]\nsign_in = "demo"\n[limits]\nquestions_per_minute = 100000\n')
    os.environ["MENTEE_HOME"] = str(home)
    settings = load_settings()
    mentee = Mentee(settings, built_in=PLUGINS, discover=False)
    upgrade(mentee.store, mentee.plugins.register_tables())
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="benchmark")
    People(mentee.store).add("ada", role=Role.EMPLOYEE, password=secrets.token_hex(), actor="benchmark")
    token, _ = Tokens(mentee.store).create("ada", list(Scope), actor="benchmark")
    mentee.close()
    port = _free_port()
    with _process(
        [sys.executable, __file__, "--serve", "mentee", "--port", str(port)], port, {"PYTHONPATH": str(ROOT)}
    ):
        yield token, f"http://127.0.0.1:{port}"


def serve_mentee(port: int) -> None:
    """Serve the home in force with an engine that says one sentence."""
    import uvicorn

    from bot.app import open_mentee
    from bot.config.settings import load_settings
    from bot.server.app import build_app
    from bot.server.connections import server_config
    from bot.server.lifespan import Runtime
    from bot.testing.engines import ScriptedEngine
    from bot.testing.notes import NotesRetriever, make_plugin

    retriever = NotesRetriever()
    mentee = open_mentee(
        load_settings(),
        engine=ScriptedEngine("Hotels are tax exempt in 12 states [1]."),
        built_in=PLUGINS,
        extra_plugins={"notes": make_plugin(register_retriever=lambda: retriever)},
        discover=False,
    )
    runtime = Runtime(mentee)
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        uvicorn.Server(server_config(build_app(mentee, runtime), mentee.settings.web)).run([listener])


@contextmanager
def _chainlit(python: str, folder: Path) -> Iterator[str]:
    app = folder / "echo" / "app.py"
    app.parent.mkdir()
    app.write_text(ECHO)
    port = _free_port()
    command = [python, "-m", "chainlit", "run", str(app), "--headless", "--port", str(port)]
    with _process(command, port, {"CHAINLIT_APP_ROOT": str(app.parent)}):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _process(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(  # noqa: S603 - this file, or the peer
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            assert process.poll() is None, f"{' '.join(command)} has ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        else:
            raise TimeoutError(f"{' '.join(command)} doesn't listen")
        time.sleep(3)  # until it is ready
        yield
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _peer(arguments: argparse.Namespace, folder: Path) -> str:
    """Return an interpreter that has Chainlit; empty without one."""
    if arguments.alone or arguments.peers_python:
        return str(arguments.peers_python or "")
    venv.create(folder / "peer", with_pip=True)
    python = folder / "peer" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", *PEER]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - packages named above
    if not installed.returncode:
        return str(python)
    print(f"{PEER[0]} can't be installed: {installed.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return ""


# --- what is printed --------------------------------------------------------------------------------------------------


def _summary(
    first: dict[str, list[float]],
    read: dict[str, list[float]],
    pages: dict[str, dict[str, Any]],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    def both(taken: dict[str, list[float]]) -> dict[str, Any]:
        return {
            name: {"p50": median(taken[name]), "p99": _percentile(taken[name], 99)} if taken[name] else None
            for name in NAMES
        }

    ours = [each for name, each in pages.items() if name.startswith("mentee")]
    return {
        "rounds": arguments.rounds,
        "questions_per_round": arguments.questions,
        "readers": READERS,
        "first_word": both(first),
        "start_requests": both(read),
        "pages": pages,
        "met": all(
            each["bytes"] <= MOST_BYTES and each["shift"] <= MOST_SHIFT and not each["other_hosts"] for each in ours
        ),
    }


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def _table(found: dict[str, Any]) -> str:
    lines = [f"{found['rounds']} turns of {found['questions_per_round']} questions; {found['readers']} readers; ms"]
    for name in NAMES:
        first, read = found["first_word"][name], found["start_requests"][name]
        if first is None:
            lines.append(f"{name:10} null")
            continue
        lines.append(
            f"{name:10} first word p50 {first['p50'] * 1000:6.1f}  p99 {first['p99'] * 1000:6.1f}   "
            f"{found['readers']} readers p50 {read['p50'] * 1000:6.1f}  p99 {read['p99'] * 1000:6.1f}"
        )
    for name, page in found["pages"].items():
        lines.append(
            f"{name:22} {page['bytes'] / 1000:7.1f} kB in {page['requests']} requests, shift {page['shift']:.4f}, "
            f"other hosts: {', '.join(page['other_hosts']) or 'none'}"
        )
    lines.append(
        f"targets of Mentee's pages, {MOST_BYTES / 1000:g} kB and {MOST_SHIFT}: {'met' if found['met'] else 'missed'}"
    )
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each")
    parser.add_argument("--questions", type=int, default=20, help="questions in a turn, one after the other")
    parser.add_argument("--reads", type=int, default=4, help="starts of the page of each reader in a turn")
    parser.add_argument("--alone", action="store_true", help="leave Chainlit out")
    parser.add_argument("--peers-python", type=Path, help="a Python that has Chainlit, instead of installing it")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", choices=("mentee",), help=argparse.SUPPRESS)
    parser.add_argument("--client", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    parser.add_argument("--token", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
