"""Runs an engine with many services during a benchmark, and loads several of them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.checkout import processor_s
from benchmarks.contender import Unavailable, free_port
from benchmarks.service import big_body, service_file
from eas_processor.bench.load import Load, Plan, Result
from eas_processor.bench.summary import percentile
from eas_processor.bench.target import Target, build_requests

START_S = 300.0
STOP_S = 60.0


@dataclass(frozen=True)
class Round:
    """Requests a second, latencies in ms, and the processor time of a request in µs."""

    throughput: float
    p50: float
    p99: float
    engine: float
    worker: float


def write_service(
    directory: Path, name: str, model: Path, *, batching: bool, **metadata: Any
) -> None:
    """Write a service file atomically. The token of the service is its name."""
    content = service_file(model, batching=batching, **metadata) | {"name": name, "token": name}
    draft = directory / f"{name}.draft"
    draft.write_text(json.dumps(content))
    draft.replace(directory / f"{name}.json")


class Engine:
    """A running engine. `names` are its services. The token of each is its name."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.names = sorted(each.stem for each in directory.glob("*.json"))
        self._port = free_port()
        self._body = big_body(1)
        self._log = directory / "log"
        home = {"EAS_HOME": str(directory / "home"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        self._environment = os.environ | home
        command = [sys.executable, "-m", "eas_processor.cli", "serve", str(directory)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self._port), *options],
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait_for_ready(self, count: int) -> None:
        """Wait until the engine has `count` services and all are ready. Raises Unavailable."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            if self._all_ready() and len(self._services()) == count:
                return
            time.sleep(0.1)
        states = Counter(each["state"] for each in self._listed())
        raise Unavailable(f"not {count} services are ready but {dict(states)}:\n{self._log_end()}")

    def wait_for_model(self, name: str, model: Path) -> None:
        """Wait until every instance of a service has a model. Raises Unavailable."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if {each["model"] for each in self._listed(name)["instances"]} == {str(model)}:
                return
        raise Unavailable(f"{name} does not serve {model}:\n{self._log_end()}")

    def workers(self) -> list[int]:
        """Return the worker processes of all services."""
        return [
            each["pid"] for name in self._services() for each in self._listed(name)["instances"]
        ]

    def _services(self) -> list[str]:
        return [each["service"] for each in self._listed()]

    def _listed(self, *names: str) -> Any:
        """Return the list of `eascmd w`: the services, or one of them with its instances."""
        command = [sys.executable, "-m", "eas_processor.cli", "w", "--json", *names]
        done = subprocess.run(command, capture_output=True, env=self._environment, check=True)
        return json.loads(done.stdout)

    def _all_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", "/readyz?all")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log_end(self) -> str:
        return self._log.read_text()[-500:]

    def load(
        self, names: Sequence[str], connections: int, seconds: float, rate: float = 0.0
    ) -> Round:
        """
        Load services concurrently for one round. Raises Unavailable if a request fails.

        Each name has its own load, with a share of the connections and the rate. If a name occurs
        several times, it gets several loads, so that one and many services are loaded alike.
        """
        children_before = children(self.pid)
        spent = [processor_s(self.pid), sum(map(processor_s, children_before))]
        results = uvloop.run(self._loads(names, connections, seconds, rate))
        now = [processor_s(self.pid), sum(map(processor_s, children_before))]
        _check(results)
        latencies = array("f")
        for each in results:
            latencies.extend(each.latencies)
        ordered, answers = sorted(latencies), sum(each.answers for each in results)
        return Round(
            throughput=sum(each.throughput for each in results),
            p50=percentile(ordered, 50) * 1000,
            p99=percentile(ordered, 99) * 1000,
            engine=(now[0] - spent[0]) / answers * 1e6,
            worker=(now[1] - spent[1]) / answers * 1e6,
        )

    def load_during(
        self, names: Sequence[str], connections: int, change: Callable[[], None]
    ) -> int:
        """Load services while `change` runs; return how many requests were answered."""
        failures: list[Exception] = []
        over = threading.Event()

        def run() -> None:
            try:
                change()
            except Exception as error:
                failures.append(error)
            over.set()

        thread = threading.Thread(target=run)
        thread.start()
        answered = 0
        while not over.is_set():
            results = uvloop.run(self._loads(names, connections, 2.0, 0.0))
            _check(results)
            answered += sum(each.answers for each in results)
        thread.join()
        for each in failures:
            raise each
        return answered

    def stop(self) -> None:
        """End the engine."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    async def _loads(
        self, names: Sequence[str], connections: int, seconds: float, rate: float
    ) -> list[Result]:
        parts = len(names)
        plan = Plan(max(1, connections // parts), seconds, warm_up=0, rate=rate / parts)
        loads = [self._load(each, plan) for each in names]
        # Loads that start at the same time would send at the same times.
        pause = 1 / rate if rate else 0.0
        return await asyncio.gather(
            *(_later(number * pause, each) for number, each in enumerate(loads))
        )

    def _load(self, name: str, plan: Plan) -> Load:
        target = Target("127.0.0.1", self._port, f"/api/predict/{name}")
        return Load(target, build_requests(target, [self._body], token=name), plan)


async def _later(pause: float, load: Load) -> Result:
    await asyncio.sleep(pause)
    return await load.run()


def _check(results: Sequence[Result]) -> None:
    for each in results:
        # Delays in sending are part of the latencies.
        if each.failed or not each.good:
            why = f"{dict(each.statuses)} {dict(each.errors)}"
            raise Unavailable(f"{each.failed} of {each.answers} requests failed: {why}")


def children(parent: int) -> list[int]:
    """Return the live children of a process."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (each / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(each.name))
    return found


@contextlib.contextmanager
def engine_of_many(directory: Path, *options: str) -> Iterator[Engine]:
    """Serve a directory of service files during the block. Raises Unavailable."""
    running = Engine(directory, *options)
    try:
        running.wait_for_ready(len(running.names))
        yield running
    finally:
        running.stop()
