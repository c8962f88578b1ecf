"""The routes of PAI-EAS, which name a service in the path."""

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
"""The name of this frontend in `ServiceSettings.frontends`."""


class Unknown(NamedTuple):
    """A name that no service has, as received and percent-decoded."""

    asked: bytes
    key: bytes


class EasRoutes:
    """
    Finds the route of a path below `PREFIX`.

    If there are several services, their names are secret: a client without a service's token gets
    the same refusal for every name.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return the route for a head, which may be one that refuses."""
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
            return NotFound(f"there is no service {shown(entry.asked)}")
        if head.method not in (b"POST", b"GET"):
            return MethodNotAllowed(
                f"the method is {head.method.decode()}, expected POST (predicts) "
                "or GET (returns the signature)",
                b"GET, POST",
            )
        if refusal is not None:
            return refusal
        if (service := entry.latest) is None:
            return entry.not_ready()
        return PredictRoute(head, service, timed=headers.get(b"x-eas-timing") == b"1")

    def named(self, path: bytes) -> Entry | Unknown:
        """Return the entry of the service that the first part of `path` names."""
        asked = path.partition(b"/")[0]
        name = unquote_to_bytes(asked)
        return self._registry.find(asked) or self._registry.find(name) or Unknown(asked, name)

    def tokens_of(self, entry: Entry | Unknown) -> Tokens:
        """Return the tokens with which a client may learn whether there is such a service."""
        return self._registry.tokens_of(entry.key)


class AnyPath(EasRoutes):
    """
    Sends every path to the only service.

    A processor of the vendor's SDK that runs as a script does the same.
    """

    def named(self, path: bytes) -> Entry | Unknown:
        return next(iter(self._registry), None) or super().named(path)
