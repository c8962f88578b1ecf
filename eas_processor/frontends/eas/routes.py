"""The routes of PAI-EAS: calls of a service by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from eas_processor.contracts.refusals import NotFound, Refusal
from eas_processor.frontends.asked import Asked
from eas_processor.frontends.eas.call import PredictRoute
from eas_processor.frontends.eas.statuses import status_of
from eas_processor.frontends.http.checks import shown
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.refusals import HttpRefusal, MethodNotAllowed
from eas_processor.frontends.http.routes import Refused, Route
from eas_processor.serving.registry import Entry, Registry
from eas_processor.serving.tokens import Tokens

PREFIX = b"/api/predict/"
NAME = "eas"
"""What a service calls this frontend that wants it."""


class Unknown(NamedTuple):
    """A name that no service has: as it came, and without its percent signs."""

    asked: bytes
    key: bytes


class EasRoutes:
    """
    Finds the service of a path below `PREFIX`; a refusal is a route too.

    With more than one service their names are secret: who has no token of one is told the same of
    all names.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return the route for a head."""
        found = self._predict(head, headers)
        if isinstance(found, PredictRoute):
            return found
        if isinstance(found, HttpRefusal):
            return Refused(head, found)
        return Refused(head, HttpRefusal(str(found), status_of(found)))

    def _predict(self, head: Head, headers: Mapping[bytes, bytes]) -> PredictRoute | Refusal:
        entry = self.named(head.path[len(PREFIX) :])
        if isinstance(entry, Entry) and NAME not in entry.frontends:
            entry = Unknown(entry.key, entry.key)
        refusal = Asked(head, headers).refusal_of(
            self.tokens_of(entry), entry.key.decode(errors="replace")
        )
        if refusal is not None and self._registry.names_are_secret:
            return refusal
        if isinstance(entry, Unknown):
            return NotFound(f"there is no service {shown(entry.asked)} here")
        if head.method not in (b"POST", b"GET"):
            return MethodNotAllowed(
                f"{head.method.decode()} is not answered here; "
                "POST predicts, GET returns the signature",
                b"GET, POST",
            )
        if refusal is not None:
            return refusal
        if (service := entry.latest) is None:
            return entry.not_ready()
        return PredictRoute(head, service, timed=headers.get(b"x-eas-timing") == b"1")

    def named(self, path: bytes) -> Entry | Unknown:
        """Return the service that the first part of a path names."""
        asked = path.partition(b"/")[0]
        name = unquote_to_bytes(asked)
        return self._registry.find(asked) or self._registry.find(name) or Unknown(asked, name)

    def tokens_of(self, entry: Entry | Unknown) -> Tokens:
        """Return who may learn whether there is such a service."""
        return self._registry.tokens_of(entry.key)


class AnyPath(EasRoutes):
    """
    Takes every path for the one service there is.

    So does a processor of the vendor's that is run as a script.
    """

    def named(self, path: bytes) -> Entry | Unknown:
        return next(iter(self._registry), None) or super().named(path)
