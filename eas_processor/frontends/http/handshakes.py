"""Connections whose TLS handshake is not over: few of them, and none for long."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from time import monotonic

_MOST = 512
"""Handshakes at a time; each has buffers of its own, and no connection counts it."""
_GRACE_S = 0.5
"""How long a handshake has before one more takes its place."""
_PAUSE_S = 0.05


class Handshakes:
    """
    Accepts connections at `listener`, which listens, and gives each a protocol of `make_protocol`.

    When as many are under way as may be, or `is_full`, the oldest makes room once it has had half a
    second; until then who comes waits in the backlog, where nothing of ours is used.
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
        """When each handshake began, the oldest first."""
        self._listening = False

    def __len__(self) -> int:
        return len(self._began)

    def listen(self) -> None:
        """Accept connections from now on."""
        self._listening = True
        self._go_on()

    def stop(self) -> None:
        """Accept no more; the listener stays open, and what is under way goes on."""
        if self._listening:
            self._listening = False
            asyncio.get_running_loop().remove_reader(self._listener)

    def end(self) -> None:
        """Break off what is under way."""
        for task in list(self._began):
            task.cancel()

    async def finish(self) -> None:
        """Wait until no handshake is under way."""
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
            # No descriptor is left: who waits in the backlog would wake the loop without end.
            self._pause()
            return
        if self._is_full():
            accepted.close()
        else:
            self.take(accepted)

    def _make_room(self) -> bool:
        """Break off the oldest handshake; return False when it has to be waited for."""
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
        # One that fails is no request that could be lost; OpenSSL's errors are OSErrors.
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._patience,
            )
