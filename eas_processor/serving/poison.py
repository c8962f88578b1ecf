"""Remembers requests that crashed a worker in which they ran alone."""

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
"""Size, codec number and SHA-256 of a request."""


class Poison:
    """
    The poison requests of one service.

    Clients retry a request that was answered with 500, the SDKs up to four times, and each retry
    would cost two workers. A request that comes again within a minute is refused without a run.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._until: dict[_Mark, float] = {}
        self.sizes: set[int] = set()
        """The sizes of the remembered requests. A request of another size needs no digest."""

    def remember(self, request: Call, how: str) -> None:
        """Remember and log a request that was alone in a worker which died as `how` says."""
        if len(self._until) >= _AT_MOST:
            self.forget()
        mark = _mark(request)
        self._until[mark] = monotonic() + REMEMBERED_S
        self.sizes.add(request.size)
        self._log("poison request: it crashed a worker in which it ran alone", mark, how=how)

    def refusal(self, request: Call) -> InternalError | None:
        """Return the refusal of a request that is remembered, else None."""
        if request.size not in self.sizes:
            return None
        now = monotonic()
        self._until = {mark: until for mark, until in self._until.items() if until > now}
        self.sizes = {size for size, _, _ in self._until}
        mark = _mark(request)
        if mark not in self._until:
            return None
        self._log("poison request: it came again and was refused", mark)
        return InternalError(
            f"this request crashed a worker less than {REMEMBERED_S:.0f} s ago; "
            "it will not run again within that time"
        )

    def forget(self) -> None:
        """Forget all requests, because a changed service may be able to run them."""
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
