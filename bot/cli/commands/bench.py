"""``mentee bench``: how fast the local engine is on this machine, and what limits it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from bot.cli.output import console, emit_json, json_option
from bot.config.extras import require
from bot.config.settings import load_settings
from bot.inference.models.catalogue import model_path

if TYPE_CHECKING:
    from bot.inference.local.benchmark import Report


@click.command()
@click.option("--model", help="Chat model. The configured one by default.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. As configured by default.")
@json_option
def bench(*, model: str | None, threads: int | None, as_json: bool) -> None:
    """Measure how fast the local engine is on this machine, and what limits it. Takes less than a minute."""
    require("local", "The local engine")
    settings = load_settings()
    name = model or settings.model.name
    path = model_path(settings.models_dir, name)
    count = threads or settings.model.threads or os.cpu_count() or 1

    from bot.inference.fingerprint import model_fingerprint
    from bot.inference.local.benchmark import Bench, report
    from bot.inference.local.runner import LocalRunner

    runner = LocalRunner(
        path,
        model_fingerprint(path),
        dtype=settings.model.dtype,
        threads=count,
        cache_bytes=settings.model.cache_mb << 20,
    )
    measured = Bench(runner)
    try:
        result = report(measured, name, count, len(runner.tokenizer))
    finally:
        measured.close()
    if as_json:
        emit_json(result)
    else:
        _show(result)


def _show(result: Report) -> None:
    from rich.table import Table

    table = Table(title=f"{result.model} in {result.dtype} on {result.device}, {result.threads} threads", box=None)
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("", style="dim")
    rows = [
        (
            "reading",
            f"{result.prefill_tokens_per_second:,.0f} tokens/s",
            f"{result.prefill_share_of_limit:.0%} of float32",
        ),
        (
            "writing",
            f"{result.decode_tokens_per_second:,.0f} tokens/s",
            f"{result.decode_share_of_limit:.0%} of memory",
        ),
        ("first token", f"{result.first_token_seconds:.2f} s", "after 600 tokens of question and passages"),
        *(
            (f"{count} at once", f"{rate:,.0f} answers/min", "of 64 tokens")
            for count, rate in result.answers_per_minute.items()
        ),
        ("memory", f"{result.memory_gb_per_second:.1f} GB/s", "read"),
        ("matrix products", f"{result.matrix_gflops:,.0f} GFLOP/s", "float32"),
        ("what binds", result.binds, ""),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
