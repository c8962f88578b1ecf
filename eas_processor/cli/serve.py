"""`eascmd serve`: from a service file to a running engine."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from eas_processor.app.engine import Control, run
from eas_processor.app.plan import Plan, change_stamp, model_is_kept, read_plan
from eas_processor.app.running import known_address
from eas_processor.app.sighup import prepare_for_sighup
from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.find import is_own
from eas_processor.cli.hints import frozen_graph_signature, ready_lines
from eas_processor.config import load_service
from eas_processor.config.token import admin_token
from eas_processor.contracts.settings import EngineSettings, Peer, ServiceSettings, WorkerSettings
from eas_processor.errors import BuildError, StartError, UpdateError
from eas_processor.worker.hooks import HooksError, Processor, import_hooks

log = logging.getLogger("eas_processor")

_UNCHANGEABLE = "a service that runs with --inline cannot be changed while it runs"


def serve(
    path: Path,
    settings: EngineSettings,
    peers: tuple[Peer, ...] = (),
    *,
    watch: bool = False,
    inline: bool = False,
) -> None:
    """
    Serve the service file at `path` until SIGTERM or Ctrl-C; raises SetupError.

    `peers` are other engines that serve the same, beside those that the file names. With `inline`
    the model runs in this process, and nothing can be changed while it does.
    """
    on_sighup = prepare_for_sighup()
    if inline:
        _require_own(path)
        if watch:
            raise StartError(f"--watch: {_UNCHANGEABLE}; leave one of the two out")
    # What changes from here on, while the model loads, is for the watch to find.
    stamped = change_stamp(path) if watch else ""
    plan = read_plan(path)
    service = _with(plan.settings, peers)
    _note(plan)

    def announce(address: str, signature: str) -> None:
        signature = signature or frozen_graph_signature(service.worker.model_entry)
        lines = ready_lines(
            address, service.name, plan.token, signature, terminal=sys.stdout.isatty()
        )
        print(*lines, sep="\n", flush=True)

    def reread() -> ServiceSettings:
        if inline:
            raise UpdateError(f"{_UNCHANGEABLE}; stop it and start it again")
        again = read_plan(path)
        _note(again)
        return _with(again.settings, peers)

    load_inline = partial(_load_inline, service.worker) if inline else None
    settings = replace(settings, admin_token=admin_token(service.name).value)
    with known_address(service.name) as keep:
        stamp = (lambda: change_stamp(path)) if watch else None
        control = Control(reread, keep, stamp, stamped, model_is_kept)
        run(settings, service, announce, control, load_inline, on_sighup)


def _require_own(path: Path) -> None:
    """Refuse a build that has another interpreter, before it is made."""
    entry = find_entry(load_service(path).service.processor)
    if not is_own(entry):
        raise BuildError(
            f"{path}: --inline runs the model in this interpreter, {sys.executable}, and "
            f"{entry.name} needs one of its own; leave --inline out"
        )


def _load_inline(worker: WorkerSettings) -> Processor:
    try:
        hooks = import_hooks(worker.hooks)
        return Processor(hooks, str(worker.model_entry), worker.model_config)
    except HooksError as error:
        raise StartError(str(error)) from error


def _with(service: ServiceSettings, peers: tuple[Peer, ...]) -> ServiceSettings:
    return replace(service, peers=service.peers + peers)


def _note(plan: Plan) -> None:
    for note in plan.notes:
        log.warning("%s", note)
    worker = plan.settings.worker
    log.info("loading %s with %s", worker.model_entry, worker.build)
