"""What tests of plugins' threads share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that hanging calls wait for, set when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()
