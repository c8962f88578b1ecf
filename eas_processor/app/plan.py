"""Makes the settings of a service from its service file."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eas_processor.app.hosting import Identity
from eas_processor.app.peers import peer_of
from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.find import Build, find_build
from eas_processor.builds.gpu import COMPILE_S, Wanted
from eas_processor.builds.op_libraries import asked_files, asked_modules, with_places
from eas_processor.builds.processor_config import (
    check_model_config,
    processor_config,
    processor_environment,
)
from eas_processor.builds.progress import progress_bar
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.config import (
    LoadedService,
    Service,
    Token,
    fetch_model,
    load_service,
    read_warm_up,
    resolve_token,
)
from eas_processor.config.token import admin_token
from eas_processor.contracts.settings import Peer, ServiceSettings, WorkerSettings
from eas_processor.errors import BuildError, ModelFetchError, ServiceFileError
from eas_processor.model_store.content import files_below, hash_of
from eas_processor.model_store.fetch import check_model, is_local, path_of, reason
from eas_processor.model_store.kept import kept
from eas_processor.model_store.links import resolved
from eas_processor.model_store.store import short_hash
from eas_processor.processors.find import find_custom
from eas_processor.serving.tokens import Tokens
from eas_processor.tf.errors import ProcessorError
from eas_processor.tf.model.find import find_model

log = logging.getLogger("eas_processor")


@dataclass(frozen=True)
class ServiceFile:
    """A service file as a `hosting.Source`. It is read again for each call."""

    path: Path
    unchangeable: str = ""

    @property
    def label(self) -> str:
        return str(self.path)

    def identify(self) -> Identity:
        service = load_service(self.path).service
        token = resolve_token(service)
        # The token is made here, in a thread, because storing a new one takes milliseconds.
        admin_token(service.name)
        return Identity(service.name, Tokens(token.value, service.previous_token or ""))

    def token(self) -> Token:
        """Return the token of the service, with the path of the file that contains it."""
        return resolve_token(load_service(self.path).service)

    def read(self) -> ServiceSettings:
        plan = read_plan(self.path)
        for note in plan.notes:
            log.warning("%s", note)
        worker = plan.settings.worker
        log.info("%s: loading %s with %s", plan.settings.name, worker.model_entry, worker.build)
        return plan.settings

    def stamp(self) -> str:
        """
        Return a hash that covers the facts of the service file and the files that it names.

        These are the model's newest version, the warm-up file, libraries of ops and the processor.
        Links are followed each time, so the hash also changes when a link is redirected.
        """
        with contextlib.suppress(ServiceFileError):
            loaded = load_service(self.path)
            service = loaded.service
            model = _local(loaded, service.model_path)
            if model is not None and not service.processor_path and model.is_dir():
                model = _newest(model)
            named = (
                model,
                _local(loaded, service.warm_up_data_path),
                *(_local(loaded, each) for each in asked_files(service.model_config)),
                _local(loaded, service.processor_path),
            )
            return _stamp(self.path, *(resolved(each) for each in named if each is not None))
        return _stamp(self.path)

    def model_is_kept(self, settings: ServiceSettings) -> bool:
        return hash_of(settings.worker.model_entry) == settings.model_stamp


@dataclass(frozen=True)
class Plan:
    """The settings of a service whose model is fetched and whose build is made, and warnings."""

    settings: ServiceSettings
    notes: list[str]


def read_plan(path: Path) -> Plan:
    """Read the service file at `path`, fetch its model and make its build. Raises SetupError."""
    loaded = load_service(path)
    service = loaded.service
    # Errors that the file alone shows come before steps that take minutes.
    _check(loaded)
    warm_up = read_warm_up(loaded)
    try:
        build = _build(loaded)
        worker = _worker_settings(loaded, build, _model(loaded, build))
    except BuildError as error:
        raise BuildError(f"{path}: {error}") from error
    token = resolve_token(service)
    return Plan(_service_settings(service, token, worker, warm_up), loaded.notes)


def _check(loaded: LoadedService) -> None:
    """Refuse errors that the service file and local files show, without making or fetching."""
    try:
        _max_run(loaded.service.model_config)
        _peers(loaded.service.networking.peers)
    except ServiceFileError as error:
        raise ServiceFileError(f"{loaded.path}: {error}") from error
    if loaded.service.model_path:
        check_model(loaded)


def _build(loaded: LoadedService) -> Build:
    service, metadata = loaded.service, loaded.service.metadata
    wanted = Wanted(metadata.gpu, metadata.gpu_memory, metadata.instance)
    if service.processor_path:
        return find_custom(loaded, wanted)
    entry = find_entry(service.processor)
    check_model_config(service.model_config, entry.name)
    _check_kind(loaded)
    with progress_bar(entry) as progress:
        modules = asked_modules(service.model_config)
        return find_build(service.processor, wanted, progress, modules)


def _check_kind(loaded: LoadedService) -> None:
    """Refuse a local model that TensorFlow cannot load, before a build is made for it."""
    if not is_local(loaded.service.model_path):
        return
    try:
        found = find_model(str(fetch_model(loaded)))
    except ProcessorError as error:
        raise ModelFetchError(f"{loaded.path}: model_path: {error}") from error
    except OSError as error:
        raise ModelFetchError(f"{loaded.path}: model_path: {reason(error)}") from error
    with_places(loaded.service.model_config, loaded.path.parent.absolute(), Path(found))


def _model(loaded: LoadedService, build: Build) -> Path:
    """
    Return the path that `initialize` gets: the model, or the processor's own directory without one.

    Links are resolved. So an instance that starts later loads the same model as the others, even if
    a link has been redirected to a new version.
    """
    if build.directory is not None and not loaded.service.model_path:
        return build.directory
    entry = fetch_model(loaded)
    # A custom processor gets the path as it is, even if it is a directory of versions.
    model = _newest(entry) if build.directory is None else entry
    try:
        return kept(resolved(model), entry)
    except ModelFetchError as error:
        raise ModelFetchError(f"{loaded.path}: model_path: {error}") from error
    except OSError as error:
        raise ModelFetchError(f"{loaded.path}: model_path: {reason(error)}") from error


def _local(loaded: LoadedService, named: str) -> Path | None:
    with contextlib.suppress(ModelFetchError):
        return path_of(named, loaded.path.parent) if named and is_local(named) else None
    return None


def _newest(entry: Path) -> Path:
    """Return the newest version in `entry`, so that instances that start later load the same."""
    try:
        # A link to a directory is resolved once. A file keeps its name, which tells its format.
        start = os.path.realpath(entry) if entry.is_dir() else str(entry)
        return Path(find_model(start))
    except (ProcessorError, OSError):
        return entry  # the worker reports the error


def _stamp(*paths: Path) -> str:
    return short_hash(*((file, facts) for path in paths for _, file, facts in files_below(path)))


def _service_settings(
    service: Service, token: Token, worker: WorkerSettings, warm_up: list[bytes]
) -> ServiceSettings:
    policy = service.networking.gateway_policy
    return ServiceSettings(
        name=service.name,
        token=token.value,
        previous_token=service.previous_token or "",
        worker=worker,
        keepalive=service.metadata.rpc.keepalive / 1000,
        max_queue_size=service.metadata.rpc.max_queue_size,
        rate_limit=service.metadata.rpc.rate_limit * service.metadata.instance,
        instances=service.metadata.instance,
        restart_crashed=not service.runtime.enable_crash_block,
        retry_crashed=_retries(service.model_config),
        max_run=_max_run(service.model_config),
        warm_up=tuple(warm_up),
        model_stamp=hash_of(worker.model_entry),
        grace=service.metadata.eas.termination_grace_period,
        max_surge=service.metadata.rolling_strategy.max_surge,
        max_unavailable=service.metadata.rolling_strategy.max_unavailable,
        gateway_rate=policy.rate_limit.limit if policy.rate_limit.enable else 0,
        gateway_concurrency=(
            policy.concurrency_limit.limit if policy.concurrency_limit.enable else 0
        ),
        frontends=frozenset(service.frontends),
        peers=_peers(service.networking.peers),
    )


def _peers(named: list[str]) -> tuple[Peer, ...]:
    try:
        return tuple(peer_of(each) for each in named)
    except ValueError as error:
        raise ServiceFileError(f"networking.peers: {error}") from error


def _worker_settings(loaded: LoadedService, build: Build, model_entry: Path) -> WorkerSettings:
    service, rpc = loaded.service, loaded.service.metadata.rpc
    config, environment = service.model_config, build.gpus.environment | build.environment
    if build.directory is None:
        config = processor_config(
            config, service.metadata.cpu, rpc.worker_threads, build.gpus.model_config
        )
        environment = environment | processor_environment(config)
        config = with_places(config, loaded.path.parent.absolute(), model_entry)
    return WorkerSettings(
        build=build.name,
        python=build.python,
        code=worker_code_directory(),
        hooks=build.hooks,
        model_entry=model_entry,
        model_config=config,
        directory=build.directory,
        threads=rpc.worker_threads,
        batch_size=rpc.max_batch_size if rpc.batching else 1,
        sigterm=rpc.enable_sigterm,
        batch_wait=(rpc.max_batch_timeout or 0) / 1000 if rpc.batching else 0.0,
        environment=environment,
        gpus=build.gpus.names,
        gpus_each=build.gpus.each,
        start_timeout=COMPILE_S if build.gpus.compiles else 0.0,
    )


def _config(model_config: str) -> dict[str, Any]:
    try:
        config = json.loads(model_config or "{}")
    except ValueError:
        return {}  # any text that the processor understands
    return config if isinstance(config, dict) else {}


def _retries(model_config: str) -> bool:
    """Return whether `model_config.retry_on_crash` allows requests to be retried."""
    return str(_config(model_config).get("retry_on_crash", True)).lower() not in ("false", "0")


def _max_run(model_config: str) -> float:
    """Return the seconds of `model_config.max_run`, 0 for no limit."""
    given = _config(model_config).get("max_run", 0)
    try:
        limit = float(given)
    except (TypeError, ValueError):
        limit = -1.0
    if 0 <= limit < math.inf:
        return limit
    raise ServiceFileError(f"model_config.max_run: expected a number of seconds, got {given!r}")
