"""``mentee serve`` and ``mentee worker``: the long-running processes."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from bot.app import Mentee, open_mentee
from bot.cli.output import progress_console
from bot.cli.plugin_report import misspelt_plugins, unusable_settings
from bot.config.settings import load_settings
from bot.domain.errors import MenteeError, SettingsError
from bot.server.lifespan import QUEUES, Runtime
from bot.server.stopping import CONNECTIONS_SECONDS, ExitDeadline

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

FORCED_SECONDS = 4
"""How long after open requests and the drain limit a process that still hangs is ended."""

EXAMPLES = 3


@click.command()
@click.option("--host", help="Address to listen on.  [default: web.host]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: web.port]")
@click.option("--no-rounds", is_flag=True, help="Don't run rounds here; `mentee worker` does on another machine.")
def serve(host: str | None, port: int | None, *, no_rounds: bool) -> None:
    """Run web chat, the console, the configured channels and the workers."""
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    mentee = open_mentee(load_settings({"web": given} if given else None))
    for problem in (*misspelt_plugins(mentee.plugins), *unusable_settings(mentee.plugins)):
        progress_console.print(f"Warning: {escape(problem)}")
    failures: list[BaseException] = []
    deadline = ExitDeadline()
    try:
        with listening(mentee) as listener:
            asyncio.run(_serve(mentee, listener, deadline, failures, () if no_rounds else QUEUES))
    finally:
        mentee.close()
        deadline.work_is_done()
    for failure in failures:
        raise failure


@click.command()
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="Queue to work on. Can be repeated.")
def worker(queues: tuple[str, ...]) -> None:
    """Run only background workers, for example rounds on a GPU machine. Works on all queues by default."""
    mentee = open_mentee(load_settings())
    deadline = ExitDeadline()
    try:
        asyncio.run(_work(mentee, deadline, queues or QUEUES))
    finally:
        mentee.close()
        deadline.work_is_done()


async def _serve(
    mentee: Mentee,
    listener: socket.socket,
    deadline: ExitDeadline,
    failures: list[BaseException],
    queues: tuple[str, ...],
) -> None:
    from bot.server.app import build_app
    from bot.server.connections import server_config

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    runtime = Runtime(mentee, queues=queues, on_failure=failed)
    app = await mentee.plugins.run(build_app, mentee, runtime)  # plugins bring their routes, and may take their time
    server = stoppable(
        server_config(app, mentee.settings.web),
        runtime,
        on_started=lambda: _greet(mentee, listener.getsockname()),
        on_stop=lambda: deadline.start(_seconds_to_stop(mentee)),
    )
    await server.serve(sockets=[listener])
    deadline.work_is_done()  # asyncio.run waits for threads, such as the one that loads a model


def stoppable(
    config: uvicorn.Config,
    runtime: Runtime,
    on_started: Callable[[], None] = lambda: None,
    on_stop: Callable[[], None] = lambda: None,
) -> uvicorn.Server:
    """Return a server that calls ``on_started`` and ``on_stop``, and ends event streams when it is told to stop."""
    import uvicorn

    class Server(uvicorn.Server):
        """Ends event streams when it is told to stop, and ends with exit code 0 after a drain."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if not self.should_exit:
                on_started()

        def handle_exit(self, sig: int, frame: Any) -> None:
            on_stop()
            super().handle_exit(sig, frame)
            self._captured_signals.clear()  # uvicorn would raise the signal again after the drain: exit code -15

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            runtime.end_streams()
            await super().shutdown(sockets)

    return Server(config)


def _seconds_to_stop(mentee: Mentee) -> float:
    return CONNECTIONS_SECONDS + mentee.settings.limits.drain_seconds + FORCED_SECONDS


async def _work(mentee: Mentee, deadline: ExitDeadline, queues: tuple[str, ...]) -> None:
    runtime = Runtime(mentee, queues=queues, messages=False)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await runtime.start()
    progress_console.print(f"Working on {', '.join(queues)}. Press Ctrl-C to stop.")
    await stop.wait()
    deadline.start(_seconds_to_stop(mentee))
    await runtime.stop()
    deadline.work_is_done()


def listening(mentee: Mentee) -> socket.socket:
    """Return a socket that listens where the settings say, or raise an error that says what to do."""
    web = mentee.settings.web
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((web.host, web.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise _cannot_listen(error, web.host, web.port) from None
    return listener


def _cannot_listen(error: OSError, host: str, port: int) -> MenteeError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            f"Port {port} on {host} is in use by another program.",
            hint=f"Stop it, or use another port: `mentee serve --port {port + 1}`.",
        )
    return SettingsError(
        f"Can't listen on {host}, port {port}: {error.strerror}.",
        hint="Set web.host and web.port, or use --host and --port.",
    )


def _greet(mentee: Mentee, address: tuple[Any, ...]) -> None:
    """Say where it runs and what to try, for a person at a terminal."""
    host, port = address[:2]
    url = mentee.settings.web.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    text = Text.assemble(("Mentee is at ", "bold"), (url, "bold cyan"), "\n")
    if mentee.settings.web.sign_in == "demo":
        text.append("Demo: whoever opens it on this machine is signed in as an operator.\n", "dim")
    examples = [
        (department.title, department.examples[0]) for department in mentee.departments.all() if department.examples
    ]
    if examples:
        text.append("\nTry asking\n")
    for title, example in examples[:EXAMPLES]:
        text.append(f"  {example}", "italic").append(f"  ({title})\n", "dim")
    text.append(f"\nConsole: {url}/console · Press Ctrl-C to stop.")
    progress_console.print(Panel(text, expand=False, padding=(1, 2)))
