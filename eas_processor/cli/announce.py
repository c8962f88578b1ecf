"""The output of `eascmd serve` when a service is ready: text for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from eas_processor.cli.hints import ready_lines
from eas_processor.cli.reachable import reachable
from eas_processor.config import Token


def announce(address: str, name: str, token: Token, signature: str) -> None:
    """
    Print the address and token of a service, and an example request.

    A terminal gets text. Otherwise stdout gets one JSON object on one line, without the token
    itself, and the text goes to stderr if that is a terminal. `address` is the URL of the engine's
    listener; `signature` is the same as for `ready_lines`.
    """
    lines = ready_lines(reachable(address), name, token, signature, terminal=True)
    if sys.stdout.isatty():
        print(*lines, sep="\n", flush=True)
        return
    print(json.dumps(serving_event(address, name, token, signature)), flush=True)
    if sys.stderr.isatty():
        print(*lines, sep="\n", file=sys.stderr, flush=True)


def announce_model(address: str, name: str) -> None:
    """Print a model's address, as text on a terminal, else as one JSON object on one line."""
    shown = reachable(address)
    url = f"{shown}/v1/models/{name}"
    if sys.stdout.isatty():
        print(f"Serving at: {url}:predict", flush=True)
        return
    event = {
        "event": "serving",
        "service": name,
        "url": url,
        "address": shown,
        "listens_on": address,
        "token_file": None,
        "pid": os.getpid(),
    }
    print(json.dumps(_record(f"serving at {url}") | event), flush=True)


def serving_event(address: str, name: str, token: Token, signature: str) -> dict[str, Any]:
    """
    Return the facts that a program needs to call a service, in the form of a log record.

    `token_file` is None for a public service, and `python` is None for a model without a signature.
    """
    shown = reachable(address)
    _, _, curl, *snippet = ready_lines(shown, name, token, signature, terminal=False)
    url = f"{shown}/api/predict/{name}"
    return {
        **_record(f"serving at {url}"),
        "event": "serving",
        "service": name,
        "url": url,
        "address": shown,
        "listens_on": address,
        "token_file": str(token.path) if token.value else None,
        "pid": os.getpid(),
        "curl": curl,
        "python": "\n".join(snippet[1:]) or None,
    }


def _record(message: str) -> dict[str, Any]:
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": time, "level": "info", "message": message}
