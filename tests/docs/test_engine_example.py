"""The engine of the documentation that has neither adapters nor a queue passes the contract of engines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bot.testing import EngineContract

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "plugins.md"
TESTS = [name for name in vars(EngineContract) if name.startswith("test_")]
ABOUT_WHAT_IT_LACKS = {
    "test_a_full_queue_says_busy_and_when_to_come_back",
    "test_adapters_under_load_never_mix",
    "test_more_adapters_than_are_kept_take_turns",
    "test_versions_change_under_load_without_a_lost_or_torn_answer",
}


def _example() -> dict[str, Any]:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "class EchoBench" in block]
    namespace: dict[str, Any] = {"__name__": "echo_engine"}
    exec(compile(block, "echo_engine", "exec", dont_inherit=True), namespace)
    return namespace


@pytest.mark.parametrize("test", TESTS)
async def test_the_engine_passes_and_skips_only_what_it_declares_to_lack(test: str) -> None:
    example = _example()
    run = getattr(example["TestEchoEngine"](), test)
    if test in ABOUT_WHAT_IT_LACKS:
        with pytest.raises(pytest.skip.Exception, match="lacks"):
            await run(example["EchoBench"]())
    else:
        await run(example["EchoBench"]())
