"""The monitoring example: its dashboard asks for metrics that exist, and its files fit together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from eas_processor.contracts.counters import ServiceMetrics
from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.metrics import ServiceSample, exposition
from eas_processor.frontends.router import Router
from eas_processor.serving.registry import Registry

MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"
GAUGES = {"in_flight": 0, "queue_length": 0, "instances_ready": 1}


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads((MONITORING / "grafana" / "dashboards" / "eas.json").read_text())


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((MONITORING / "compose.yaml").read_text())


def exposed() -> set[str]:
    """Return the names of all samples that a server shows."""
    sample = ServiceSample({"service": "digits"}, ServiceMetrics(), GAUGES, {"ready": 1})
    sample.metrics.codes[200] += 1
    server = HttpServer(EngineSettings(), Router(Registry()))
    lines = exposition([sample], {401: 1}, server.metrics(), {"digits": True})
    return {re.split(r"[{ ]", each)[0] for each in lines if not each.startswith("#")}


def expressions(dashboard: Any) -> list[str]:
    panels = [each for each in dashboard["panels"] if each["type"] != "row"]
    queries = [target["expr"] for each in panels for target in each["targets"]]
    return queries + [each["definition"] for each in dashboard["templating"]["list"]]


def test_the_dashboard_asks_for_metrics_that_exist(dashboard: Any) -> None:
    asked = {name for each in expressions(dashboard) for name in re.findall(r"\beas_\w+", each)}
    assert len(asked) > 10
    assert asked <= exposed()


def test_panels_do_not_overlap_and_say_what_they_show(dashboard: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"].endswith(".")
    numbers = [each["id"] for each in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_files_that_are_mounted_exist(compose: Any) -> None:
    from_user = {"./service.json", "./models"}
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert source in from_user or (MONITORING / source).exists(), source
            else:
                assert source in compose["volumes"]


def test_prometheus_reads_the_port_of_the_service(compose: Any) -> None:
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    name, port = target.split(":")
    assert compose["services"][name]["ports"] == [f"{port}:{port}"]


def test_grafana_has_the_source_that_the_dashboard_names(dashboard: Any) -> None:
    provisioned = MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    (source,) = yaml.safe_load(provisioned.read_text())["datasources"]
    named = {each["datasource"]["uid"] for each in dashboard["panels"] if each.get("datasource")}
    assert named == {source["uid"]}
