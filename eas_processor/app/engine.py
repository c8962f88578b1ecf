"""The engine: serves all services at one address, from start to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from eas_processor.app.directories import Directories
from eas_processor.app.hosting import Shares, Source
from eas_processor.app.listeners import Listeners
from eas_processor.app.models.server import ModelOffer, Models
from eas_processor.app.open_files import OpenFiles
from eas_processor.app.plan import ServiceFile
from eas_processor.app.running import Entries
from eas_processor.app.services import Services
from eas_processor.app.sighup import OnSighup
from eas_processor.config.token import admin_token
from eas_processor.config.values import is_service_name
from eas_processor.contracts.backend import Instances
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.frontends.admin import AdminServer, Managed
from eas_processor.instances.inline import Hooks, InlineInstances
from eas_processor.instances.machine import Machine
from eas_processor.instances.supervisor import Supervisor
from eas_processor.link.codes import OK
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import end_tasks
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import Registry
from eas_processor.serving.service import Service

log = logging.getLogger("eas_processor.engine")

_RETRY_S = 5.0

OnServing = Callable[[str, Source, ServiceSettings, str], None]
"""
Called when a service takes its first calls.

The arguments are `http://HOST:PORT`, the source, the settings, and the signature as JSON, or "" for
a model without one.
"""


@dataclass
class Offer:
    """
    The services or models that an engine serves.

    One source without `directories` is `alone`: if its service cannot start, the engine ends.
    `make_source` returns the source for a file in a directory.
    """

    sources: Sequence[Source] = ()
    directories: Directories | None = None
    make_source: Callable[[Path], Source] = ServiceFile
    watches: bool = False
    """Whether files are watched for changes, and directories for new files."""
    on_listening: Callable[[str], None] = lambda _: None
    """Called with `http://HOST:PORT` when connections are accepted."""
    models: ModelOffer | None = None
    """Models of numbered versions. If they are given, `sources` and `directories` are ignored."""

    @property
    def alone(self) -> bool:
        return self.directories is None and len(self.sources) == 1


def run(
    settings: EngineSettings,
    offer: Offer,
    on_serving: OnServing,
    entries: Entries | None = None,
    load_inline: Callable[[ServiceSettings], Hooks] | None = None,
    on_sighup: OnSighup = OnSighup.RELOAD,
) -> None:
    """
    Serve until SIGTERM or SIGINT.

    With `load_inline`, its hooks run in this process, without workers. With `entries`, the engine
    has admin routes, and `eascmd` finds them by the entries. Raises SetupError if nothing can be
    served. Leaves no process and no file behind.
    """
    files = OpenFiles(settings.max_connections)
    settings = replace(settings, max_connections=files.most_connections(0))
    engine = _Engine(settings, offer, on_serving, entries, load_inline, on_sighup, files)
    uvloop.run(engine.run())


class _Engine:
    def __init__(
        self,
        settings: EngineSettings,
        offer: Offer,
        on_serving: OnServing,
        entries: Entries | None,
        load_inline: Callable[[ServiceSettings], Hooks] | None,
        on_sighup: OnSighup,
        files: OpenFiles,
    ) -> None:
        self._settings = settings
        self._offer = offer
        self._on_serving = on_serving
        self._entries = entries
        self._load_inline = load_inline
        self._sighup = on_sighup
        self._files = files
        self._stop = asyncio.Event()
        self._stop_at_once = asyncio.Event()
        self._registry = Registry()
        self._budget = Budget(settings.max_buffered, settings.max_body)
        self._listeners = Listeners(settings, self._registry, self._budget)
        self._server = self._listeners.http
        shares = Shares(
            settings,
            self._registry,
            self._budget,
            self._instances,
            self._reserve_files,
            self._renew_certificate,
            self._serving,
            entries.add if entries is not None else lambda _: None,
            entries.remove if entries is not None else lambda _: None,
        )
        self._services: Services | Models
        if offer.models is not None:
            self._services = models = Models(shares, offer.models)
            self._listeners.follow(models)
        else:
            self._services = Services(shares, watches=offer.watches)
        self._address = ""
        self._listens = False
        self._not_announced: list[tuple[Source, Service]] = []
        self._admin: AdminServer | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        if self._sighup is not OnSighup.IGNORE:
            loop.add_signal_handler(signal.SIGHUP, self._on_sighup)
        self._machine = Machine()
        clock = asyncio.create_task(self._retry_entries())
        try:
            self._address = self._listeners.bind()
            if await _unless(self._stop, self._start()):
                await self._stop.wait()
            if self._listens:
                await self._shut_down()
            else:
                log.info("stopped before anything was ready")
        finally:
            self._listeners.close()
            await end_tasks([clock])
            await self._services.stop()
            await self._machine.stop()
            if self._admin is not None:
                await self._admin.close()

    async def _start(self) -> None:
        offer, services = self._offer, self._services
        if isinstance(services, Models):
            await services.start()
            await self._open()
            self._freeze()
            return
        if offer.alone:
            await services.start_alone(offer.sources[0])
            await self._open()
        else:
            # `/readyz` and `eascmd w` show the state of each service meanwhile.
            await self._open()
            await services.start_all(offer.sources)
        if offer.directories is not None and offer.watches:
            services.follow(offer.directories, offer.make_source)
        self._freeze()

    def _freeze(self) -> None:
        """Exclude present objects, which live as long as the process, from garbage collection."""
        # The figures are in docs/decisions/frozen-collector.md.
        gc.collect()
        gc.freeze()

    async def _open(self) -> None:
        """Open the admin port, then accept connections, and announce services that serve."""
        await self._open_admin()
        await self._listeners.listen()
        self._listens = True
        self._offer.on_listening(self._address)
        waiting, self._not_announced = self._not_announced, []
        for each in waiting:
            self._announce(*each)

    async def _open_admin(self) -> None:
        if (entries := self._entries) is None:
            return
        token = self._settings.admin_token
        self._admin = AdminServer(self, token, self._admin_token_of)
        self._server.also_shown.append(self._admin.metrics)
        entries.open(await self._admin.listen(self._settings.admin_port))

    def _admin_token_of(self, name: str) -> str:
        """Return the admin token of a service, "" if no service has this name."""
        known = self._registry.find(name.encode()) is not None and is_service_name(name)
        return admin_token(name).value if known else ""

    def managed(self) -> Sequence[Managed]:
        """Return the hosts that the admin routes show and change."""
        return self._services.hosts

    async def metrics_text(self) -> bytes:
        """Return the text of `/metrics` for all services."""
        return await self._listeners.router.metrics_text(self._server)

    async def _retry_entries(self) -> None:
        """Take over the entries of another engine when it has ended."""
        while self._entries is not None:
            await asyncio.sleep(_RETRY_S)
            self._entries.retry()

    async def _shut_down(self) -> None:
        services = self._services
        await services.end_changes()
        log.info("shutting down: %d request(s) to finish", services.outstanding)
        drain = self._listeners.drain(services.most_grace, self._settings.drain_moment)
        await _unless(self._stop_at_once, drain)

    def _instances(self, settings: ServiceSettings, admission: Admission) -> Instances:
        if self._load_inline is not None:
            return InlineInstances(settings, admission, partial(self._load_inline, settings))
        start_timeout = self._settings.start_timeout
        return Supervisor(settings, admission, self._machine, start_timeout, self._budget)

    def _reserve_files(self, settings: ServiceSettings) -> None:
        """Lower the limit of connections, so that descriptors are left for all instances."""
        services = self._services
        if isinstance(services, Models):
            self._limit_connections(services.instances, 1)
            return
        counts = [
            each.settings.instances
            for entry in self._registry
            for each in entry.versions.values()
            if each.name != settings.name
        ]
        counts.append(settings.instances)
        self._limit_connections(sum(counts), max(counts))

    def _limit_connections(self, instances: int, updated: int) -> None:
        most = self._files.most_connections(instances, updated)
        self._listeners.limit_connections(most)

    def _renew_certificate(self) -> None:
        if self._server.tls is not None:
            self._server.tls.renew()

    def _serving(self, source: Source, service: Service) -> None:
        if self._listens:
            self._announce(source, service)
        else:
            self._not_announced.append((source, service))

    def _announce(self, source: Source, service: Service) -> None:
        code, info = service.describe()
        signature = info.decode() if code == OK else ""
        self._on_serving(self._address, source, service.settings, signature)

    def _interrupt(self) -> None:
        """Shut down on the first Ctrl-C, at once on the second."""
        if self._stop.is_set():
            self._stop_at_once.set()
        self._stop.set()

    def _on_sighup(self) -> None:
        """Reload all services, or shut down if the signal means that the terminal has closed."""
        if self._sighup is OnSighup.STOP:
            self._stop.set()
        elif not self._stop.is_set():
            self._services.reload_all()


async def _unless(event: asyncio.Event, job: Coroutine[Any, Any, None]) -> bool:
    """Run `job` until `event` is set, and return whether the job completed."""
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
