"""All models of an engine, kept in line with its configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eas_processor.app.hosting import Shares
from eas_processor.app.models.host import ModelHost
from eas_processor.app.models.version import Loading
from eas_processor.config.models import ModelConfig
from eas_processor.config.values import is_service_name
from eas_processor.errors import (
    NotAvailableError,
    ServiceFileError,
    SetupError,
    StartError,
    UpdateError,
)
from eas_processor.serving.background import end_tasks, in_background
from eas_processor.serving.service import Service

log = logging.getLogger("eas_processor.engine")

_LOOKS = 4
"""Directories that are listed at once. See docs/decisions/loading-beside-serving.md."""

ReadModels = Callable[[], Sequence[ModelConfig]]
"""Reads the configuration, in a thread. Raises SetupError."""


@dataclass(frozen=True)
class ModelOffer:
    """
    The models that an engine serves, and how.

    `read` is called every `config_poll` seconds if that is above 0. Directories are listed every
    `directory_poll` seconds, or only at the start if that is not above 0. With `any_label`, new
    labels may name versions that are not loaded. `frontends` are the protocols of the models.
    """

    read: ReadModels
    loading: Loading
    config_poll: float = 0.0
    directory_poll: float = 1.0
    any_label: bool = False
    frontends: frozenset[str] = frozenset(["tfs", "grpc"])


class Models:
    """Starts, changes and ends the models of an engine."""

    def __init__(self, shares: Shares, offer: ModelOffer) -> None:
        self._shares = shares
        self._offer = offer
        self._hosts: dict[str, ModelHost] = {}
        self._ending: set[ModelHost] = set()
        self._config: list[ModelConfig] = []
        self._logged = ""
        self._lock = asyncio.Lock()
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def hosts(self) -> Sequence[ModelHost]:
        """The hosts of all models, in the order of the configuration."""
        return list(self._hosts.values())

    @property
    def most_grace(self) -> float:
        """The longest grace period of all versions, in seconds."""
        return max((each.settings.grace for each in self._services()), default=0.0)

    @property
    def outstanding(self) -> int:
        """The number of unanswered calls of all versions."""
        return sum(each.admission.outstanding for each in self._services())

    @property
    def instances(self) -> int:
        """The number of instances: one per version, including those loading or unloading."""
        return sum(each.versions for each in [*self._hosts.values(), *self._ending])

    async def start(self) -> None:
        """
        Load the models of the configuration, and wait until each has a version that serves.

        Also waits for models whose directory has no version yet. Raises StartError if a model
        cannot be loaded.
        """
        offer = self._offer
        self._config = list(await in_background(offer.read))
        self._check(self._config)
        self._check_labels(self._config)
        await self._change_to(self._config)
        waited = self.hosts
        # Changes are followed meanwhile, so that a model without a version can be corrected.
        if offer.directory_poll > 0:
            self._spawn(self._follow(self._look, offer.directory_poll))
        if offer.config_poll > 0:
            self._spawn(self._follow(self._read_again, offer.config_poll))
        await self._wait(waited)

    async def apply(self, config: Sequence[ModelConfig]) -> None:
        """
        Serve exactly these models, and wait until new ones serve.

        Raises UpdateError if the configuration is not possible, and StartError if a model cannot be
        loaded or the server shuts down first. The models that served keep serving then.
        """
        await self._wait(await self._adopt(list(config)))

    async def _adopt(self, config: list[ModelConfig]) -> list[ModelHost]:
        """Begin to serve exactly these models, and return the hosts of new ones."""
        async with self._lock:
            if self._ended:
                raise UpdateError("the server is shutting down")
            if not config and self._config:
                raise UpdateError("Cannot transition to requested config: it names no model.")
            self._check(config)
            self._check_labels(config)
            before = set(self._hosts)
            await self._change_to(config)
            self._config = config
            return [each for name, each in self._hosts.items() if name not in before]

    def reload_all(self) -> None:
        """Read the configuration again, and list all directories."""
        self._spawn(self._reload())

    async def end_changes(self) -> None:
        """Stop loading and unloading versions."""
        self._ended = True
        await end_tasks(self._tasks)
        for each in self._hosts.values():
            await each.end_changes()

    async def stop(self) -> None:
        """End all instances, and wait for them."""
        await self.end_changes()
        hosts = [*self._hosts.values(), *self._ending]
        await asyncio.gather(*(each.stop() for each in hosts))

    async def _change_to(self, config: list[ModelConfig]) -> None:
        wanted = {each.name: each for each in config}
        for name in [each for each in self._hosts if each not in wanted]:
            log.info("%s: is no longer in the configuration", name)
            self._spawn(self._remove(self._hosts.pop(name)))
        for name, each in wanted.items():
            if name in self._hosts:
                self._hosts[name].config = each
            else:
                host = ModelHost(each, self._shares, self._offer.loading, self._offer.frontends)
                self._shares.registry.add(host.entry)
                if is_service_name(name):
                    self._shares.on_name(name)
                self._hosts[name] = host
            self._hosts[name].entry.label(dict(each.labels))
        self._hosts = {name: self._hosts[name] for name in wanted}
        await self._look()

    async def _look(self) -> None:
        turns = asyncio.Semaphore(_LOOKS)

        async def look(host: ModelHost) -> None:
            async with turns:
                await host.look()

        await asyncio.gather(*map(look, self.hosts))

    async def _remove(self, host: ModelHost) -> None:
        self._ending.add(host)
        if is_service_name(host.name):
            self._shares.on_removed(host.name)
        await host.remove()
        self._ending.discard(host)

    async def _wait(self, hosts: Iterable[ModelHost]) -> None:
        hosts = list(hosts)
        await asyncio.gather(*(each.wait_until_settled() for each in hosts))
        if waiting := [each.name for each in hosts if not each.settled]:
            raise StartError(f"the server shuts down before it has loaded {', '.join(waiting)}")
        # A model that has been removed meanwhile has no failures.
        failed = [each for each in hosts if each.failures and not each.available]
        if failed:
            reasons = ", ".join(
                f"{{name: {each.name} version: {number}}} due to error: {reason}"
                for each in failed
                for number, reason in sorted(each.failures.items())
            )
            raise StartError(f"{len(failed)} servable(s) did not become available: {{{reasons}}}")

    def _check(self, config: list[ModelConfig]) -> None:
        seen: set[str] = set()
        for each in config:
            if each.name in seen:
                raise ServiceFileError(
                    f"Illegal to list model {each.name} multiple times in config list"
                )
            seen.add(each.name)
            if not each.base_path.is_absolute():
                raise ServiceFileError(
                    f"Expected model {each.name} to have an absolute path or URI; got base_path()="
                    f"{each.base_path}"
                )

    def _check_labels(self, config: list[ModelConfig]) -> None:
        """Refuse labels of versions that are not loaded, except new ones with `any_label`."""
        for each in config:
            host = self._hosts.get(each.name)
            available = host.available if host is not None else set()
            used = host.entry.labels if host is not None else {}
            for label, number in each.labels.items():
                if number in available or used.get(label) == number:
                    continue
                if not self._offer.any_label or label in used:
                    raise NotAvailableError(
                        f"Request to assign label to version {number} of model {each.name}, which "
                        "is not currently available for inference"
                    )

    async def _follow(self, step: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> None:
        """Call `step` every `seconds`. An exception does not end this."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await step()
            except Exception:
                log.exception("looking for changes of models failed; next attempt in %g s", seconds)

    async def _reload(self) -> None:
        await self._read_again()
        await self._look()

    async def _read_again(self) -> None:
        try:
            config = list(await in_background(self._offer.read))
            if config != self._config:
                # Each version logs how it loads. The next change does not wait for that.
                await self._adopt(config)
                log.info("the configuration of models has changed and is applied")
        except SetupError as error:
            if str(error) != self._logged:
                log.error("the configuration of models stays as it is: %s", error)
            self._logged = str(error)
        else:
            self._logged = ""

    def _services(self) -> Iterable[Service]:
        hosts = [*self._hosts.values(), *self._ending]
        return (service for each in hosts for service in each.services())

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
