from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report
from benchmarks.contender import Cell, Endpoint, Unavailable
from benchmarks.peers import PEERS, contenders
from benchmarks.service import body, echo, read_scores, service_file
from eas_processor.config import load_service
from eas_wire import DT_FLOAT, Tensor, decode_request, encode_response

ROW = np.full((1, 784), 0.5, np.float32)


def results(**throughput: float) -> report.Results:
    rows = [
        {"name": name, "settings": "s", "body": "3 KB", "connections": 32}
        | {"throughput": value, "p50": 1.0, "p99": 2.0, "worst": 3.0}
        for name, value in throughput.items()
    ]
    facts = {"when": "now", "machine": "here", "rounds": 1, "seconds": 1}
    return {"rows": rows, "left_out": {"other": "not installed"}, **facts}


def test_targets_are_ratios_to_the_best_peer_measured() -> None:
    known = results(**{report.ON: 900.0, "a, batching": 300.0, "b, no batching": 200.0})
    line = next(each for each in report.targets(known) if each[0].startswith("32 connections"))
    assert line[2:4] == ["a, batching 300", "3"]


def test_what_was_not_measured_has_no_ratio() -> None:
    lines = {line[0]: line for line in report.targets(results(**{report.ON: 900.0}))}
    assert lines["SDK predict p50 above a raw socket"][1] == "not measured"
    assert lines[f"8 connections: {report.ON}"][1] == "not measured"


def test_page_and_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PICTURE", tmp_path / "picture.svg")
    for _ in range(2):
        report.render(results(**{report.ON: 900.0, "a & b, batching": 300.0}))
        text = page.read_text()
        assert text.startswith("before\n") and text.endswith("\nafter\n")
        assert "old" not in text and "- other: not installed" in text
    assert "a &amp; b" in (tmp_path / "picture.svg").read_text()


def test_the_echo_answers_under_load(tmp_path: Path) -> None:
    with echo(tmp_path, ROW).start() as endpoint:
        cell = endpoint.load(2, 60.0, requests=20)
        assert isinstance(cell, Cell) and cell.throughput > 0
        assert cell.p50 <= cell.p99 <= cell.worst


def test_a_wrong_answer_is_not_timed(tmp_path: Path) -> None:
    with echo(tmp_path, ROW).start() as running:
        endpoint = Endpoint(running.url, b"x", lambda answer: np.frombuffer(answer, np.uint8))
        with pytest.raises(Unavailable, match="expected"):
            endpoint.check(np.ones(60, np.float32))


def test_requests_and_answers_of_ours_read_back() -> None:
    assert np.array_equal(decode_request(body(ROW)).inputs["images"].array, ROW)
    answer = encode_response({"scores": Tensor(DT_FLOAT, ROW)})
    assert np.array_equal(read_scores(answer), ROW)


@pytest.mark.parametrize("batching", [True, False])
def test_the_service_file_of_a_row_is_one(batching: bool, tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text(json.dumps(service_file(tmp_path, batching=batching)))
    loaded = load_service(path)
    assert loaded.service.metadata.rpc.batching is batching
    assert not loaded.notes


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_has_two_settings(peer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = [each.name for each in contenders(peer, tmp_path, ROW)]
    assert names == [f"{peer.name}, batching", f"{peer.name}, no batching"]


@pytest.mark.slow
def test_the_models_and_the_callable_loop_run(tmp_path: Path) -> None:
    from benchmarks.footprint import callable_loop

    script = Path(report.ROOT, "benchmarks", "servers", "make_models.py")
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    known = np.load(tmp_path / "rows.npz")
    assert np.allclose(known["scores"].sum(axis=1), 1, atol=1e-5)
    loop = callable_loop(tmp_path / "mlp", 0.1, 1, "1x784", "32x784")
    assert set(loop["calls_per_second"]) == {"1x784", "32x784"}


def test_a_row_above_a_base_has_no_ratio() -> None:
    known = results()
    known["footprint"] = {"start_s": 2.5, "bare_ready_s": 2.0, "requests": 50_000}
    lines = {line[0]: line for line in report.targets(known)}
    line = lines["start to ready above import and load"]
    assert line[1:4] == ["0.5 s above", "import and load 2", ""]
    assert "engine RSS after 50,000 requests more" in lines


def test_the_inline_link_is_no_peer() -> None:
    known = results(**{report.ON: 900.0, "eas inline, batching on": 2000.0, "a, batching": 300.0})
    lines = {line[0]: line for line in report.targets(known)}
    assert lines["32 connections: eas inline, batching on"][1:4] == [
        "2,000 requests/s",
        "a, batching 300",
        "6.67",
    ]
    assert lines[f"32 connections: {report.ON}"][3] == "3"


def test_a_page_shows_no_picture_that_is_not_there() -> None:
    for page in (report.ROOT / "README.md", report.PAGE):
        for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), (page, link)


def test_grpc_is_shown_beside_grpcio():
    def measured(rate: float) -> list[dict[str, float]]:
        return [{"throughput": rate, "server": 20.0, "worker": 3.5}]

    part = {"eas, gRPC": measured(9000.0), "grpcio, asyncio": measured(1000.0)}
    lines = report.grpc_rows({"grpc": {"predict, 32 in flight": part}})

    assert lines[0] == ["eas, gRPC", "32", "9,000", "20.0", "3.5", "9.00"]
    assert lines[1] == ["grpcio, asyncio", "32", "1,000", "20.0", "3.5", "1.00"]


def test_a_run_without_h2load_shows_no_grpc():
    assert report.grpc_rows(results()) == []
