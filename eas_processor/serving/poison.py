"""Requests that killed a worker they were alone in, remembered for a while."""

from __future__ import annotations

import hashlib
import logging
from time import monotonic

from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import InternalError

log = logging.getLogger("eas_processor.engine")

REMEMBERED_S = 60.0
_AT_MOST = 64

_Mark = tuple[int, int, bytes]
"""Size, kind and SHA-256 of a request."""


class Poison:
    """
    The poison requests of one service.

    Clients send a request that was answered with 500 again, the SDKs up to four times, and each
    time would cost two workers. One that comes again within a minute is refused unrun.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._until: dict[_Mark, float] = {}
        self.sizes: set[int] = set()
        """The sizes of those that are remembered: a request of another size is none of them."""

    def convict(self, request: Call, how: str) -> None:
        """Remember and log a request that was alone in a worker when that died as `how` says."""
        if len(self._until) >= _AT_MOST:
            self.forget()
        mark = _mark(request)
        self._until[mark] = monotonic() + REMEMBERED_S
        self.sizes.add(request.size)
        self._log("poison request: alone in a worker, it killed it", mark, how=how)

    def refusal(self, request: Call) -> InternalError | None:
        """Return why a request is not to be run, if it is one that is remembered."""
        if request.size not in self.sizes:
            return None
        now = monotonic()
        self._until = {mark: until for mark, until in self._until.items() if until > now}
        self.sizes = {size for size, _, _ in self._until}
        mark = _mark(request)
        if mark not in self._until:
            return None
        self._log("poison request: it came again, and was not run", mark)
        return InternalError(
            "this request, alone in a worker, killed it less than "
            f"{REMEMBERED_S:.0f} s ago; it is not run again until then"
        )

    def forget(self) -> None:
        """Let everything be run again: another model may take it."""
        self._until.clear()
        self.sizes.clear()

    def _log(self, text: str, mark: _Mark, **facts: str) -> None:
        size, _, digest = mark
        told = {"service": self._service, "sha256": digest.hex(), "bytes": size}
        log.error(text, extra={"facts": told | facts})


def _mark(request: Call) -> _Mark:
    digest = hashlib.sha256()
    for piece in request.body:
        digest.update(piece)
    return request.size, request.codec, digest.digest()
