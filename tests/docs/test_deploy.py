"""The examples of a deployment hold together with what the engine does."""

from __future__ import annotations

import configparser
import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fixtures import need

from eas_processor.cli.main import main
from eas_processor.cli.model_server_flags import read_flags
from eas_processor.config import load_service

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
GRACE_S = 30
VERSION = "1.34"


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {each["kind"]: each for each in documents}


@pytest.fixture(scope="module")
def pod(objects: dict[str, Any]) -> Any:
    return objects["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def unit() -> Any:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(DEPLOY / "eas.service")
    return parser["Service"]


def test_the_manifests_serve_a_file_that_is_one(objects: dict[str, Any], tmp_path: Path) -> None:
    text = objects["ConfigMap"]["data"]["service.json"]
    path = tmp_path / "service.json"
    path.write_text(json.dumps({**json.loads(text), "token": "t"}))
    loaded = load_service(path)
    assert loaded.notes == []
    assert loaded.service.metadata.eas.termination_grace_period == GRACE_S


def test_the_pod_has_time_to_finish_what_it_accepted(pod: Any) -> None:
    (container,) = pod["containers"]
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= pause + GRACE_S + 10


def test_the_probes_ask_for_what_there_is(pod: Any) -> None:
    (container,) = pod["containers"]
    asked = {each: container[each]["httpGet"]["path"] for each in container if "Probe" in each}
    assert asked == {
        "startupProbe": "/readyz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }


def test_selectors_and_volumes_name_what_exists(objects: dict[str, Any], pod: Any) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    volumes = {each["name"] for each in pod["volumes"]}
    for container in [*pod["containers"], *pod["initContainers"]]:
        assert {each["name"] for each in container["volumeMounts"]} <= volumes


def test_the_manifests_are_what_kubernetes_takes() -> None:
    for document in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_kustomize_changes_what_is_there(objects: dict[str, Any]) -> None:
    changes = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    assert [(DEPLOY / each).exists() for each in changes["resources"]] == [True]
    (replicas,), (image,) = changes["replicas"], changes["images"]
    deployment = objects["Deployment"]
    assert replicas == {
        "name": deployment["metadata"]["name"],
        "count": deployment["spec"]["replicas"],
    }
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{image['name']}:{image['newTag']}"


def test_the_runtime_of_kserve_starts_a_server_that_takes_its_flags() -> None:
    runtime, service = yaml.safe_load_all((DEPLOY / "kserve.yaml").read_text())
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] in {
        each["name"] for each in runtime["spec"]["supportedModelFormats"]
    }
    (container,) = runtime["spec"]["containers"]
    flags = read_flags([each.replace("{{.Name}}", "m") for each in container["args"]])
    assert (flags.unknown, flags.notes(), flags.model_name) == ([], [], "m")
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == flags.rest_api_port
    # The rest of the container is what a pod may have.
    pod = {"containers": [container]}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod},
        VERSION,
        strict=True,
    )


def test_the_commands_have_options_that_exist(
    pod: Any, unit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    known = capsys.readouterr().out
    for command in (pod["containers"][0]["command"], unit["ExecStart"].split()):
        assert {each for each in command if each.startswith("--")} <= set(known.split())


def test_the_unit_lets_the_engine_finish(unit: Any) -> None:
    assert unit["KillMode"] == "mixed"
    assert int(unit["TimeoutStopSec"]) >= GRACE_S + 10
    assert "-HUP" in unit["ExecReload"]


@need.tool("systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "eas.service").read_text()
    unit = tmp_path / "eas.service"
    unit.write_text(text.replace("/opt/eas/bin/eascmd", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
    assert "eas.service" not in verified.stderr
