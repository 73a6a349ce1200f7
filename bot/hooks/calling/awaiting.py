"""Awaits hooks that are declared with ``async def``, in the thread of their call and within its time limit."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from types import AsyncGeneratorType, CoroutineType
from typing import TYPE_CHECKING, Any

from bot.hooks.calling.errors import TimedOutError, WrongResultError
from bot.network.deadline import remaining

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

_ASYNCHRONOUS = (CoroutineType, AsyncGeneratorType)


def result_of(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call a function and return its result; that of an ``async def`` is awaited, and cancelled at the time limit.

    :raises WrongResultError: a plain function returned something to be awaited or iterated over asynchronously.
    :raises TimedOutError: the time limit came.
    """
    value = function(*arguments)
    if not isinstance(value, _ASYNCHRONOUS):
        return value
    if inspect.iscoroutine(value):
        if inspect.iscoroutinefunction(function):
            return run_coroutine(value)
        value.close()
        raise WrongResultError("returned a coroutine; declare the hook itself with `async def`")
    raise WrongResultError("returned an async generator; return the value itself")


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine here, or in another thread if a loop runs here: a plugin called within its own hook.

    :raises TimedOutError: the time limit came, and it was cancelled.
    """
    if not _in_a_loop():  # asked first: what is raised within an `except` is shown with that exception
        return asyncio.run(_limited(coroutine))
    found: list[Any] = []
    context = contextvars.copy_context()

    def elsewhere() -> None:
        try:
            found.append((asyncio.run(_limited(coroutine)), None))
        except BaseException as error:  # noqa: BLE001 - raised again where the hook was called
            found.append((None, error))

    thread = threading.Thread(target=context.run, args=(elsewhere,), daemon=True)
    thread.start()
    thread.join()
    value, error = found[0]
    if error is not None:
        raise error
    return value


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _limited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    left = remaining()
    try:
        async with asyncio.timeout(left if left != float("inf") else None) as limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            raise TimedOutError("was cancelled at its time limit") from None
        raise
