"""The one error type that means "tell the person, no traceback", and the named errors below it.

Each entrance (command line, HTTP, a chat channel) catches :class:`MenteeError` once and shows ``text`` and ``hint``.
Anything else is a defect and keeps its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class MenteeError(Exception):
    """An expected failure, with a message for the person who sees it.

    :param text: what is wrong: the thing, what was found, and what was expected.
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
    """A setting is missing, unknown or invalid."""

    status = 500
    exit_code = 2


class InvalidSettingsError(SettingsError):
    """Values of settings don't fit.

    :param problems: what is wrong, by the setting's name; ``""`` for what isn't wrong with one setting.
    """

    def __init__(self, text: str, *, problems: Mapping[str, str], hint: str = "") -> None:
        super().__init__(text, hint=hint)
        self.problems = problems


class HomeMissingError(SettingsError):
    """There is no Mentee home where one was expected."""


class NotFoundError(MenteeError):
    """Something doesn't exist, or the person may not see it."""

    status = 404


class ForbiddenError(MenteeError):
    """The person may not do this."""

    status = 403


class MissingScopeError(ForbiddenError):
    """The person may do this, but the API token with which it was asked may not.

    :param scope: what the token needs.
    """

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This API token doesn't have the scope {scope}.",
            hint=f"Use a token that has it: `mentee tokens create --user NAME --scope {scope}`.",
        )
        self.scope = scope


class ConflictError(MenteeError):
    """Somebody else changed something in the meantime that this would overwrite."""

    status = 409


class SignInRequiredError(MenteeError):
    """No valid session or token came with the request."""

    status = 401


class TooLargeError(MenteeError):
    """The input is over a limit that is checked before any work is done on it."""

    status = 413


class BusyError(MenteeError):
    """A queue is full, or a limit is reached.

    :param retry_after: seconds until it makes sense to try again.
    """

    status = 429

    def __init__(self, text: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(text, hint=hint or f"Try again in {retry_after:.0f} s.")
        self.retry_after = retry_after


class NotWritableError(BusyError):
    """Nothing can be stored just now: the disk is full, read-only or failing. What was to be stored isn't."""

    status = 503


class ArtifactError(MenteeError):
    """A model, adapter, index or dataset on disk is missing, changed, or doesn't match its manifest."""

    status = 503
    exit_code = 3


class DocumentError(MenteeError):
    """A document can't be read or parsed."""


class UnreadableError(DocumentError):
    """A source can't read one of its documents. The others are read.

    :param address: the document's address.
    """

    def __init__(self, address: str, text: str, *, hint: str = "") -> None:
        super().__init__(text, hint=hint)
        self.address = address


class FetchError(MenteeError):
    """An address can't be fetched: it may not be reached, or there was no whole response in time."""

    status = 502


class InputFileError(MenteeError):
    """A file given by an operator has a row that cannot be used; the text names the file and the line."""


class EngineError(MenteeError):
    """The engine could not produce an answer."""

    status = 503


class PromptTooLongError(EngineError):
    """The prompt is over the engine's context length, so a shorter one may be answered."""


class PluginError(MenteeError):
    """A plugin raised, took too long, or returned a value of the wrong type.

    :param plugin: the plugin's name.
    :param hook: the hook that was being called.
    :param called: ``False`` if the call was never made, so that nothing can have happened.
    :param timed_out: the call took too long. It may still be going on.
    """

    status = 500

    def __init__(self, plugin: str, hook: str, problem: str, *, called: bool = True, timed_out: bool = False) -> None:
        super().__init__(f"Plugin {plugin!r} failed in {hook}: {problem}.")
        self.plugin = plugin
        self.hook = hook
        self.called = called
        self.timed_out = timed_out
