"""The answers of `GET /v1/models/NAME` and of `/metadata` below it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from eas_processor.contracts.shown import for_clients
from eas_processor.frontends.tfs_statuses import name_of
from eas_processor.serving.version_states import VersionState

_REMEMBERED = 64


def status_text(states: dict[int, VersionState]) -> bytes:
    """Return the status of versions as JSON, the newest first."""
    shown = [
        {
            "version": str(number),
            "state": state.stage.value,
            "status": {
                "error_code": name_of(state.code),
                "error_message": for_clients(state.message),
            },
        }
        for number, state in sorted(states.items(), reverse=True)
    ]
    return _written({"model_version_status": shown})


@lru_cache(_REMEMBERED)
def metadata_text(name: str, version: int, signatures: str) -> bytes:
    """Return the metadata of a version as JSON. It is cached, because writing it takes time."""
    return _written(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": json.loads(signatures)}},
        }
    )


def _written(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"
