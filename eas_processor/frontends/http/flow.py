"""The pace of one connection: what its client leaves unread, and whether more is read from it."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from eas_processor.serving.budget import Budget

log = logging.getLogger("eas_processor.engine")


class FlowControl:
    """
    The flow control of a connection, and the client that the budget knows.

    `reading` is whether bytes of the client are read; `blocked` whether it has so much unread that
    the transport asks for a pause; `read_at` when it was last seen to read.
    """

    def __init__(self, budget: Budget, transport: asyncio.Transport, now: float) -> None:
        self._budget = budget
        self._transport = transport
        self.reading = True
        self.blocked = False
        self.read_at = now
        self._unread = 0
        """Bytes that were left at `read_at`."""

    def block(self) -> None:
        """Charge what the client leaves unread from now on."""
        self.blocked = True
        self.charge_unread()

    def unblock(self) -> None:
        """Note that the client has read."""
        self.blocked = False
        self.forget()

    def forget(self) -> None:
        """Charge nothing for this client any more."""
        self._budget.note_unread(self, 0)

    def charge_unread(self) -> None:
        """Charge what was written to a client that does not keep up."""
        unread = self._transport.get_write_buffer_size()
        if not self._unread:
            self.read_at = monotonic()  # what was there before has been read
        self._unread = max(unread, self._unread)
        self._budget.charge_unread(self, unread)

    def measure(self, now: float) -> None:
        """Note how much the client has read, and give back what is charged for that."""
        unread = self._transport.get_write_buffer_size()
        if not unread or unread < self._unread:
            self.read_at = now
        self._unread = unread
        if self.blocked:
            self._budget.note_unread(self, unread)

    def drop(self, why: str) -> None:
        """Close the connection in the middle of an answer."""
        self._budget.dropped += 1
        log.warning("the connection of %s is dropped in mid-answer: %s", self.client(), why)
        self._transport.abort()

    def read(self, reading: bool) -> bool:
        """Read, or pause; return whether that is a change."""
        if reading == self.reading or self._transport.is_closing():
            return False
        self.reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
        return True

    def client(self) -> str:
        """Return the address of the client."""
        host, port, *_ = self._transport.get_extra_info("peername") or ("unknown", 0)
        return f"{host}:{port}"
