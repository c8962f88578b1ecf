"""Measures memory, start, the SDKs and a ResNet-50 against the same work without a server."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import eas_wire as wire
from benchmarks.contender import HERE, Endpoint, Unavailable, environment_python
from benchmarks.service import big_body, service_file, serving
from eas_processor.cli.admin import change
from eas_processor.cli.bench_service import running

MB = 1024 * 1024
FIRST_REQUESTS = 20_000


def script(python: str | Path, name: str, *arguments: str) -> Any:
    """Run one of the scripts in `servers/` and return its last line as JSON."""
    done = subprocess.run(
        [str(python), str(HERE / "servers" / name), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=HERE / "servers",
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"{name} failed: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def callable_loop(model: Path, seconds: float, threads: int, *shapes: str) -> Any:
    """Return `ready_s`, `load_s`, `pss_mb` and `calls_per_second` of the model, no server."""
    return script(
        sys.executable, "callable_loop.py", str(model), str(seconds), str(threads), *shapes
    )


def footprint(work: Path, rounds: int, requests: int) -> dict[str, float]:
    """
    Return the start in s, memory in MB, and the cost of a second worker: medians of `rounds`.

    The engine's memory is measured idle, after 20,000 requests and after `requests` requests.
    """
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    for _ in range(rounds):
        bare = callable_loop(work / "mlp", 0.1, 1, "1x784")
        note("bare_ready_s", bare["ready_s"])
        note("bare_load_s", bare["load_s"] + bare["first_call_s"])
        note("bare_pss_mb", bare["pss_mb"])
        content = service_file(work / "mlp", batching=True)
        path = work / "footprint.json"
        path.write_text(json.dumps(content))
        begin = time.perf_counter()
        with running(path) as service:
            note("start_s", time.perf_counter() - begin)
            endpoint = Endpoint(service.url, big_body(1), token=service.token)
            endpoint.ask()
            note("engine_idle_mb", rss(service.pid))
            endpoint.load(32, math.inf, requests=FIRST_REQUESTS)
            note("engine_warm_mb", rss(service.pid))
            endpoint.load(32, math.inf, requests=requests)
            note("engine_after_load_mb", rss(service.pid))
            launcher, worker = below(service.pid)
            note("build_pss_mb", rollup(launcher, "Pss") + rollup(worker, "Pss"))
            note("worker_private_mb", rollup(worker, "Private_Clean", "Private_Dirty"))
            content["metadata"]["instance"] = 2
            path.write_text(json.dumps(content))
            begin = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                change(path, "reload")
            _answered_beside(endpoint, worker)
            note("second_worker_s", time.perf_counter() - begin)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return medians | {"requests": requests}


def _answered_beside(endpoint: Endpoint, first: int) -> None:
    """Return once a worker other than `first` has answered a request."""
    os.kill(first, signal.SIGSTOP)  # it keeps the one request that it gets
    try:
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(endpoint.ask) for _ in range(2)]
            wait(asked, return_when=FIRST_COMPLETED)
            os.kill(first, signal.SIGCONT)
            for each in asked:
                each.result()
    finally:
        os.kill(first, signal.SIGCONT)


def rollup(pid: int, *fields: str) -> float:
    """Return the sum of fields of a process's `smaps_rollup` in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    known = dict(each.split(":") for each in lines)
    return sum(int(known[each].split()[0]) for each in fields) / 1024


def rss(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def below(engine: int) -> tuple[int, int]:
    """Return the processes of the launcher and of its worker."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(stat[1])
    for worker, launcher in parents.items():
        if parents.get(launcher) == engine:
            return launcher, worker  # as it was before workers became the engine's children
    children = sorted(pid for pid, parent in parents.items() if parent == engine)
    # A worker has threads; a launcher and its spare have none.
    workers = [each for each in children if len(os.listdir(f"/proc/{each}/task")) > 1]
    if len(workers) == 1 and len(children) > 1:
        return min(each for each in children if each not in workers), workers[0]
    raise Unavailable("the engine has no launcher with a worker")


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
    """Return images a second of a ResNet-50, served and in a bare loop, `seconds` each in turn."""
    import numpy as np

    image = np.random.default_rng(3).random((1, 224, 224, 3), dtype=np.float32)
    tensor = wire.Tensor(wire.DT_FLOAT, image)
    request = wire.encode_request(wire.Request("serving_default", {"images": tensor}, []))
    content = service_file(work / "resnet", batching=False, cpu=2)
    content["metadata"]["rpc"] = {"worker_threads": 1}
    served, bare = [], []
    shape = "x".join(map(str, image.shape))
    command = [sys.executable, "callable_loop.py", str(work / "resnet"), str(seconds), "2", shape]
    with (
        serving(work, content) as service,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=HERE / "servers",
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        endpoint = Endpoint(service.url, request, token=service.token)
        endpoint.ask()
        for _ in range(rounds):
            served.append(endpoint.load(2, seconds).throughput)
            print(file=process.stdin, flush=True)
            bare.append(float(process.stdout.readline()))
    shown = json.dumps(content | {"model_path": "resnet"})
    return {
        "served": statistics.median(served),
        "bare": statistics.median(bare),
        # The ratio of each turn, because the speed of the machine varies more over the run.
        "ratio": statistics.median(mine / loop for mine, loop in zip(served, bare, strict=True)),
        "rounds": {"served": served, "bare": bare},
        "service_file": shown,
    }
