"""`eascmd serve`: from a service file to a running engine."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

from eas_processor.cli.admin import known_address
from eas_processor.cli.hints import frozen_graph_signature, ready_lines
from eas_processor.cli.plan import Plan, change_stamp, read_plan
from eas_processor.engine.engine import Control, run
from eas_processor.engine.settings import EngineSettings, ServiceSettings
from eas_processor.service.token import admin_token

log = logging.getLogger("eas_processor")


def serve(path: Path, settings: EngineSettings, *, watch: bool = False) -> None:
    """Serve the service file at `path` until SIGTERM or Ctrl-C; raises SetupError."""
    plan = read_plan(path)
    service = plan.settings
    _note(plan)

    def announce(address: str, signature: str) -> None:
        signature = signature or frozen_graph_signature(service.worker.model_entry)
        lines = ready_lines(
            address, service.name, plan.token, signature, terminal=sys.stdout.isatty()
        )
        try:
            print(*lines, sep="\n", flush=True)
        except BrokenPipeError:
            log.warning("serving at %s; nobody reads stdout", address)

    def reread() -> ServiceSettings:
        again = read_plan(path)
        _note(again)
        return again.settings

    settings = replace(settings, admin_token=admin_token(service.name).value)
    with known_address(service.name) as keep:
        control = Control(reread, keep, (lambda: change_stamp(path)) if watch else None)
        run(settings, service, announce, control)


def _note(plan: Plan) -> None:
    for note in plan.notes:
        log.warning("%s", note)
    worker = plan.settings.worker
    log.info("loading %s with %s", worker.model_entry, worker.build)
