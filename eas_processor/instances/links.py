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
"""How long a sender waits for a launcher that has not read what was sent before."""


def widen(transport: asyncio.Transport) -> None:
    """
    Let a body of usual size fit into a socket: fewer writes, and fewer wake-ups of both sides.

    The kernel gives no more than net.core.wmem_max.
    The figures are in docs/decisions/large-bodies.md.
    """
    if sock := transport.get_extra_info("socket"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BULK_BUFFER)


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return our end of a new connection, and the other. Raises StartError."""
    try:
        return socket.socketpair()
    except OSError as error:
        raise StartError(f"a process cannot be given a socket: {error.strerror}") from error


async def open_link(sock: socket.socket, protocol: asyncio.Protocol) -> asyncio.Transport:
    """Have `protocol` take what arrives on our end of a pair of sockets."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(lambda: protocol, sock=sock)
    return transport


async def send_with(sock: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    """
    Send a message that hands over open descriptors, on the socket of a transport.

    Nothing else is written to it. Raises OSError when the other side has closed.
    """
    rest = memoryview(data)
    while rest:
        try:
            # They go with the first byte.
            sent = socket.send_fds(sock, [rest], descriptors if len(rest) == len(data) else [])
            rest = rest[sent:]
        except BlockingIOError:
            await asyncio.sleep(_FULL_S)


class FrameLink(asyncio.Protocol):
    """Hands on the frames of one connection, a burst at a time."""

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
    Hands on the frames of a bulk channel, whose large answers are charged while they arrive.

    One that there is no room for is thrown away as it comes: its call gets a refusal instead.
    `charges_of` returns the size of the body of the call with a number, and who pays for it: the
    body is given back when the answer is there, so only what an answer is larger is asked of the
    budget.
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
        """Whether the answer that is arriving is charged, or thrown away."""

    def data_received(self, data: bytes) -> None:
        frames = self._deframer.feed(data)
        if frames:
            # The first of them is the one that was charged; sending it is charged anew.
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
    """Hands on the lines that a process prints; `closed` is set after the last one."""

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
