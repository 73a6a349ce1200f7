"""Mentee on a machine without a compiler: by its wheels, and as the image that the Dockerfile describes.

The machine is a small Debian in a folder. debootstrap makes it, with the mirror and the settings of apt and pip that
this machine has. Commands run in it by chroot, in namespaces of their own, so nothing stays mounted and no port is
taken; once everything is installed, they run without a network. All of it needs root.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from bot.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
MODELS = Settings.model_fields["models_dir"].get_default(call_default_factory=True)
QUESTION = ("ask", "How much can I spend on a hotel?", "--department", "travel", "--json")

CONFIGURATION = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/etc/apt/sources.list")
FOLDERS = ("/etc/apt/sources.list.d", "/usr/share/keyrings")
PIP = ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
APT = re.compile(r"Acquire::(https?|Check-|Retries)")
VARIABLES = re.compile(r"PIP_\w+|\w+_proxy|\w+_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE")
"""How this machine's package clients are told where packages come from: files, folders, settings, variables."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOOPBACK_UP = (  # SIOCSIFFLAGS, IFF_UP
    "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))"
)
LIBRARY = "from bot.inference.local.backends.native import load_library; print(load_library()._name)"


@dataclass
class Machine:
    """A system in a folder.

    :param mounts: folders of this machine, by where they are seen inside.
    """

    root: Path
    mounts: dict[str, Path] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0"

    def inside(self, path: str) -> Path:
        """Return where a path of the system lies on this machine."""
        return self.root / path.lstrip("/")

    def run(self, *command: str, online: bool = False, seconds: float = 300) -> str:
        """Run a command and return its standard output; offline it has a loopback interface only."""
        mounts = [f'mount -t proc proc "{self.root}/proc"', f'mount --rbind /dev "{self.root}/dev"']
        for inside, outside in self.mounts.items():
            self.inside(inside).mkdir(parents=True, exist_ok=True)
            mounts.append(f'mount --bind "{outside}" "{self.inside(inside)}"')
        script = [*mounts, *([] if online else [f'{sys.executable} -c "{LOOPBACK_UP}"']), 'exec "$@"']
        given = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", **(_variables() if online else {})}
        variables = [f"{name}={value}" for name, value in (given | self.environment).items()]
        user = f"--userspec={self.user}:{self.user}"
        chroot = ["chroot", user, str(self.root), "/usr/bin/env", "-i", "-C", self.folder, *variables]
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if online else ["--net"])]
        done = subprocess.run(
            [*unshare, "sh", "-ec", "\n".join(script), "sh", *chroot, *command],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A fresh minimal Debian with Python and nothing else; the models are on this machine."""
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap")
    _output(sys.executable, "-c", "from bot.cli.main import main; main()", "model", "fetch")
    shared = tmp_path_factory.getbasetemp()
    pristine = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "debian"
    with FileLock(f"{pristine}.lock"):  # made once for all workers
        if not pristine.exists():
            _bootstrap(pristine.with_suffix(".aside"))
            pristine.with_suffix(".aside").rename(pristine)
    made = Machine(tmp_path_factory.mktemp("machine") / "root", _package_folders())
    _copy(pristine, made.root)
    yield made
    _output("rm", "-rf", str(made.root.parent))


def test_the_wheels_need_no_compiler(machine: Machine, tmp_path: Path) -> None:
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    _output(sys.executable, "-m", "pip", "wheel", "-q", *options, str(ROOT), str(ROOT / "reader"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert re.fullmatch(r"mentee-[\d.]+-py3-none-manylinux_2_\d+_x86_64\.whl", names[0])
    shutil.copy(ROOT / "constraints.txt", tmp_path)

    machine.mounts |= {"/wheels": tmp_path, "/models": MODELS}
    machine.environment = {"MENTEE_MODELS_DIR": "/models", "MENTEE_HOME": "/demo", "HF_HUB_OFFLINE": "1"}
    machine.run("python3", "-m", "venv", "/venv")
    install = ["/venv/bin/pip", "install", "-q", "-c", "/wheels/constraints.txt"]
    machine.run(*install, *(f"/wheels/{name}" for name in names), online=True, seconds=600)
    machine.environment["PATH"] = f"/venv/bin:{PATH}"
    _check_decoder(machine)
    _demo_answers(machine)


def test_the_dockerfile_builds_a_healthy_image(machine: Machine) -> None:
    image, command, health = build(machine)
    image.environment["HOME"] = "/home/mentee"
    models = image.environment["MENTEE_MODELS_DIR"]
    _output("cp", "-rT", str(MODELS), str(image.inside(models)))
    _output("chown", "-R", f"{image.user}:{image.user}", str(image.inside(models)))
    assert image.run("mentee", "--version").startswith("mentee, version ")
    _check_decoder(image)
    image.run("mentee", "init")
    checks = json.loads(image.run("mentee", "doctor", "--json"))
    assert [check for check in checks if not check["ok"]] == []
    # one command, as both need the same loopback interface
    wait = f"for i in $(seq 60); do sleep 1; {shlex.join(health)} 2>/dev/null && exit; done; exit 1"
    image.run("sh", "-c", f"{shlex.join(command)} & {wait}", seconds=120)


def _check_decoder(machine: Machine) -> None:
    """There is no compiler, and the decoder is the one that was shipped."""
    assert machine.run("sh", "-c", "command -v cc g++ c++ clang++ || echo none").strip() == "none"
    if platform.machine() == "x86_64":
        assert "/site-packages/bot/" in machine.run("python", "-c", LIBRARY)


def _demo_answers(machine: Machine) -> None:
    """The demo is made, starts with the reader and answers with a citation."""
    machine.run("mentee", "init", "--demo", seconds=600)
    departments = json.loads(machine.run("mentee", "departments", "list", "--json"))
    assert {department["adapter"] for department in departments} == {f"{each['name']}-1" for each in departments}
    answer = json.loads(machine.run("mentee", *QUESTION))
    assert answer["known"]
    assert answer["citations"]


def build(machine: Machine) -> tuple[Machine, list[str], list[str]]:
    """Carry out the Dockerfile; return the last stage, the image's command and that of its health check."""
    pristine = machine.root
    stages: dict[str, Machine] = {}
    command: list[str] = []
    health: list[str] = []
    stage = machine
    for word, rest in _instructions():
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            assert base.startswith("python:"), "the Debian stands in for the image of Python"
            stage = stages[name] = Machine(pristine.with_name(f"stage-{len(stages)}"), dict(machine.mounts))
            _copy(pristine, stage.root)
        elif word == "RUN":
            stage.run("sh", "-ec", rest, online=True, seconds=600)
        elif word == "COPY":
            source = stages[found[1]].root if (found := re.match(r"--from=(\w+) ", rest)) else ROOT
            _copy_into(stage, source, shlex.split(rest.partition(" ")[2] if found else rest))
        elif word == "ENV":
            known = {"PATH": PATH, **stage.environment}
            pairs = (pair.partition("=") for pair in shlex.split(rest))
            stage.environment |= {name: Template(value).substitute(known) for name, _, value in pairs}
        elif word == "WORKDIR":
            stage.folder = rest
            stage.inside(rest).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        elif word == "CMD":
            command = json.loads(rest)
        elif word == "HEALTHCHECK":
            health = json.loads(rest.partition("CMD ")[2])
        else:
            assert word in {"LABEL", "EXPOSE", "VOLUME", "STOPSIGNAL"}, word  # these change no file
    return stage, command, health


def _instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order, each a word and its arguments on one line."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    told = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n\s*", " ", told).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line)]


