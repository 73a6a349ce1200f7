"""What the wheel of Mentee holds beside its packages: the compiled decoder, and the examples of the demo.

An editable install gets neither: a checkout has the examples, and compiles the decoder at the first start.
"""

from __future__ import annotations

import platform
import re
import runpy
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BACKENDS = "bot/inference/local/backends"
EXAMPLES = {
    "examples/handbook": "plugins/departments/pages",
    "examples/support": "plugins/departments/support/past",
}


class WheelHook(BuildHookInterface[Any]):
    """Adds files to a wheel that is being built."""

    PLUGIN_NAME = "custom"
    _folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the decoder for each kind of CPU, and name what the wheel holds and where it runs."""
        if version != "standard":
            return
        root = Path(self.root)
        included = build_data["force_include"]
        included |= {str(root / source): target for source, target in EXAMPLES.items()}
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            return
        compiler = runpy.run_path(str(root / BACKENDS / "compiler.py"))
        if compiler["find_compiler"]() is None:
            self.app.display_warning("No C++ compiler: this wheel compiles its decoder where it is installed.")
            return
        self._folder = Path(tempfile.mkdtemp())
        for flags in compiler["SHIPPED"]:
            path = self._folder / compiler["library_name"](flags)
            compiler["compile_library"](path, flags, link=compiler["STATIC"])
            included[str(path)] = f"{BACKENDS}/{path.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag(self._folder)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove what was compiled."""
        if self._folder:
            shutil.rmtree(self._folder)


def platform_tag(folder: Path) -> str:
    """Return the platform that the libraries in a folder run on: the newest glibc that they ask for, or newer."""
    found = {version for path in folder.iterdir() for version in re.findall(rb"GLIBC_2\.(\d+)", path.read_bytes())}
    return f"manylinux_2_{max(map(int, found))}_x86_64" if found else "linux_x86_64"
