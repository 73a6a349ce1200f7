"""The test kit for plugin authors: fixtures that make real instances, and the tests that every engine must pass.

Pytest loads the fixtures by itself if ``mentee[testing]`` is installed. The names below are imported on first use,
because pytest loads this package in other projects, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.testing.engine_contract import EngineBench, EngineContract, ModelContract, TinyBench
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome, run_job
    from bot.testing.serving import ServedHome, ServeHome

__all__ = [
    "WAIT_SECONDS",
    "EngineBench",
    "EngineContract",
    "MakeHome",
    "ModelContract",
    "ScriptedEngine",
    "ServeHome",
    "ServedHome",
    "TinyBench",
    "run_job",
]

WAIT_SECONDS = 20.0
"""How long a test waits for something to happen. Generous, because a machine shared by many tests may pause."""

MODULES = {
    "engine_contract": ("EngineBench", "EngineContract", "ModelContract", "TinyBench"),
    "engines": ("ScriptedEngine",),
    "homes": ("MakeHome", "run_job"),
    "serving": ("ServeHome", "ServedHome"),
}


def __getattr__(name: str) -> Any:
    for module, names in MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
