"""Why a call of a plugin has no result."""

from __future__ import annotations


class CallError(Exception):
    """The call has no result; the text says why.

    :param where: where in the plugin it happened; empty if that isn't known.
    """

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(problem)
        self.where = where


class NotCalledError(CallError):
    """The call was never made."""


class UnusableSettingsError(NotCalledError):
    """The plugin's settings can't be used. The call was never made."""


class BusyWorkersError(NotCalledError):
    """No thread became free: the plugin is slow under this load. The call was never made."""


class TimedOutError(CallError):
    """The call took too long and was given up. It may still be going on."""


class WrongResultError(CallError):
    """The call returned what its hook does not return."""


class ClosedError(CallError):
    """The host was closed before the call ended."""

    def __init__(self) -> None:
        super().__init__("Mentee is stopping")
