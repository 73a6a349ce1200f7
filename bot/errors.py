"""The one error type that means "tell the person, no traceback", and the named errors below it.

Each entrance (command line, HTTP, a chat channel) catches :class:`MenteeError` once and shows ``text`` and ``hint``.
Anything else is a defect and keeps its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class MenteeError(Exception):
    """An expected failure, worded for the person who meets it.

    :param text: what is wrong: the thing, what was found and what was expected.
    :param hint: what to do next, as one sentence or command.
    """

    status: ClassVar[int] = 400
    exit_code: ClassVar[int] = 1

    def __init__(self, text: str, *, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.text} {self.hint}".strip()


class SettingsError(MenteeError):
    """A setting is missing, unknown or has a value that cannot be used."""

    status = 500
    exit_code = 2


class HomeMissingError(SettingsError):
    """There is no Mentee home where one was expected."""


class NotFoundError(MenteeError):
    """A department, answer, document, adapter or round that does not exist, or that the asker may not see."""

    status = 404


class ForbiddenError(MenteeError):
    """The person is known but may not do this."""

    status = 403


class SignInRequiredError(MenteeError):
    """No valid session or token came with the request."""

    status = 401


class TooLargeError(MenteeError):
    """The input is over a limit that is checked before any work is done on it."""

    status = 413


class BusyError(MenteeError):
    """A queue is full or a budget is used up.

    :param retry_after: seconds after which a new try makes sense.
    """

    status = 429

    def __init__(self, text: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(text, hint=hint or f"Try again in {retry_after:.0f} s.")
        self.retry_after = retry_after


class ArtifactError(MenteeError):
    """A model, adapter, index generation or dataset on disk is missing, altered or not what its manifest says."""

    status = 503
    exit_code = 3


class DocumentError(MenteeError):
    """A document that cannot be read or parsed."""


class InputFileError(MenteeError):
    """A file given by an operator has a row that cannot be used; the text names the file and the line."""


class EngineError(MenteeError):
    """The engine could not produce an answer."""

    status = 503


class PluginError(MenteeError):
    """A plugin raised, hung or returned something of the wrong type.

    :param plugin: the plugin's name.
    :param hook: the hook that was being called.
    """

    status = 500

    def __init__(self, plugin: str, hook: str, problem: str) -> None:
        super().__init__(f"Plugin {plugin!r} failed in {hook}: {problem}.")
        self.plugin = plugin
        self.hook = hook
