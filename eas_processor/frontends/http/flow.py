"""Flow control of one connection: its unread answers, and whether requests are read from it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import termios
from time import monotonic

from eas_processor.contracts.account import Account
from eas_processor.serving.budget import Budget

log = logging.getLogger("eas_processor.engine")


class FlowControl:
    """
    The flow control of a connection, and the `Reader` that the budget sees.

    `reading` tells whether bytes of the client are read. `blocked` tells whether it has so much
    unread that the transport asks for a pause. `read_at` is when it was last seen to read.
    `account` is the account of the last large answer to it.
    """

    def __init__(self, budget: Budget, transport: asyncio.Transport, now: float) -> None:
        self._budget = budget
        self._transport = transport
        self.reading = True
        self.blocked = False
        self.read_at = now
        self.account: Account | None = None
        self._left = 0
        """Bytes that were unread at `read_at`, in the transport and in the kernel."""

    def block(self) -> None:
        """Charge the bytes that the client leaves unread from now on."""
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
        """Charge the bytes that the client has not read yet."""
        unread = self._transport.get_write_buffer_size()
        if not self._left:
            self.read_at = monotonic()  # earlier bytes have been read
        self._left = max(unread, self._left)
        self._budget.charge_unread(self, unread)

    def measure(self, now: float) -> None:
        """Update how much the client has read until `now`, and release those bytes."""
        unread = self._transport.get_write_buffer_size()
        left = unread + self._in_kernel() if unread else 0
        if not left or left < self._left:
            self.read_at = now
        self._left = left
        if self.blocked:
            self._budget.note_unread(self, unread)

    def drop(self, why: str) -> None:
        """Close the connection in the middle of an answer."""
        self._budget.dropped += 1
        log.warning("dropped the connection of %s in mid-answer: %s", self.client(), why)
        self._transport.abort()

    def read(self, reading: bool) -> bool:
        """Resume or pause reading; return whether that is a change."""
        if reading == self.reading or self._transport.is_closing():
            return False
        self.reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
        return True

    def _in_kernel(self) -> int:
        """
        Return the number of bytes that the kernel has not delivered yet.

        The kernel buffers 2.5 MB, so without this number a slow client appears to read in bursts: a
        client that read 20 KB/s without a pause was mistaken for one that had stalled.
        """
        sock = self._transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return 0
        with contextlib.suppress(OSError):
            return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), "little")
        return 0

    def client(self) -> str:
        """Return the address of the client."""
        name = self._transport.get_extra_info("peername")
        # The address of a client on a Unix socket is a path, which is mostly empty.
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unknown:0"
