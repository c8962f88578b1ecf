"""Finds models and their versions for the protocols of TensorFlow Serving."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from eas_processor.contracts.refusals import BadRequest, NotFound, Refusal
from eas_processor.serving.registry import Entry, Phase, Registry
from eas_processor.serving.service import Service
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.version_states import Stage, VersionState

AskToken = Callable[[Tokens, str], Refusal | None]
"""Returns the refusal if a request has none of the tokens of the named service, else None."""


class Wanted(NamedTuple):
    """A model, and one version by its number or its label; without both, the latest."""

    name: bytes
    version: int | None = None
    label: str | None = None

    @property
    def not_found(self) -> str:
        """The error text for a missing version, in TensorFlow Serving's words."""
        name = self.name.decode(errors="replace")
        if self.version is None:
            return f"Servable not found for request: Latest({name})"
        return f"Servable not found for request: Specific({name}, {self.version})"


class UnknownLabel(BadRequest):
    """A label that no version of the model has."""


class TfsModels:
    """The models of `registry` that can be called through `frontend`."""

    def __init__(self, registry: Registry, frontend: str) -> None:
        self._registry = registry
        self._frontend = frontend

    def entry(self, wanted: Wanted, ask: AskToken) -> Entry:
        """Return the model's entry. Raises NotFound, or the refusal of the token."""
        registry, key = self._registry, wanted.name
        entry = registry.find(key)
        if entry is None and not registry.names_are_secret:
            raise NotFound(wanted.not_found)
        if not (entry is not None and entry.tokens.public):
            refusal = ask(registry.tokens_of(key), key.decode(errors="replace"))
            if refusal is not None:
                raise refusal
        if entry is None or self._frontend not in entry.frontends:
            raise NotFound(wanted.not_found)
        return entry

    def listed(self, wanted: Wanted, ask: AskToken) -> Entry:
        """Return the model's entry, or that of a removed model. Raises as `entry` does."""
        try:
            return self.entry(wanted, ask)
        except NotFound:
            ended = self._registry.ended(wanted.name)
            if ended is None or self._frontend not in ended.frontends:
                name = wanted.name.decode(errors="replace")
                raise NotFound(f"Could not find any versions of model {name}") from None
            return ended

    @staticmethod
    def version(entry: Entry, wanted: Wanted) -> tuple[int, Service]:
        """Return a version's number and service. Raises NotFound or UnknownLabel."""
        versions, number = entry.versions, wanted.version
        if wanted.label is not None:
            number = entry.labels.get(wanted.label)
            if number is None:
                raise UnknownLabel(f"Unrecognized servable version label: {wanted.label}")
        elif versions and (number is None or (number == 0 and 0 not in versions)):
            # Some clients send 0 for the latest version.
            number = max(versions)
        service = None if number is None else versions.get(number)
        if number is None or service is None:
            raise NotFound(wanted._replace(version=number).not_found)
        return number, service


def states_of(entry: Entry, version: int | None = None) -> dict[int, VersionState]:
    """
    Return the state of each version, or only of `version`; empty if there is no such version.

    Version 0 means all versions unless one has that number, because some clients send 0 when they
    name no version.
    """
    states = _all_states(entry)
    if version is None or (version == 0 and 0 not in states):
        return states
    return {version: states[version]} if version in states else {}


def _all_states(entry: Entry) -> dict[int, VersionState]:
    """Return the state of each version, also for a service without numbered versions."""
    if entry.states:
        return entry.states
    if entry.versions:
        stage = {True: Stage.AVAILABLE, False: Stage.LOADING}
        return {number: VersionState(stage[each.ready]) for number, each in entry.versions.items()}
    return {1: VersionState(Stage.END if entry.phase is Phase.FAILED else Stage.LOADING)}


def signatures_of(service: Service) -> str:
    """Return the signatures of a version as JSON, as its worker reported. Raises NotFound."""
    text = service.instances.info.get("metadata")
    if not text:
        raise NotFound("the processor of this model reports no signatures")
    return str(text)
