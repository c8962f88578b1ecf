"""Profiles the instances of an engine, and reports how busy its services are."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from time import monotonic
from typing import NamedTuple
from urllib.parse import quote

from eas_processor.contracts.backend import Backend, State
from eas_processor.contracts.counters import STEPS, ServiceMetrics
from eas_processor.contracts.refusals import NotReady, Refusal
from eas_processor.frontends.grpc.profiler_messages import MonitorRequest, ProfileRequest
from eas_processor.link.codes import OK
from eas_processor.serving.registry import Registry
from eas_processor.serving.service import Service

_TICKS = os.sysconf("SC_CLK_TCK")


class NoProfile(Refusal):
    """An instance could not be profiled; `code` is the status code of the reason."""

    def __init__(self, code: int, sentence: bytes) -> None:
        super().__init__(sentence.decode(errors="replace"))
        self.code = code


class Profiling:
    """Profiles all ready instances of the public services of a registry at the same time."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._profiled: list[Backend] = []
        self._watches: set[asyncio.Event] = set()

    async def take(self, asked: ProfileRequest) -> dict[str, bytes]:
        """
        Return the profiles by file name, without those of idle instances.

        Raises NotReady if no instance is ready or another profile is running, and NoProfile.
        """
        if self._profiled:
            raise NotReady("another profile is being taken; try again")
        instances = {
            _file_name(service.name, number, each): each
            for number, service in self._services()
            for each in service.instances.instances
            if each.state is State.READY
        }
        if not instances:
            raise NotReady("no instance is ready to be profiled; try again in a moment")
        self._profiled = list(instances.values())
        try:
            answers = await asyncio.gather(
                *(each.profiler.run(asked.seconds, asked.levels) for each in self._profiled)
            )
        finally:
            self._profiled = []
        if all(code != OK for code, _ in answers):
            raise NoProfile(*answers[0])
        return {
            name: profile
            for name, (code, profile) in zip(instances, answers, strict=True)
            if code == OK and profile
        }

    def end(self) -> None:
        """End running profiles and reports now; their callers get the result so far."""
        for each in self._profiled:
            each.profiler.end()
        for watch in self._watches:
            watch.set()

    async def watch(self, asked: MonitorRequest) -> str:
        """Return lines of text that describe the work of each version in these seconds."""
        before = {version: _Seen.of(service) for version, service in self._named()}
        seconds = await self._wait(asked.seconds)
        lines = [f"Timestamp: {datetime.now().astimezone():%H:%M:%S}"] if asked.timestamp else []
        for version, service in self._named():
            if (seen := before.get(version)) is not None:
                did = seen.until(_Seen.of(service), seconds, asked.level)
                lines.append("{} version {}: {}".format(*version, did))
        return "\n".join(lines) or "no model is served"

    async def _wait(self, seconds: float) -> float:
        """Wait for `seconds` or until `end`; return the seconds that have passed."""
        began, end = monotonic(), asyncio.Event()
        self._watches.add(end)
        try:
            await asyncio.wait_for(end.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            self._watches.discard(end)
        return max(monotonic() - began, 1e-3)

    def _services(self) -> Iterator[tuple[int, Service]]:
        """Yield the versions of public services only, because clients here send no token."""
        for entry in self._registry:
            if entry.tokens.public:
                yield from sorted(entry.versions.items())

    def _named(self) -> Iterator[tuple[tuple[str, int], Service]]:
        return (((service.name, number), service) for number, service in self._services())


class _Seen(NamedTuple):
    """The counters of a service at one moment."""

    instances: int
    requests: int
    runs: int
    rows: int
    processor: float
    """The CPU seconds that its present workers have used."""
    steps: dict[str, float]

    @classmethod
    def of(cls, service: Service) -> _Seen:
        metrics: ServiceMetrics = service.metrics
        instances = service.instances.instances
        return cls(
            instances=len(instances),
            requests=metrics.latency.buckets()[-1][1],
            runs=metrics.batch_rows.buckets()[-1][1],
            rows=metrics.batch_rows.rows,
            processor=sum(map(_processor_seconds, {each.pid for each in instances})),
            steps={step: metrics.steps[step].total for step in STEPS},
        )

    def until(self, after: _Seen, seconds: float, level: int) -> str:
        """Describe the work between this moment and `after`; above `level` 1 with the steps."""
        requests, runs = after.requests - self.requests, after.runs - self.runs
        cores = max(0.0, after.processor - self.processor) / seconds
        instances = "1 instance" if after.instances == 1 else f"{after.instances} instances"
        did = f"{instances}, {requests / seconds:.1f} requests/s"
        if runs:
            did += f", {(after.rows - self.rows) / runs:.1f} rows a run"
        did += f", {cores:.2f} processor cores"
        if level > 1 and requests:
            means = (
                f"{step} {(after.steps[step] - self.steps[step]) / requests * 1e3:.3f}"
                for step in STEPS
            )
            did += f"; ms a request: {', '.join(means)}"
        return did


def _file_name(service: str, number: int, instance: Backend) -> str:
    # The client uses it as part of a path, so a `/` in the service name must be quoted.
    return f"{quote(service, safe='')}-{number}-{instance.number}.xplane.pb"


def _processor_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used, or 0.0 if it has ended."""
    with (
        contextlib.suppress(OSError),
        open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file,
    ):
        # The fields follow the program's name, which may contain spaces and brackets: proc(5).
        numbers = file.read().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / _TICKS
    return 0.0
