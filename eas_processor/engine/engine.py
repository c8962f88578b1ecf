"""The engine: one service behind one address, from start to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from eas_processor.engine.admission import Admission
from eas_processor.engine.directory import socket_directory
from eas_processor.engine.open_files import raise_limit
from eas_processor.engine.router import Endpoint, Router
from eas_processor.engine.server import HttpServer
from eas_processor.engine.settings import EngineSettings, ServiceSettings
from eas_processor.engine.supervisor import Supervisor

log = logging.getLogger("eas_processor.engine")

OnReady = Callable[[str, str], None]


def run(settings: EngineSettings, service: ServiceSettings, on_ready: OnReady) -> None:
    """
    Serve until SIGTERM or SIGINT.

    When requests are taken, `on_ready` gets `http://HOST:PORT` and the signature JSON, or "" for a
    model that has none.

    Raises SetupError when the service cannot start. Leaves no process and no file behind.
    """
    raise_limit(settings.max_connections)
    uvloop.run(_Engine(settings, service).run(on_ready))


class _Engine:
    def __init__(self, settings: EngineSettings, service: ServiceSettings) -> None:
        self._settings = settings
        self._service = service
        self._stop = asyncio.Event()
        self._stop_at_once = asyncio.Event()

    async def run(self, on_ready: OnReady) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        with socket_directory() as directory:
            await self._serve(directory, on_ready)

    async def _serve(self, directory: Path, on_ready: OnReady) -> None:
        admission = Admission(self._service)
        supervisor = Supervisor(self._service, admission, directory, self._settings.start_timeout)
        endpoint = Endpoint(self._service, admission, supervisor)
        server = HttpServer(self._settings, Router([endpoint]))
        try:
            address = server.bind()
            if await _unless(self._stop, supervisor.start()):
                await server.listen()
                # What lives as long as the process is not looked at by the collector again.
                gc.collect()
                gc.freeze()
                status, info = endpoint.describe()
                on_ready(address, info.decode() if status == 200 else "")
                await self._stop.wait()
                log.info("shutting down: %d request(s) to finish", admission.outstanding)
                drain = server.drain(self._settings.grace, self._settings.drain_moment)
                await _unless(self._stop_at_once, drain)
            else:
                log.info("stopped before the service was ready")
        finally:
            server.close()
            await supervisor.stop()

    def _interrupt(self) -> None:
        """Shut down on the first Ctrl-C, at once on the second."""
        if self._stop.is_set():
            self._stop_at_once.set()
        self._stop.set()


async def _unless(event: asyncio.Event, job: Coroutine[Any, Any, None]) -> bool:
    """Run `job` until `event` is set; return whether it came to its end."""
    task, stop = asyncio.create_task(job), asyncio.create_task(event.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return False
