"""`echo_server.py` as a process, of which one sees what it costs, and in a thread of this one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import uvloop
from frontends.grpc.echo_server import EchoRoutes

from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.grpc.first_bytes import Either
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.serving.registry import Registry

SERVER = Path(__file__).parents[1] / "echo_server.py"
ROOT = Path(__file__).parents[4]


class RunningEcho:
    """The process; `address` is where it listens, `errors` what it has said."""

    def __init__(self, **settings: float) -> None:
        changed = [f"{name}={value}" for name, value in settings.items()]
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), "0", *changed],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        )
        assert self.process.stdout is not None
        host, _, port = self.process.stdout.readline().strip().rpartition(":")
        self.address = (host, int(port))

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time that it has taken."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mib(self) -> float:
        """Its resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class EchoInThread:
    """
    The same server on a loop of its own; what it runs counts as covered by tests.

    It speaks HTTP/1.1 too. `how` are keywords of `HttpServer`.
    """

    def __init__(self, settings: EngineSettings | None = None, **how: Any) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listening = self._listen(settings or EngineSettings(port=0), how)
        self.url = asyncio.run_coroutine_threadsafe(listening, self._loop).result()

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.partition("://")[2].rpartition(":")
        return host, int(port)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self, settings: EngineSettings, how: dict[str, Any]) -> str:
        speaks = Either(EchoRoutes())
        self._server = HttpServer(settings, Router(Registry()), speaks=speaks, **how)
        url = self._server.bind()
        await self._server.listen()
        return url

    async def _end(self) -> None:
        await self._server.drain(0.0, 0.0)
        self._server.close()
