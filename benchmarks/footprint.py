"""Memory, start, the SDKs and a ResNet: the service beside what it stands on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.contender import HERE, Endpoint, Unavailable, environment_python
from benchmarks.service import big_body, service_file, serving
from eas_processor import wire

MB = 1024 * 1024


def script(python: str | Path, name: str, *arguments: str) -> Any:
    """Run one of the scripts in `servers/` and return its last line as JSON."""
    done = subprocess.run(
        [str(python), str(HERE / "servers" / name), *arguments],
        capture_output=True,
        text=True,
        cwd=HERE / "servers",
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"{name} failed: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def callable_loop(model: Path, seconds: float, threads: int, *shapes: str) -> Any:
    """Return `ready_s`, `rss` and `calls_per_second` of the model without a server."""
    return script(
        sys.executable, "callable_loop.py", str(model), str(seconds), str(threads), *shapes
    )


def footprint(work: Path, seconds: float, rounds: int) -> dict[str, float]:
    """Return start in s, memory in MB, and what a second worker takes, from `rounds` starts."""
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    for _ in range(rounds):
        begin = time.perf_counter()
        bare = callable_loop(work / "mlp", 0.1, 1, "1x784")
        note("bare_ready_s", bare["ready_s"])
        note("bare_rss_mb", bare["rss"] / MB)
        begin = time.perf_counter()
        with serving(work, service_file(work / "mlp", batching=True)) as service:
            note("start_s", time.perf_counter() - begin)
            endpoint = Endpoint(service.url, big_body(1), token=service.token)
            endpoint.ask()
            note("engine_idle_mb", rss(service.pid))
            endpoint.load(32, seconds)
            note("engine_after_load_mb", rss(service.pid))
            worker = _worker(service.pid)
            note("worker_mb", rss(worker))
            note("second_worker_s", _replaced(endpoint, worker))
    return {name: statistics.median(values) for name, values in figures.items()}


def _replaced(endpoint: Endpoint, worker: int) -> float:
    """Kill a worker; return the seconds until the next request is answered."""
    begin = time.perf_counter()
    os.kill(worker, signal.SIGKILL)
    while time.perf_counter() - begin < 30:
        with contextlib.suppress(Unavailable, OSError):
            endpoint.ask()
            return time.perf_counter() - begin
        time.sleep(0.002)
    raise Unavailable("no worker came back within 30 s")


def rss(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def _worker(engine: int) -> int:
    """Return the worker's process: the youngest below the engine."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(stat[1])
    below, found = [engine], [engine]
    while below:
        below = [pid for pid, parent in parents.items() if parent in below]
        found += below
    return max(found)


def sdks(work: Path, calls: int) -> dict[str, Any]:
    """Return the microseconds of our client and the vendor's against one service of ours."""
    figures: dict[str, Any] = {}
    with serving(work, service_file(work / "mlp", batching=True)) as service:
        arguments = (service.url, service.token, str(calls))
        figures["ours"] = script(sys.executable, "sdk_client.py", *arguments)
        try:
            python = environment_python("vendor", ["eas-prediction"])
            figures["vendor"] = script(python, "sdk_client.py", *arguments)
        except Unavailable as error:
            figures["vendor_left_out"] = str(error)
    return figures


def resnet(work: Path, seconds: float, rounds: int) -> dict[str, Any]:
    """Return images a second of a ResNet-50, served and in a bare loop, in turn."""
    import numpy as np

    image = np.random.default_rng(3).random((1, 224, 224, 3), dtype=np.float32)
    tensor = wire.Tensor(wire.DT_FLOAT, image)
    request = wire.encode_request(wire.Request("serving_default", {"images": tensor}, []))
    content = service_file(work / "resnet", batching=False, cpu=2)
    content["metadata"]["rpc"] = {"worker_threads": 1}
    served, bare = [], []
    with serving(work, content) as service:
        endpoint = Endpoint(service.url, request, token=service.token)
        endpoint.ask()
        for _ in range(rounds):
            served.append(endpoint.load(2, seconds).throughput)
            loop = callable_loop(work / "resnet", seconds, 2, "1x224x224x3")
            bare.append(next(iter(loop["calls_per_second"].values())))
    shown = json.dumps(content | {"model_path": "resnet"})
    return {
        "served": statistics.median(served),
        "bare": statistics.median(bare),
        "service_file": shown,
    }
