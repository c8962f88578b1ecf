"""Accepts connections with TLS, and limits the number and the time of handshakes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from time import monotonic

_MOST = 512
"""The most handshakes at a time. Each has buffers, and is not counted as a connection yet."""
_GRACE_S = 0.5
"""How long a handshake lasts before a new one may replace it."""
_PAUSE_S = 0.05


class Handshakes:
    """
    Accepts connections at the listening socket `listener`, with protocols from `make_protocol`.

    If `_MOST` handshakes are running, or `is_full`, a new connection replaces the oldest handshake
    after `_GRACE_S`. Until then it waits in the backlog, where it uses none of the engine's memory.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        patience: float,
        make_protocol: Callable[[], asyncio.Protocol],
        is_full: Callable[[], bool],
    ) -> None:
        self._listener = listener
        self._context = context
        self._patience = patience
        self._make_protocol = make_protocol
        self._is_full = is_full
        self._began: dict[asyncio.Task[None], float] = {}
        """The start of each handshake, the oldest first."""
        self._listening = False

    def __len__(self) -> int:
        return len(self._began)

    def listen(self) -> None:
        """Accept connections from now on."""
        self._listening = True
        self._go_on()

    def stop(self) -> None:
        """Accept no more connections. The listener stays open, and handshakes continue."""
        if self._listening:
            self._listening = False
            asyncio.get_running_loop().remove_reader(self._listener)

    def end(self) -> None:
        """Cancel all handshakes."""
        for task in list(self._began):
            task.cancel()

    async def finish(self) -> None:
        """Wait until all handshakes have ended."""
        await asyncio.gather(*self._began, return_exceptions=True)

    def take(self, accepted: socket.socket) -> None:
        """Begin the handshake of an accepted connection."""
        task = asyncio.create_task(self._shake(accepted))
        self._began[task] = monotonic()
        task.add_done_callback(lambda _: self._began.pop(task, None))

    def _accept(self) -> None:
        if (len(self._began) >= _MOST or self._is_full()) and not self._make_room():
            self._pause()
            return
        try:
            accepted = self._listener.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # No file descriptor is left. The waiting backlog would wake the loop again and again.
            self._pause()
            return
        if self._is_full():
            accepted.close()
        else:
            self.take(accepted)

    def _make_room(self) -> bool:
        """Cancel the oldest handshake; return False if it is too young for that."""
        oldest = next(iter(self._began), None)
        if oldest is not None:
            if monotonic() - self._began[oldest] < _GRACE_S:
                return False
            del self._began[oldest]
            oldest.cancel()
        return True

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        if self._listening:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def _shake(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        # A failed handshake loses no request. OpenSSL's errors are OSErrors.
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._patience,
            )
