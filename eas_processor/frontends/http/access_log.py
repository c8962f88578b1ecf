"""Logs a line for each answer, or for a share of them. If it is off, it costs one comparison."""

from __future__ import annotations

import logging
import random
from time import monotonic

from eas_processor.frontends.http.request import HttpRequest

log = logging.getLogger("eas_processor.access")


class AccessLog:
    """Logs a `share` of the answers, 0 to 1; never a token, a query or a body."""

    def __init__(self, share: float) -> None:
        self._share = share

    def note(self, request: HttpRequest, client: str, status: int, size: int) -> None:
        """Log an answer of `size` bytes, if chance includes it in the share."""
        if random.random() >= self._share:
            return
        method = request.head.method.decode()
        path = request.head.path.decode("ascii", errors="replace")
        facts = {
            "request_id": request.id.decode(),
            "client": client,
            "method": method,
            "path": path,
            "status": status,
            "bytes_in": request.size,
            "bytes_out": size,
            "ms": round((monotonic() - request.began) * 1000, 3),
        }
        log.info("%s %s %d", method, path, status, extra={"facts": facts})
