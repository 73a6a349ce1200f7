"""Write ``constraints.txt``: the exact versions, in this environment, of everything Mentee needs.

Run as: ``.venv/bin/python scripts/constraints.py``, after an upgrade whose tests are green. torch is left out because
the build for the machine at hand (CPU, CUDA) is part of its version.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LEFT_OUT = {"mentee", "mentee-reader", "torch"}
TARGET = Path(__file__).parents[1] / "constraints.txt"


def closure(name: str, extras: frozenset[str], found: dict[str, str], seen: set[tuple[str, frozenset[str]]]) -> None:
    """Add the installed version of ``name`` and of everything it requires with ``extras`` to ``found``."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    try:
        installed = distribution(name)
    except PackageNotFoundError:  # needed on other systems only
        return
    found[name] = installed.version.split("+")[0]
    for text in installed.requires or ():
        requirement = Requirement(text)
        environments = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker is None or any(requirement.marker.evaluate(one) for one in environments):
            closure(canonicalize_name(requirement.name), frozenset(requirement.extras), found, seen)


def main() -> None:
    """Write the file."""
    found: dict[str, str] = {}
    closure("mentee", frozenset({"dev"}), found, set())
    lines = [
        f"{name}=={found[name]}\n" for name in sorted(found) if name not in LEFT_OUT and not name.startswith("nvidia-")
    ]
    TARGET.write_text(
        "# Exact versions, written by scripts/constraints.py; pyproject.toml says which ranges are allowed.\n"
        + "".join(lines)
    )
    print(f"{len(lines)} versions written to {TARGET.name}")


if __name__ == "__main__":
    main()
