"""What is deployed names only what exists: metrics, commands, settings, files, ports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from bot.cli.main import command_line
from bot.config.settings import Settings
from bot.observability import metrics
from bot.server.metrics import QueueCollector, exposition
from plugins.slack.settings import SlackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.testing.homes import MakeHome

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana" / "mentee.json").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OBJECTS = yaml.safe_load((DEPLOY / "kubernetes" / "mentee.yaml").read_text())["items"]
KUBERNETES = {(each["kind"], each["metadata"]["name"]): each for each in OBJECTS}


@pytest.fixture(scope="module")
def known_metrics() -> dict[str, set[str]]:
    """Every metric's name with its labels, the queues' included. Those that plugins of other tests made don't count."""
    known: dict[str, set[str]] = {}
    own = {id(each) for each in vars(metrics).values()}
    for metric in metrics.REGISTRY.collect():
        collector: Any = metrics.REGISTRY._names_to_collectors[metric.name]
        if id(collector) not in own:
            continue
        labels = set(collector._labelnames)
        suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}[metric.type]
        for suffix in suffixes:
            known[metric.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return known | {"mentee_queue_depth": {"queue", "state"}, "mentee_queue_oldest_seconds": {"queue"}}


EXPRESSIONS = {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"]} | {
    panel["title"]: panel["targets"][0]["expr"] for panel in DASHBOARD["panels"]
}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_alerts_and_panels_use_metrics_and_labels_that_exist(
    known_metrics: dict[str, set[str]], expression: str
) -> None:
    names = set(re.findall(r"mentee_\w+", expression))
    assert names
    assert names - set(known_metrics) == set()
    labels = {label for name in names for label in known_metrics[name]}
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    selected = set(re.findall(r"[{,](\w+)=", expression))
    assert (grouped | selected) - labels == set()


def test_the_queue_metrics_exist(make_home: MakeHome) -> None:
    mentee = make_home()
    exposed = exposition(QueueCollector(mentee.inbox, mentee.outbox, mentee.escalations))[0].decode()
    assert "# TYPE mentee_queue_depth gauge" in exposed
    assert "# TYPE mentee_queue_oldest_seconds gauge" in exposed


def test_every_metric_is_watched(known_metrics: dict[str, set[str]]) -> None:
    watched = " ".join(EXPRESSIONS.values())
    assert {name for name in known_metrics if not name.endswith(("_sum", "_count")) and name not in watched} == set()


def _commands() -> Iterator[tuple[str, list[str]]]:
    [last] = re.findall(r"^CMD (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    yield "Dockerfile", json.loads(last)
    parts = [*COMPOSE["services"].values()]
    for document in KUBERNETES.values():
        parts += document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    for part in parts:
        command = part.get("command", [])
        if command[:2] == ["sh", "-c"]:
            for line in re.split(r"&&|\|\||;", command[2]):
                if line.strip().startswith("mentee"):
                    yield "shell", line.split()
        elif command[:1] == ["mentee"]:
            yield "exec", command


@pytest.mark.parametrize("command", [command for _, command in _commands()], ids=" ".join)
def test_commands_exist_with_their_options(command: list[str]) -> None:
    root, plugins = command_line(discover=False)
    plugins.close()
    found: click.Command = root
    arguments = command[1:]
    context = click.Context(root, info_name="mentee", **root.context_settings)
    while isinstance(found, click.Group):
        found, arguments = found.commands[arguments[0]], arguments[1:]
    found.make_context(command[-1], list(arguments), parent=context)


def _settings_in(text: str) -> set[str]:
    return set(re.findall(r"\bMENTEE_[A-Z_]+\b", text)) - {"MENTEE_HOME"}


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", "kubernetes/mentee.yaml"])
def test_environment_variables_are_settings(file: str) -> None:
    names = {name.lower().removeprefix("mentee_").split("__")[0] for name in _settings_in((DEPLOY / file).read_text())}
    slack = {f"slack_{name}" for name in SlackSettings.model_fields}
    assert names - set(Settings.model_fields) - slack - {"slack"} == set()


def test_the_cluster_configuration_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.config.settings import load_settings

    (tmp_path / "mentee.toml").write_text(KUBERNETES["ConfigMap", "mentee"]["data"]["mentee.toml"])
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path))
    settings = load_settings()
    assert str(settings.models_dir).startswith(settings.store.artifacts)


def test_nothing_runs_as_root() -> None:
    assert re.search(r"^USER 10001$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    pods = [d["spec"]["template"]["spec"] for d in KUBERNETES.values() if "template" in d.get("spec", {})]
    assert len(pods) == 3
    assert all(pod["securityContext"]["runAsNonRoot"] for pod in pods)
    assert all(not c["securityContext"]["allowPrivilegeEscalation"] for pod in pods for c in pod["containers"])


def test_probes_ask_the_health_pages() -> None:
    web = KUBERNETES["Deployment", "mentee-web"]["spec"]["template"]["spec"]["containers"][0]
    assert (web["livenessProbe"]["httpGet"]["path"], web["readinessProbe"]["httpGet"]["path"]) == ("/livez", "/readyz")
    assert "/livez" in (DEPLOY / "Dockerfile").read_text()


def test_a_stopping_server_has_longer_than_it_drains() -> None:
    drain = Settings.model_fields["limits"].default.drain_seconds
    web = KUBERNETES["Deployment", "mentee-web"]["spec"]["template"]["spec"]
    assert web["terminationGracePeriodSeconds"] > drain
    assert int(COMPOSE["services"]["mentee"]["stop_grace_period"].removesuffix("s")) > drain


def test_the_image_copies_what_exists() -> None:
    for line in re.findall(r"^COPY (?!--from)(.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        assert all((ROOT / name).exists() for name in line.split()[:-1])


def test_the_replicas_share_their_artifacts() -> None:
    claim = KUBERNETES["PersistentVolumeClaim", "mentee-shared"]["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"]
    assert COMPOSE["services"]["mentee"]["environment"]["MENTEE_STORE__ARTIFACTS"] in {
        volume.split(":")[1] for volume in COMPOSE["services"]["mentee"]["volumes"]
    }
