"""The services of an engine by name, with the versions of each that take calls."""

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
"""How many removed services have their tokens and version states remembered."""


class Phase(enum.Enum):
    """
    The phases of a service.

        PREPARING ──▶ STARTING ──▶ SERVING
            ▲  │          │
            │  ▼          │
            FAILED ◀──────┘
    """

    PREPARING = "preparing"
    """Its processor build, model and warm-up file are fetched."""
    STARTING = "starting"
    """Its instances load the model and warm up. Calls wait for them."""
    SERVING = "serving"
    FAILED = "failed"
    """It could not start. The start is retried."""


class Entry:
    """
    The entry of one name, which exists before any version serves it.

    `versions` contains the versions that take calls, by number; `labels` are names for some of the
    numbers. While there is no version, `reason` says why, and `tokens_before` are the tokens of the
    service file. `states` describes the versions of a model with numbered versions, including
    those that have ended. `frontends` are the protocols through which it can be called.
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
        """The tokens with which it can be called."""
        return self.tokens_before if (latest := self.latest) is None else latest.tokens

    @property
    def latest(self) -> Service | None:
        """The version with the highest number."""
        return self.versions[max(self.versions)] if self.versions else None

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Other engines with the same service."""
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
        Return the labels of a version's metrics.

        A service with one version at a time has no version label, so that an update continues its
        time series.
        """
        return {"service": self.name, **({"version": number} if self.states else {})}

    def not_ready(self) -> NotReady:
        """Return the refusal of a call while no version can take it."""
        if self.phase is Phase.FAILED:
            reason = for_clients(self.reason)
            return NotReady(f"service {self.name!r} could not start: {reason}; it will be retried")
        return NotReady(f"service {self.name!r} is being prepared; try again in a moment")

    def publish(self, number: int, service: Service) -> None:
        """Make `service` take calls as version `number`, in place of the one that had it before."""
        before = self.versions.get(number)
        service.enter(self.latest)
        self._forget_heads()
        self.versions[number] = service
        if before is not None:
            before.leave()

    def label(self, labels: dict[str, int]) -> None:
        """Replace all labels by `labels`."""
        self._forget_heads()
        self.labels = labels

    def withdraw(self, number: int) -> None:
        """Send no more calls to version `number`. It still answers those that it holds."""
        self.versions.pop(number).leave()

    def _forget_heads(self) -> None:
        """Make connections look up each head again: another version may be the latest."""
        for each in self.versions.values():
            each.forget_heads()

    def renumber(self, before: int, after: int) -> None:
        """Give the version `before` the number `after`, once its instances have been replaced."""
        self.versions[after] = self.versions.pop(before)


class Registry:
    """
    The services of an engine.

    It remembers the tokens and version states of removed services until the name is used again. A
    client with such a token is told that the service was removed and how its versions ended.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._gone: dict[bytes, Tokens] = {}
        self._ended: dict[bytes, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries in the order in which they were added."""
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names_are_secret(self) -> bool:
        """
        Whether a service is shown only to clients with its token.

        This is the case if there are several services, unless all of them are public.
        """
        several = len(self._entries) > 1
        return several and not all(each.tokens.public for each in self._entries.values())

    def wants(self, frontend: str) -> bool:
        """Whether any service can be called through this protocol."""
        return any(frontend in each.frontends for each in self._entries.values())

    def find(self, key: bytes) -> Entry | None:
        """Return the entry of the name whose UTF-8 bytes are `key`, or None."""
        return self._entries.get(key)

    def ended(self, key: bytes) -> Entry | None:
        """Return the removed entry of this name, if it had numbered versions, or None."""
        return self._ended.get(key)

    def tokens_of(self, key: bytes) -> Tokens:
        """Return the tokens of the present or removed service of this name, else `NOBODY`."""
        entry = self._entries.get(key)
        return entry.tokens if entry is not None else self._gone.get(key, NOBODY)

    def add(self, entry: Entry) -> None:
        """Add an entry. No other entry may have its name."""
        assert entry.key not in self._entries, entry.name
        self._entries[entry.key] = entry
        self._gone.pop(entry.key, None)
        self._ended.pop(entry.key, None)

    def remove(self, entry: Entry) -> None:
        """Remove an entry and withdraw its versions."""
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
