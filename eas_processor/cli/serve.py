"""`eascmd serve`: from a service file to a running engine."""

from __future__ import annotations

import json
import logging
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from eas_processor.builds.find import Build, find_build
from eas_processor.builds.rooms import rooms_directory
from eas_processor.cli.hints import frozen_graph_signature, ready_lines
from eas_processor.engine.engine import run
from eas_processor.engine.settings import EngineSettings, ServiceSettings, WorkerSettings
from eas_processor.errors import BuildError, ServiceFileError
from eas_processor.service import (
    Service,
    Token,
    fetch_model,
    load_service,
    read_warm_up,
    resolve_token,
)

log = logging.getLogger("eas_processor")


def serve(path: Path, settings: EngineSettings) -> None:
    """Serve the service file at `path` until SIGTERM or Ctrl-C; raises SetupError."""
    loaded = load_service(path)
    service = loaded.service
    try:
        build = find_build(service.processor)
    except BuildError as error:
        raise BuildError(f"{path}: {error}") from error
    model_entry = fetch_model(loaded)
    warm_up = read_warm_up(loaded)
    token = resolve_token(service)
    for note in loaded.notes:
        log.warning("%s", note)
    log.info("loading %s with %s", model_entry, build.name)

    def announce(address: str, signature: str) -> None:
        signature = signature or frozen_graph_signature(model_entry)
        lines = ready_lines(address, service.name, token, signature, terminal=sys.stdout.isatty())
        try:
            print(*lines, sep="\n", flush=True)
        except BrokenPipeError:
            log.warning("serving at %s; nobody reads stdout", address)

    run(
        replace(settings, grace=service.metadata.eas.termination_grace_period),
        _service_settings(service, token, _worker_settings(service, build, model_entry), warm_up),
        announce,
    )


def _service_settings(
    service: Service, token: Token, worker: WorkerSettings, warm_up: list[bytes]
) -> ServiceSettings:
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
    )


def _worker_settings(service: Service, build: Build, model_entry: Path) -> WorkerSettings:
    rpc = service.metadata.rpc
    return WorkerSettings(
        build=build.name,
        python=build.python,
        rooms=rooms_directory(),
        hooks=build.hooks,
        model_entry=model_entry,
        model_config=_with_threads(service.model_config, service.metadata.cpu, rpc.worker_threads),
        threads=rpc.worker_threads,
        batch_size=rpc.max_batch_size if rpc.batching else 1,
        batch_wait=(rpc.max_batch_timeout or 0) / 1000 if rpc.batching else 0.0,
    )


def _config(model_config: str) -> dict[str, Any]:
    try:
        config = json.loads(model_config or "{}")
    except ValueError:
        return {}  # text that only the processor understands
    return config if isinstance(config, dict) else {}


def _retries(model_config: str) -> bool:
    """Return whether `model_config.retry_on_crash` lets requests be tried again."""
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


def _with_threads(model_config: str, cpu: float | None, worker_threads: int) -> str:
    """Return the model config with thread pools that follow `metadata.cpu`, unless it sets them."""
    try:
        config = json.loads(model_config or "{}")
    except ValueError:
        return model_config
    if cpu is None or not isinstance(config, dict):
        return model_config
    threads = max(1, round(cpu))
    sizes = {
        "intra_op_parallelism_threads": threads,
        # A request that runs through this pool holds one of its threads to the end.
        "inter_op_parallelism_threads": max(threads, worker_threads),
    }
    return json.dumps(sizes | config)
