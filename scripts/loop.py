"""Prove the loop on real data, on this machine: ``make loop``.

In a fresh home, a support department without documents learns from votes and corrections (``examples/support``): a
round trains and judges, the better adapter goes live, the champion is compared with itself, and a rollback gives the
old answers back, byte for byte. Everything goes through ``mentee``; the last line says how long it took. With ``--home
FOLDER`` the home is kept there, to be looked at (``report.html``) and asked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT = Path(__file__).parents[1]
VOTES = ROOT / "examples" / "support" / "votes.jsonl"
MENTEE = Path(sys.executable).with_name("mentee")
SHOWN = 3
SETTINGS = {
    "MENTEE_MODEL__MAX_NEW_TOKENS": "128",  # the longest answer of the data has 83 tokens
    "MENTEE_TUNING__HELD_OUT_SHARE": "0.25",
}
console = Console(highlight=False, width=int(os.environ.get("COLUMNS", "110")))


class Loop:
    """One run in a home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, **SETTINGS, "MENTEE_HOME": str(home)}
        with VOTES.open(encoding="utf-8") as file:
            self.question = json.loads(file.readline())["question"]

    def run(self) -> bool:
        """Go once around; return whether everything came out as promised."""
        self.prepare()
        before = self.ask("before the round, the base model")
        self.step("The round: dataset, training, evaluation, gate")
        result = self.json("round", "start", "--department", "support", "--wait")
        self.show(result)
        if result["verdict"] != "better":
            console.print(
                "[bold red]The challenger did not win: the champion stays, and there is nothing to roll back.[/]"
            )
            return False
        after = self.ask(f"after the round, {result['adapter']}")
        inconclusive = self.against_itself(result["adapter"])
        self.step("Rollback")
        self.mentee("adapters", "rollback", "--department", "support")
        same = self.ask("after the rollback") == before
        console.print("The answer is as before." if same else "[bold red]The answer is not as before.[/]")
        return after != before and inconclusive and same

    def prepare(self) -> None:
        """Make the home and the department, and bring in the votes."""
        self.step(f"A fresh home: {self.home}")
        self.mentee("init")
        self.mentee("model", "fetch", "smollm2-135m-instruct")
        self.mentee("departments", "add", "support", "--title", "Customer support")
        self.mentee("votes", "import", str(VOTES))

    def ask(self, when: str) -> str:
        """Ask the department one question and show the answer."""
        answer = self.json("ask", self.question, "--department", "support", "--no-curated")["answer"]
        console.print(f"[bold]{escape(self.question)}[/] [dim]({when})[/]\n  {escape(answer)}\n", soft_wrap=False)
        return str(answer)

    def show(self, result: dict[str, Any]) -> None:
        """Show the verdict and some held-out questions, before and after."""
        folder = self.home / "rounds" / result["round"]
        old, new = (read(folder / f"answers-{side}.jsonl") for side in ("champion", "challenger"))
        table = Table("held-out question", "before", "after", show_lines=True, header_style="bold")
        for a, b in list(zip(old, new, strict=True))[:SHOWN]:
            scores = (f"[dim]ROUGE-L {row['scores']['rouge_l']:.2f}[/]\n" for row in (a, b))
            table.add_row(escape(a["question"]), next(scores) + escape(a["answer"]), next(scores) + escape(b["answer"]))
        console.print(table)
        primary = result["metrics"]["rouge_l"]
        low, high = primary["interval"]
        console.print(
            f"ROUGE-L on {primary['n']} held-out questions: {primary['champion']:.3f} → {primary['challenger']:.3f}, "
            f"difference [bold]{primary['difference']:+.3f}[/], 95% paired interval \\[{low:+.3f}, {high:+.3f}]"
        )
        console.print(f"Verdict: {escape(result['reason'])}")
        console.print(f"Trained on {result['device']}. Report: {result['report']}\n")

    def against_itself(self, version: str) -> bool:
        """Compare the new champion with itself; the gate must not see a winner."""
        self.step("The champion against itself")
        result = self.json("eval", "--department", "support", "--adapter", version, "--against", version)
        console.print(escape(result["reason"]) + "\n")
        return str(result["verdict"]) == "inconclusive"

    def step(self, title: str) -> None:
        """Announce a step."""
        console.rule(f"[bold]{escape(title)}", align="left")

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command with ``--json`` and return what it printed; its progress stays visible."""
        found: dict[str, Any] = json.loads(self.mentee(*arguments, "--json", capture=True))
        return found

    def mentee(self, *arguments: str, capture: bool = False) -> str:
        """Run a command; a failure ends the loop with its text on the screen."""
        console.print(f"[dim]$ mentee {escape(' '.join(arguments))}[/]")
        done = subprocess.run(  # noqa: S603 - our own command
            [MENTEE, *arguments],
            env=self.environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE if capture else None,
        )
        if done.returncode:
            sys.exit(done.returncode)
        return done.stdout or ""


def read(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> int:
    """Run the loop in ``--home`` or in a temporary home; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="an empty folder to keep the home in")
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mentee-loop-") as folder:
        good = Loop((arguments.home or Path(folder) / "home").absolute()).run()
    minutes = (time.monotonic() - started) / 60
    console.print(f"{'[green]The loop holds' if good else '[red]The loop does not hold'}[/]: {minutes:.1f} minutes.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
