"""Write the README's table of promises from the first line of each acceptance test.

Run as: ``.venv/bin/python scripts/promises.py``.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = "| promise | proved by |\n| --- | --- |\n"
END = "<!-- end of the promises"


def row(path: Path) -> str:
    """Return a test's row: its promise and a link to it."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    promise = docstring.splitlines()[0].removeprefix("Promise: ").rstrip(".")
    return f"| {promise[0].upper()}{promise[1:]} | [{path.stem}]({path.relative_to(ROOT)}) |\n"


def main() -> None:
    """Replace the rows between the table's head and its end mark."""
    readme = ROOT / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(HEAD)
    _, after = rest.split(END)
    rows = [row(path) for path in sorted((ROOT / "tests" / "acceptance").glob("test_*.py"))]
    readme.write_text(f"{before}{HEAD}{''.join(rows)}{END}{after}", encoding="utf-8")
    print(f"{len(rows)} promises written to README.md")


if __name__ == "__main__":
    main()
