"""The answers of `GET /v1/models/NAME` and of `/metadata` below it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from eas_processor.contracts.refusals import NotFound
from eas_processor.contracts.shown import for_clients
from eas_processor.frontends.tfs_rest.statuses import name_of
from eas_processor.serving.registry import Entry, Phase
from eas_processor.serving.service import Service
from eas_processor.serving.version_states import Stage, VersionState

_REMEMBERED = 64


def states_of(entry: Entry, version: int | None = None) -> dict[int, VersionState]:
    """
    Return how far each version has come, or only `version`; empty where there is no such version.

    Version 0 stands for all where none has that number: some clients send it where they name none.
    """
    states = _all_states(entry)
    if version is None or (version == 0 and 0 not in states):
        return states
    return {version: states[version]} if version in states else {}


def _all_states(entry: Entry) -> dict[int, VersionState]:
    """Return how far each version has come, also of a service that tells of none."""
    if entry.states:
        return entry.states
    if entry.versions:
        stage = {True: Stage.AVAILABLE, False: Stage.LOADING}
        return {number: VersionState(stage[each.ready]) for number, each in entry.versions.items()}
    return {1: VersionState(Stage.END if entry.phase is Phase.FAILED else Stage.LOADING)}


def status_text(states: dict[int, VersionState]) -> bytes:
    """Return the status of these versions, the newest first."""
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


def signatures_of(service: Service) -> str:
    """Return the signatures of a version, which its worker has told as JSON. Raises NotFound."""
    text = service.instances.info.get("metadata")
    if not text:
        raise NotFound("this model tells of no signatures")
    return str(text)


@lru_cache(_REMEMBERED)
def metadata_text(name: str, version: int, signatures: str) -> bytes:
    """Return the metadata of a version; to write the same again takes milliseconds."""
    return _written(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": json.loads(signatures)}},
        }
    )


def _written(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"
