"""The engine's ends of the sockets of launchers and workers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from eas_processor.contracts.account import Account
from eas_processor.errors import StartError
from eas_processor.link.deframer import Deframer
from eas_processor.link.frames import Frame
from eas_processor.serving.budget import Budget

_MAX_LINE = 64 * 1024
_BULK_BUFFER = 2 * 1024 * 1024
_FULL_S = 0.01
"""The pause before another attempt to send to a launcher whose socket is full."""


def widen(transport: asyncio.Transport) -> None:
    """
    Enlarge the send buffer so that a usual body fits: fewer writes, fewer wake-ups of both sides.

    The kernel grants at most net.core.wmem_max.
    The figures are in docs/decisions/large-bodies.md.
    """
    if sock := transport.get_extra_info("socket"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BULK_BUFFER)


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the engine's end of a new connection, and the other end. Raises StartError."""
    try:
        return socket.socketpair()
    except OSError as error:
        raise StartError(f"cannot open a socket for a process: {error.strerror}") from error


async def open_link(sock: socket.socket, protocol: asyncio.Protocol) -> asyncio.Transport:
    """Connect `protocol` to the engine's end of a pair of sockets."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(lambda: protocol, sock=sock)
    return transport


async def send_with(sock: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    """
    Send `data` together with open file descriptors, on the socket of a transport.

    The transport itself must not write. Raises OSError if the other side has closed.
    """
    rest = memoryview(data)
    while rest:
        try:
            # The descriptors travel with the first byte.
            sent = socket.send_fds(sock, [rest], descriptors if len(rest) == len(data) else [])
            rest = rest[sent:]
        except BlockingIOError:
            await asyncio.sleep(_FULL_S)


class FrameLink(asyncio.Protocol):
    """Passes the frames of one connection to `on_frames`, a burst at a time."""

    def __init__(
        self, on_frames: Callable[[list[Frame]], None], on_lost: Callable[[], None] | None = None
    ) -> None:
        self._on_frames = on_frames
        self._on_lost = on_lost
        self._deframer = Deframer()

    def data_received(self, data: bytes) -> None:
        if frames := self._deframer.feed(data):
            self._on_frames(frames)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._on_lost is not None:
            self._on_lost()


class BulkLink(FrameLink):
    """
    Passes on the frames of a bulk channel, and charges large answers while they arrive.

    An answer that does not fit into the budget is discarded as it arrives, and its call gets a
    refusal instead. `charges_of` returns the size of a call's body and its account, by number. The
    body is released when the answer has arrived, so that only the excess of the answer over the
    body is charged.
    """

    def __init__(
        self,
        on_frames: Callable[[list[Frame]], None],
        on_lost: Callable[[], None],
        budget: Budget,
        charges_of: Callable[[int], tuple[int, Account | None]],
    ) -> None:
        super().__init__(on_frames, on_lost)
        self._charges_of = charges_of
        self._budget = budget
        self._charged = 0
        self._account: Account | None = None
        self._decided = False
        """Whether the arriving answer has been charged, or replaced by a refusal."""

    def data_received(self, data: bytes) -> None:
        frames = self._deframer.feed(data)
        if frames:
            # The first frame is the one that was charged. The sender charges it again.
            self._give_back()
            self._on_frames(frames)
        if not self._decided and not self._deframer.complete:
            self._decided = True
            self._charge(self._deframer.arriving, self._deframer.number)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_back()
        super().connection_lost(exc)

    def _charge(self, size: int, number: int) -> None:
        body, self._account = self._charges_of(number)
        more, budget = max(0, size - body), self._budget
        if size <= budget.most(self._account) and budget.make_fit(more, self._account):
            budget.charge(self._account, 0, more)
            self._charged = more
        else:
            refusal = budget.answer_refusal(size, self._account)
            self._deframer.replace(refusal.code, str(refusal).encode())

    def _give_back(self) -> None:
        self._budget.charge(self._account, self._charged, 0)
        self._charged = 0
        self._decided = False


class LineLink(asyncio.Protocol):
    """Passes the lines that a process prints to `on_line`; `closed` is set after the last one."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.closed = asyncio.Event()
        self._on_line = on_line
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._on_line(line.decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._on_line(self._rest.decode(errors="replace"))
        self.closed.set()
