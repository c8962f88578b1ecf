"""The routes of TensorFlow Serving's REST interface."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from eas_processor.contracts.refusals import NotFound, Refusal
from eas_processor.frontends.http.head import JSON_TYPE, Head
from eas_processor.frontends.http.refusals import HttpRefusal
from eas_processor.frontends.http.request import HttpRequest, Reply
from eas_processor.frontends.http.routes import Route
from eas_processor.frontends.tfs_counters import TfsCounters
from eas_processor.frontends.tfs_models import AskToken, TfsModels, signatures_of, states_of
from eas_processor.frontends.tfs_rest.call import (
    CODECS,
    CORS_LINES,
    TfsRefused,
    TfsRoute,
    TfsSlowRoute,
)
from eas_processor.frontends.tfs_rest.metrics import VersionSample, exposition
from eas_processor.frontends.tfs_rest.model_status import metadata_text, status_text
from eas_processor.frontends.tfs_rest.paths import Target, parse
from eas_processor.frontends.tfs_statuses import status_of
from eas_processor.frontends.token_check import token_refusal
from eas_processor.link import codes
from eas_processor.serving.registry import Entry, Registry
from eas_processor.serving.version_states import Stage

NAME = "tfs"
"""The name of this frontend in `ServiceSettings.frontends`."""

_PARSED_HERE = 1 << 16
"""
The largest body, in bytes, that is parsed as JSON when the model is unknown.

Parsing blocks the event loop for up to 8 ms.
"""


class TfsRoutes:
    """
    Finds the route of a path below `/v1/`: calls, status and metadata of a model.

    With `cors`, browsers of any origin may call. `pool` is the label of batching metrics.
    `counters` counts the calls of all protocols.
    """

    refuses_in_json = True

    def __init__(
        self,
        registry: Registry,
        *,
        cors: bool = False,
        pool: str = "batch_threads",
        counters: TfsCounters | None = None,
    ) -> None:
        self._registry = registry
        self._cors = cors
        self._pool = pool
        self._models = TfsModels(registry, NAME)
        self._counters = counters or TfsCounters()

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return the route for a head, which may be one that refuses."""
        lines = CORS_LINES if self._cors else b""
        if head.method == b"OPTIONS":
            return self._preflight(head, headers)
        asked = parse(head.method, head.target) if head.method in (b"GET", b"POST") else None
        if asked is None:
            return self._malformed(head, lines)
        if asked.too_large:
            shown = asked.too_large.decode()
            return _refused(head, f"Failed to convert version: {shown} to numeric.", 400, lines)
        try:
            if head.method == b"POST":
                return self._call(head, headers, asked, lines)
            return self._tell(head, headers, asked, lines)
        except Refusal as refusal:
            return _refused(head, str(refusal), status_of(refusal), lines)

    def metrics(self) -> Iterator[str]:
        """Yield the lines of TensorFlow Serving's metrics page."""
        versions, failed = [], {}
        for entry in self._registry:
            for number, state in entry.states.items():
                if state.stage is Stage.END and state.code != codes.OK:
                    failed[f"{entry.name}/{number}"] = 1
            versions += [
                VersionSample(
                    entry.name,
                    str(each.settings.worker.model_entry),
                    each.metrics,
                    each.instances.info.get("load", {}),
                )
                for each in entry.versions.values()
            ]
        return exposition(self._counters.models, versions, failed, self._pool)

    def _preflight(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        if not self._cors:
            return self._slow(head, lambda _: Reply(200, JSON_TYPE, []), b"")
        if b"://" not in headers.get(b"origin", b""):
            return self._malformed(head, CORS_LINES)
        return self._slow(head, lambda _: Reply(200, JSON_TYPE, []), CORS_LINES)

    def _malformed(self, head: Head, lines: bytes) -> Route:
        shown = f"{head.method.decode()} {head.target.decode('latin-1')}"
        return _refused(head, f"Malformed request: {shown}", 400, lines)

    def _call(
        self, head: Head, headers: Mapping[bytes, bytes], asked: Target, lines: bytes
    ) -> Route:
        api = asked.verb.decode()
        if api not in CODECS:
            return self._malformed(head, lines)
        try:
            entry = self._models.entry(asked.wanted, _asker(head, headers))
            service = self._models.version(entry, asked.wanted)[1]
        except NotFound as refusal:
            return self._slow(head, partial(_unknown, str(refusal)), lines, takes_body=True)
        return TfsRoute(head, service, api, self._counters.of(entry.name), lines)

    def _tell(
        self, head: Head, headers: Mapping[bytes, bytes], asked: Target, lines: bytes
    ) -> Route:
        if not asked.name:
            raise HttpRefusal("Missing model name in request.", 400)
        ask = _asker(head, headers)
        if asked.verb:
            entry = self._models.entry(asked.wanted, ask)
            return self._slow(head, lambda _: self._metadata(entry, asked), lines)
        entry = self._models.listed(asked.wanted, ask)
        return self._slow(head, lambda _: _status(entry, asked), lines)

    def _metadata(self, entry: Entry, asked: Target) -> Reply:
        number, service = self._models.version(entry, asked.wanted)
        text = metadata_text(entry.name, number, signatures_of(service))
        return Reply(200, JSON_TYPE, [text])

    def _slow(
        self, head: Head, handler: Any, lines: bytes, *, takes_body: bool = False
    ) -> TfsSlowRoute:
        route = TfsSlowRoute(head, handler, takes_body=takes_body)
        route.lines = lines
        return route


def _asker(head: Head, headers: Mapping[bytes, bytes]) -> AskToken:
    return lambda tokens, name: token_refusal(tokens, name, head.method, head.target, headers)


def _refused(head: Head, sentence: str, status: int, lines: bytes) -> TfsRefused:
    return TfsRefused(head, HttpRefusal(sentence, status), lines)


def _unknown(sentence: str, request: HttpRequest) -> Reply:
    """Refuse a call of an unknown model. As in TensorFlow Serving, invalid JSON comes first."""
    body = b"".join(request.body)
    if len(body) <= _PARSED_HERE:
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HttpRefusal(f"JSON Parse error: {error}", 400) from None
        if not isinstance(parsed, dict):
            raise HttpRefusal("Request body is not a JSON object, expected one.", 400)
    raise HttpRefusal(sentence, 404)


def _status(entry: Entry, asked: Target) -> Reply:
    states = states_of(entry, asked.version)
    if not states:
        missing = f"version {asked.version}" if asked.version else "any versions"
        raise HttpRefusal(f"Could not find {missing} of model {entry.name}", 404)
    return Reply(200, JSON_TYPE, [status_text(states)])
