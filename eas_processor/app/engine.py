"""The engine: one service behind one address, from start to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from eas_processor.app.open_files import OpenFiles
from eas_processor.app.sighup import OnSighup
from eas_processor.contracts.backend import Instances
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.frontends.admin import AdminServer
from eas_processor.frontends.eas.routes import Router
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.http.tls import Tls
from eas_processor.instances.directory import socket_directory
from eas_processor.instances.inline import Hooks, InlineInstances
from eas_processor.instances.supervisor import Supervisor
from eas_processor.link.codes import OK
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import end_tasks
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import registry_of
from eas_processor.serving.service import Service
from eas_processor.serving.updates import Updates

log = logging.getLogger("eas_processor.engine")

OnReady = Callable[[str, str], None]


@dataclass(frozen=True)
class Control:
    """
    How a running service is changed.

    `reread` reads the service file again; `stamp` changes when it should be, for `--watch`, and
    was `stamped` before it was read; `on_admin` gets the address of the admin routes;
    `model_is_kept` tells whether a version can be loaded again.
    """

    reread: Callable[[], ServiceSettings]
    on_admin: Callable[[str], None]
    stamp: Callable[[], object] | None = None
    stamped: object = None
    model_is_kept: Callable[[ServiceSettings], bool] = lambda _: True


def run(
    settings: EngineSettings,
    service: ServiceSettings,
    on_ready: OnReady,
    control: Control | None = None,
    load_inline: Callable[[], Hooks] | None = None,
    on_sighup: OnSighup = OnSighup.RELOAD,
) -> None:
    """
    Serve until SIGTERM or SIGINT, with the hooks of `load_inline` in this process, if given.

    When requests are taken, `on_ready` gets `http://HOST:PORT` and the signature JSON, or "" for a
    model that has none.

    Raises SetupError when the service cannot start. Leaves no process and no file behind.
    """
    files = OpenFiles(settings.max_connections)
    settings = replace(settings, max_connections=files.most_connections(service.instances))
    engine = _Engine(settings, service, files, control, load_inline, on_sighup)
    uvloop.run(engine.run(on_ready))


class _Engine:
    def __init__(
        self,
        settings: EngineSettings,
        service: ServiceSettings,
        files: OpenFiles,
        control: Control | None,
        load_inline: Callable[[], Hooks] | None,
        on_sighup: OnSighup,
    ) -> None:
        self._settings = settings
        self._files = files
        self._load_inline = load_inline
        self._sighup = on_sighup
        self._control = control
        self._tasks: set[asyncio.Task[None]] = set()
        self._service = service
        self._stop = asyncio.Event()
        self._stop_at_once = asyncio.Event()
        self._updates: Updates | None = None
        self._reload_due = False

    async def run(self, on_ready: OnReady) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        if self._sighup is not OnSighup.IGNORE:
            loop.add_signal_handler(signal.SIGHUP, self._on_sighup)
        if self._load_inline is not None:
            await self._serve(Path(), on_ready)  # no worker connects to a socket
            return
        with socket_directory() as directory:
            await self._serve(directory, on_ready)

    async def _serve(self, directory: Path, on_ready: OnReady) -> None:
        admission = Admission(self._service)
        budget = Budget(self._settings.max_buffered, self._settings.max_body)
        instances = self._instances(admission, directory, budget)
        service = Service(self._service, admission, instances, budget, self._settings.max_body)
        server = HttpServer(self._settings, Router(registry_of(service)), budget)
        admin: AdminServer | None = None
        try:
            address = server.bind()
            if await _unless(self._stop, instances.start()):
                admin = await self._open_admin(service, server)
                await server.listen()
                # What lives as long as the process is not looked at by the collector again.
                gc.collect()
                gc.freeze()
                code, info = service.describe()
                on_ready(address, info.decode() if code == OK else "")
                await self._stop.wait()
                await end_tasks(self._tasks)
                if admin is not None:
                    await admin.close()
                log.info("shutting down: %d request(s) to finish", admission.outstanding)
                drain = server.drain(service.settings.grace, self._settings.drain_moment)
                await _unless(self._stop_at_once, drain)
            else:
                log.info("stopped before the service was ready")
        finally:
            server.close()
            await instances.stop()

    def _instances(self, admission: Admission, directory: Path, budget: Budget) -> Instances:
        if self._load_inline is not None:
            return InlineInstances(self._service, admission, self._load_inline)
        return Supervisor(self._service, admission, directory, self._settings.start_timeout, budget)

    def _interrupt(self) -> None:
        """Shut down on the first Ctrl-C, at once on the second."""
        if self._stop.is_set():
            self._stop_at_once.set()
        self._stop.set()

    def _on_sighup(self) -> None:
        """Reload, once there is something to reload, or shut down because the terminal is gone."""
        if self._sighup is OnSighup.STOP:
            self._stop.set()
        elif self._sighup is OnSighup.RELOAD and not self._stop.is_set():
            if self._updates is None:
                self._reload_due = True
            else:
                self._spawn(self._updates.try_to_reload())

    async def _open_admin(self, service: Service, server: HttpServer) -> AdminServer | None:
        if (control := self._control) is None:
            return None
        self._updates = Updates(
            service,
            self._with_room(_with_certificate(control.reread, server.tls), server),
            control.stamp,
            control.model_is_kept,
        )
        admin = AdminServer(self._updates, self._settings.admin_token)
        server.also_shown.append(admin.metrics)
        control.on_admin(await admin.listen(self._settings.admin_port))
        if control.stamp is not None:
            self._spawn(self._updates.watch(control.stamped))
        if self._reload_due:
            self._on_sighup()
        return admin

    def _with_room(
        self, reread: Callable[[], ServiceSettings], server: HttpServer
    ) -> Callable[[], ServiceSettings]:
        """Return a `reread`, which runs in a thread, that keeps room for the new instances too."""
        loop = asyncio.get_running_loop()

        def keep(instances: int) -> None:
            most = self._files.most_connections(instances)
            server.settings = replace(server.settings, max_connections=most)

        def reread_and_keep() -> ServiceSettings:
            settings = reread()
            loop.call_soon_threadsafe(keep, settings.instances)
            return settings

        return reread_and_keep

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _with_certificate(
    reread: Callable[[], ServiceSettings], tls: Tls | None
) -> Callable[[], ServiceSettings]:
    """Return a `reread`, which runs in a thread, that reads the certificate again too."""
    if tls is None:
        return reread
    loop = asyncio.get_running_loop()

    async def renew() -> None:
        tls.renew()

    def reread_both() -> ServiceSettings:
        settings = reread()
        # In the loop's thread: no handshake may be under way in another.
        asyncio.run_coroutine_threadsafe(renew(), loop).result()
        return settings

    return reread_both


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