def _copy_into(stage: Machine, source: Path, arguments: list[str]) -> None:
    *names, last = arguments
    target = stage.inside(last if last.startswith("/") else f"{stage.folder}/{last}")
    for name in names:
        found = source / name.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(found, target)


def _bootstrap(path: Path) -> None:
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    suite = re.search(r'^VERSION_CODENAME="?([\w-]+)', release, re.MULTILINE)
    targets = _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)").splitlines()
    mirrors = [line.split()[0] for line in targets if suite and line.split()[1] == suite[1]]
    if not suite or not mirrors:
        pytest.skip("apt on this machine knows no mirror of its own release")
    packages = "--include=python3,python3-venv,ca-certificates"
    _output("unshare", "--mount", "debootstrap", "--variant=minbase", packages, suite[1], str(path), mirrors[0])
    for source in (Path(name).expanduser() for name in (*CONFIGURATION, *PIP)):
        if source.is_file():
            inside = path / str(source).lstrip("/")
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, inside)
    for source in map(Path, FOLDERS):
        if source.is_dir():
            shutil.copytree(source, path / str(source).lstrip("/"), dirs_exist_ok=True)
    settings = [line for line in _output("apt-config", "dump").splitlines() if APT.match(line)]
    (path / "etc/apt/apt.conf.d/99machine").write_text("".join(f"{line}\n" for line in settings), encoding="utf-8")
    (path / "usr/local/bin/python").symlink_to("/usr/bin/python3")  # what the image of Python calls it


def _package_folders() -> dict[str, Path]:
    """Return the folders of packages that pip on this machine is told of, to be seen at the same place inside."""
    files = [Path(name).expanduser() for name in PIP]
    told = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    told += [value for name, value in _variables().items() if name.startswith("PIP_")]
    paths = {path for text in told for path in re.findall(r"(?:^|[\s=]|file://)(/[^\s'\",]+)", text)}
    # an index in files, a folder "simple", points to packages beside it
    folders = {path.parent if path.name == "simple" else path for path in map(Path, paths) if path.is_dir()}
    return {str(folder): folder for folder in sorted(folders)}


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if VARIABLES.fullmatch(name)}


def _copy(source: Path, target: Path) -> None:
    _output("cp", "-a", str(source), str(target))


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
