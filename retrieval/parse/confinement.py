"""What a parser's process may not do: reach a network, eat the machine, or outlive the process that started it.

It has little time and memory at first. A parser that needs more, such as for reading scans, says now and then that it
gets on; each time its clock starts anew, up to what the document may take at most.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

PROGRESS = b" "
"""What a child writes before its answer when it gets on; JSON begins with white space as well as without."""

_SOCKET_EVENTS = "socket."
_NO_NEW_PRIVILEGES, _SECCOMP, _DEATH_SIGNAL, _FILTER = 38, 22, 1, 2  # of prctl(2)
_IO_URING = 425  # io_uring_setup(2), which opens sockets by another way; the same number everywhere
_OTHER_ABI = 0x40000000  # system calls of the 32-bit ABI of x86-64
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # go on; fail with EACCES
_LOAD, _IS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data


class _Machine(NamedTuple):
    audit: int
    socket: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 41), "aarch64": _Machine(0xC00000B7, 198)}


class _Step(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.POINTER(_Step)))


def refuse_network() -> None:
    """Refuse sockets to this process and all that it starts, for good.

    Python's own are refused everywhere. On Linux the kernel refuses them too, so that neither a library in C nor
    another program gets one; this needs no rights, unlike a namespace without network.
    """
    sys.addaudithook(_no_socket)
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return
    steps = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IS, 0, 5, machine.audit),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 3, 0, _OTHER_ABI),
        (_IS, 2, 0, machine.socket),
        (_IS, 1, 0, _IO_URING),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
    program = _Program(len(steps), (_Step * len(steps))(*(_Step(*step) for step in steps)))
    _prctl(_NO_NEW_PRIVILEGES, 1)
    _prctl(_SECCOMP, _FILTER, ctypes.byref(program))


def limit(seconds: int, memory: int, most_memory: int) -> None:
    """Limit this process, which ends with the one that forked it.

    :param seconds: of the processor.
    :param memory: bytes of address space, which it may raise to ``most_memory``.
    """
    _limit(resource.RLIMIT_AS, most_memory)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (min(memory, hard), hard))
    _limit(resource.RLIMIT_FSIZE, most_memory)
    _limit(resource.RLIMIT_CPU, seconds + 1)  # the wall clock is first
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)


@dataclass(slots=True)
class _Limits:
    """The limits of this process.

    :param until: when the document's time is up for good; in a process without limits, never.
    """

    channel: int | None = None
    until: float = float("inf")


_LIMITS = _Limits()


def begin(channel: int, seconds: float) -> None:
    """Note the limits of this process.

    :param channel: where it says that it gets on.
    :param seconds: what the document may take at most.
    """
    _LIMITS.channel, _LIMITS.until = channel, time.monotonic() + seconds


def get_on(memory: int = 0) -> float:
    """Say that the work gets on, and return the seconds that are left for it.

    :param memory: bytes of address space that it needs from now on, as far as they are allowed.
    """
    if _LIMITS.channel is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if memory and soft != resource.RLIM_INFINITY and soft < memory:
            most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        os.write(_LIMITS.channel, PROGRESS)
    return _LIMITS.until - time.monotonic()


def _limit(kind: int, most: int) -> None:
    """Set a limit for good, unless this process may have even less already."""
    _, inherited = resource.getrlimit(kind)
    most = most if inherited == resource.RLIM_INFINITY else min(most, inherited)
    resource.setrlimit(kind, (most, most))


def _no_socket(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_SOCKET_EVENTS):
        raise PermissionError("a parser has no network")


def _prctl(option: int, first: int, second: Any = 0) -> None:
    """Call prctl(2). A kernel built without the option leaves what Python itself refuses."""
    ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(first), second, 0, 0)
