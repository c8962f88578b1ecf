"""Compares the settings that a processor's code asks for with those of its service."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

from eas_processor.contracts.settings import ServiceSettings

log = logging.getLogger("eas_processor.engine")


def note_asked(settings: ServiceSettings, asked: Mapping[str, str]) -> None:
    """Log once if `asked`, from a READY frame, differs from the service file."""
    has = {
        "worker_threads": settings.worker.threads,
        "worker_processes": settings.instances,
        "rpc.keepalive": round(settings.keepalive * 1000),
    }
    others = [
        f"{name}={asked[name]} (has {value})"
        for name, value in has.items()
        if name in asked and asked[name] != str(value)
    ]
    if others:
        _log_once(
            f"{settings.name}: the processor's code asks for {', '.join(others)}; the value in "
            "parentheses, from the service file's metadata, is used"
        )


@lru_cache(maxsize=1024)
def _log_once(sentence: str) -> None:
    """Log a sentence only once, although every instance reports it."""
    log.warning("%s", sentence)
