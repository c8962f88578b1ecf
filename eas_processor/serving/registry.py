"""Services by name, with the versions of each that are live; it changes while they serve."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from eas_processor.contracts.refusals import NotReady
from eas_processor.contracts.settings import Peer
from eas_processor.contracts.shown import for_clients
from eas_processor.serving.service import Service
from eas_processor.serving.tokens import NOBODY, Tokens
from eas_processor.serving.version_states import VersionState

EAS_ALONE = frozenset(["eas"])
_REMEMBERED = 1000
"""Services that have gone, and whose tokens and states of versions are kept."""


class Phase(enum.Enum):
    """
    How far a service has come.

        PREPARING ──▶ STARTING ──▶ SERVING
            ▲  │          │
            │  ▼          │
            FAILED ◀──────┘
    """

    PREPARING = "preparing"
    """Its build, model and warm-up file are brought here."""
    STARTING = "starting"
    """Its instances load the model and warm up; calls wait for them."""
    SERVING = "serving"
    FAILED = "failed"
    """It could not start; it is tried again."""


class Entry:
    """
    One name, whether or not anything serves it yet.

    `versions` are those that calls can be sent to, by number, and `labels` are names for some of
    the numbers. `reason` says why there is none, and `tokens_before` are those of its file before
    there is one. `states` tells of the versions of a model that has several, those that have gone
    included. `frontends` are the protocols that may call it.
    """

    def __init__(
        self, name: str, tokens_before: Tokens, frontends: frozenset[str] = EAS_ALONE
    ) -> None:
        self.name = name
        self.key = name.encode()
        self.phase = Phase.PREPARING
        self.reason = ""
        self.versions: dict[int, Service] = {}
        self.labels: dict[str, int] = {}
        self.states: dict[int, VersionState] = {}
        self.tokens_before = tokens_before
        self.frontends = frontends

    @property
    def tokens(self) -> Tokens:
        """Who may call it, and learn of it."""
        return self.tokens_before if (latest := self.latest) is None else latest.tokens

    @property
    def latest(self) -> Service | None:
        """The version with the highest number."""
        return self.versions[max(self.versions)] if self.versions else None

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Other engines that serve the same."""
        return () if (latest := self.latest) is None else latest.settings.peers

    @property
    def tried(self) -> bool:
        """Whether a start of it has succeeded or failed."""
        return self.phase in (Phase.SERVING, Phase.FAILED)

    @property
    def ready(self) -> bool:
        """Whether an instance of a version can take calls."""
        return any(each.ready for each in self.versions.values())

    def metric_labels(self, number: int) -> dict[str, object]:
        """
        Return what tells the metrics of a version from others.

        A service that has one at a time keeps its series when that is replaced.
        """
        return {"service": self.name, **({"version": number} if self.states else {})}

    def not_ready(self) -> NotReady:
        """Return the refusal of a call while no version can take it."""
        if self.phase is Phase.FAILED:
            reason = for_clients(self.reason)
            return NotReady(f"service {self.name!r} could not start: {reason}; it is tried again")
        return NotReady(f"service {self.name!r} is being prepared; try again in a moment")

    def publish(self, number: int, service: Service) -> None:
        """Have `service` take calls as version `number`; one that had the number leaves it."""
        before = self.versions.get(number)
        service.enter(self.latest)
        self._forget_heads()
        self.versions[number] = service
        if before is not None:
            before.leave()

    def label(self, labels: dict[str, int]) -> None:
        """Have these labels, and no others, from now on."""
        self._forget_heads()
        self.labels = labels

    def withdraw(self, number: int) -> None:
        """Send no more calls to version `number`; those that it has are answered."""
        self.versions.pop(number).leave()

    def _forget_heads(self) -> None:
        """Have connections ask again whom a head is for: another version may be the latest."""
        for each in self.versions.values():
            each.forget_heads()

    def renumber(self, before: int, after: int) -> None:
        """Have the version `before`, whose instances were replaced, be called `after`."""
        self.versions[after] = self.versions.pop(before)


class Registry:
    """
    The services of an engine.

    It remembers who could call what has gone, as long as nothing else has the name: they are told
    that it has gone, and how the versions of a model have ended.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._gone: dict[bytes, Tokens] = {}
        self._ended: dict[bytes, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries in the order in which they came."""
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names_are_secret(self) -> bool:
        """
        Whether only who has a service's token may learn that there is such a service.

        That is so where there are several, unless everybody may call all of them.
        """
        several = len(self._entries) > 1
        return several and not all(each.tokens.public for each in self._entries.values())

    def wants(self, frontend: str) -> bool:
        """Whether a service may be called by this protocol."""
        return any(frontend in each.frontends for each in self._entries.values())

    def find(self, key: bytes) -> Entry | None:
        """Return the entry of the name that is `key` in UTF-8."""
        return self._entries.get(key)

    def ended(self, key: bytes) -> Entry | None:
        """Return the entry that had the name last, where it tells of its versions."""
        return self._ended.get(key)

    def tokens_of(self, key: bytes) -> Tokens:
        """Return who may learn whether there is a service of this name: nobody, if never."""
        entry = self._entries.get(key)
        return entry.tokens if entry is not None else self._gone.get(key, NOBODY)

    def add(self, entry: Entry) -> None:
        """Take in an entry, whose name no other may have."""
        assert entry.key not in self._entries, entry.name
        self._entries[entry.key] = entry
        self._gone.pop(entry.key, None)
        self._ended.pop(entry.key, None)

    def remove(self, entry: Entry) -> None:
        """Take an entry away: its name is not found any more."""
        del self._entries[entry.key]
        self._gone[entry.key] = entry.tokens
        if entry.states:
            self._ended[entry.key] = entry
        if len(self._gone) > _REMEMBERED:
            oldest = next(iter(self._gone))
            del self._gone[oldest]
            self._ended.pop(oldest, None)
        for number in list(entry.versions):
            entry.withdraw(number)


def registry_of(*services: Service) -> Registry:
    """Return a registry in which each of these serves, as version 1."""
    registry = Registry()
    for service in services:
        entry = Entry(service.name, service.tokens)
        entry.publish(1, service)
        entry.phase = Phase.SERVING
        registry.add(entry)
    return registry
