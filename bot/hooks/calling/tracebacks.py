"""Where a plugin failed, as text for its author: bounded, with secrets masked.

Nothing here raises, whatever a plugin's exceptions do when they are printed.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.observability.logs import redacted_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

FRAMES = 12
MAX_CHARS = 4_000
CALLERS = str(Path(__file__).parent.parent)
"""The folder of the code that calls plugins; its frames say nothing about the plugin."""


def said(error: BaseException) -> str:
    """Return an exception's class and text."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except BaseException:  # noqa: BLE001 - a plugin's own class may do anything here
        return f"{name} (its text can't be read)"


def of_error(error: BaseException, callers: str = CALLERS) -> str:
    """Return the traceback of an exception, from the plugin's first frame on.

    :param callers: the folder or file of the code that called the plugin.
    """
    try:
        printed = traceback.TracebackException(
            type(error), error, _from_plugin(error.__traceback__, callers), limit=-FRAMES
        )
        return masked("".join(printed.format()))
    except BaseException:  # noqa: BLE001 - a plugin's own class may do anything here
        return said(error)


def of_thread(ident: int | None) -> str:
    """Return what a thread is doing, from the plugin's first frame on, or an empty text if it has ended."""
    frame = sys._current_frames().get(ident or 0)  # noqa: SLF001 - the documented way to see where a thread hangs
    if frame is None:
        return ""
    stack = traceback.extract_stack(frame)
    ours = [each.filename.startswith(CALLERS) for each in stack]
    first = ours.index(False, ours.index(True)) if True in ours and not ours[-1] else 0
    return masked("".join(traceback.format_list(stack[first:][-FRAMES:])))


def of_function(function: Callable[..., Any]) -> str:
    """Return where a function is defined, or an empty text if that can't be told."""
    code = getattr(function, "__code__", None)
    if not inspect.iscode(code):
        return ""
    return f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}\n'


def masked(text: str) -> str:
    """Return the end of a text, with everything that looks like a secret masked."""
    return "\n".join(redacted_text(line) for line in text.splitlines())[-MAX_CHARS:]


def _from_plugin(found: TracebackType | None, callers: str) -> TracebackType | None:
    first = found
    while first is not None and first.tb_frame.f_code.co_filename.startswith(callers):
        first = first.tb_next
    return first or found
