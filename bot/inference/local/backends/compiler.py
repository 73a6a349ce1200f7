"""Compiles ``decoder.cpp``: when a wheel is built, or in a checkout at the first start.

The build of the wheel (``hatch_build.py``) loads this file by its path, so it imports only the standard library.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).with_name("decoder.cpp")
COMMON = ("-std=c++17", "-O3", "-fopenmp", "-shared", "-fPIC", "-w")
VNNI = ("-march=x86-64-v4", "-mavx512vnni", "-mprefer-vector-width=512")
AVX2 = ("-march=x86-64-v3", "-mprefer-vector-width=256")
ANY = ("-march=x86-64-v2",) if platform.machine() == "x86_64" else ("-march=native",)
SHIPPED = (VNNI, AVX2, ANY)
"""The builds that a wheel for x86 holds; the CPU decides at run time which of them is loaded."""
STATIC = ("-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections")
"""Added for a wheel, which must not depend on the C++ library of the machine it is installed on. Only what is used of
the library goes in, and none of its symbols come out: they would mix with those of PyTorch.

OpenMP stays shared: PyTorch brings and loads the same ``libgomp.so.1``, and two of them would compete for the cores.
"""
SECONDS = 120


class CompilerError(Exception):
    """There is no compiler, or it failed."""


def library_name(flags: Sequence[str]) -> str:
    """Return the file name of the library compiled with these flags: a hash of the source and the flags."""
    made_from = SOURCE.read_bytes() + " ".join((*COMMON, *flags)).encode()
    return f"decoder-{hashlib.sha256(made_from).hexdigest()[:16]}.so"


def find_compiler() -> str | None:
    """Return the C++ compiler of this machine, ``$CXX`` first."""
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def compile_library(path: Path, flags: Sequence[str], *, link: Sequence[str] = ()) -> None:
    """Compile the decoder to ``path``, which appears only when it is whole.

    :raises CompilerError: there is no compiler, or it fails.
    """
    compiler = find_compiler()
    if not compiler:
        raise CompilerError("No C++ compiler is installed.")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        target = Path(folder) / path.name
        command = [compiler, *COMMON, *flags, *link, "-o", str(target), str(SOURCE)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)  # noqa: S603 - our own source
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or b""
            raise CompilerError(f"Can't compile the decoder: {error} {said[-500:].decode(errors='replace')}") from error
        target.replace(path)
