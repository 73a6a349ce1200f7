"""What is deployed names only what exists: metrics, commands, settings, files, ports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
import yaml

from bot import metrics
from bot.cli import command_line
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana" / "mentee.json").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OBJECTS = yaml.safe_load((DEPLOY / "kubernetes" / "mentee.yaml").read_text())["items"]
KUBERNETES = {(each["kind"], each["metadata"]["name"]): each for each in OBJECTS}


@pytest.fixture(scope="module")
def known_metrics():
    """Every metric's name with its labels, the queues' included."""
    known = {}
    for metric in metrics.REGISTRY.collect():
        collector = metrics.REGISTRY._names_to_collectors[metric.name]
        labels = set(collector._labelnames)
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}[metric.type]
        for suffix in suffixes:
            known[metric.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return known | {"mentee_queue_depth": {"queue", "state"}, "mentee_queue_oldest_seconds": {"queue"}}


EXPRESSIONS = {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"]} | {
    panel["title"]: panel["targets"][0]["expr"] for panel in DASHBOARD["panels"]
}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_alerts_and_panels_use_metrics_and_labels_that_exist(known_metrics, expression):
    names = set(re.findall(r"mentee_\w+", expression))
    assert names
    assert names - set(known_metrics) == set()
    labels = set().union(*(known_metrics[name] for name in names))
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    selected = set(re.findall(r"[{,](\w+)=", expression))
    assert (grouped | selected) - labels == set()


def test_the_queue_metrics_exist(make_home):
    exposed = metrics.exposition(make_home())[0].decode()
    assert "# TYPE mentee_queue_depth gauge" in exposed
    assert "# TYPE mentee_queue_oldest_seconds gauge" in exposed


def test_every_metric_is_watched(known_metrics):
    watched = " ".join(EXPRESSIONS.values())
    assert {name for name in known_metrics if not name.endswith(("_sum", "_count")) and name not in watched} == set()


def _commands():
    yield "Dockerfile", json.loads(re.search(r"^CMD (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[1])
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
def test_commands_exist_with_their_options(command):
    root, plugins = command_line(discover=False)
    plugins.close()
    found, arguments = root, command[1:]
    context = click.Context(root, info_name="mentee", **root.context_settings)
    while isinstance(found, click.Group):
        found, arguments = found.commands[arguments[0]], arguments[1:]
    found.make_context(command[-1], list(arguments), parent=context)


def _settings_in(text):
    return set(re.findall(r"\bMENTEE_[A-Z_]+\b", text)) - {"MENTEE_HOME"}


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", "kubernetes/mentee.yaml"])
def test_environment_variables_are_settings(file):
    names = {name.lower().removeprefix("mentee_").split("__")[0] for name in _settings_in((DEPLOY / file).read_text())}
    assert names - set(Settings.model_fields) == set()


def test_the_cluster_configuration_is_valid(tmp_path, monkeypatch):
    from bot.settings import load_settings

    (tmp_path / "mentee.toml").write_text(KUBERNETES["ConfigMap", "mentee"]["data"]["mentee.toml"])
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path))
    settings = load_settings()
    assert str(settings.models_dir).startswith(settings.store.artifacts)


def test_nothing_runs_as_root():
    assert re.search(r"^USER 10001$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    pods = [d["spec"]["template"]["spec"] for d in KUBERNETES.values() if "template" in d.get("spec", {})]
    assert len(pods) == 3
    assert all(pod["securityContext"]["runAsNonRoot"] for pod in pods)
    assert all(not c["securityContext"]["allowPrivilegeEscalation"] for pod in pods for c in pod["containers"])


def test_probes_ask_the_health_pages():
    web = KUBERNETES["Deployment", "mentee-web"]["spec"]["template"]["spec"]["containers"][0]
    assert (web["livenessProbe"]["httpGet"]["path"], web["readinessProbe"]["httpGet"]["path"]) == ("/livez", "/readyz")
    assert "/livez" in (DEPLOY / "Dockerfile").read_text()


def test_a_stopping_server_has_longer_than_it_drains():
    drain = Settings.model_fields["limits"].default.drain_seconds
    web = KUBERNETES["Deployment", "mentee-web"]["spec"]["template"]["spec"]
    assert web["terminationGracePeriodSeconds"] > drain
    assert int(COMPOSE["services"]["mentee"]["stop_grace_period"].removesuffix("s")) > drain


def test_the_image_copies_what_exists():
    for line in re.findall(r"^COPY (?!--from)(.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        assert all((ROOT / name).exists() for name in line.split()[:-1])


def test_the_replicas_share_their_artifacts():
    claim = KUBERNETES["PersistentVolumeClaim", "mentee-shared"]["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"]
    assert COMPOSE["services"]["mentee"]["environment"]["MENTEE_STORE__ARTIFACTS"] in {
        volume.split(":")[1] for volume in COMPOSE["services"]["mentee"]["volumes"]
    }
