"""Stands between an HTTP/2 client and a server, and knows which streams were not answered."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

_PREFACE_SIZE = 24
_HEADERS, _GOAWAY = 1, 7
_END_STREAM = 0x1
_ALL = 2**31 - 1


class _Streams:
    """Of one connection: those that the client has opened, and those that the server has ended."""

    def __init__(self) -> None:
        self.opened: set[int] = set()
        self.ended: set[int] = set()
        self.let_in = _ALL
        """The last stream that the server says it has looked at."""

    @property
    def unanswered(self) -> int:
        return sum(stream <= self.let_in for stream in self.opened - self.ended)


class FrameRelay:
    """Relays connections at `address` to a server, until the server closes them."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._connections: list[_Streams] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def unanswered(self) -> int:
        """Calls that the server let in, and did not answer to the end."""
        return sum(each.unanswered for each in self._connections)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                streams = _Streams()
                self._connections.append(streams)
                for job in (self._to_server, self._to_client):
                    threading.Thread(target=job, args=(client, server, streams)).start()

    def _to_server(self, client: socket.socket, server: socket.socket, streams: _Streams) -> None:
        for kind, _, stream, _ in _relayed(client, server, _PREFACE_SIZE):
            if kind == _HEADERS:
                streams.opened.add(stream)

    def _to_client(self, client: socket.socket, server: socket.socket, streams: _Streams) -> None:
        for kind, flags, stream, payload in _relayed(server, client, 0):
            if kind == _HEADERS and flags & _END_STREAM:
                streams.ended.add(stream)
            elif kind == _GOAWAY:
                streams.let_in = int.from_bytes(payload[:4], "big")


def _relayed(
    source: socket.socket, target: socket.socket, skipped: int
) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, stream and payload of each frame behind the first bytes; pass all on."""
    left = b""
    with contextlib.suppress(OSError):
        while got := source.recv(2**16):
            left += got
            at, skipped = min(skipped, len(left)), max(0, skipped - len(left))
            frames = []
            while len(left) - at >= 9:
                word, flags, stream = struct.unpack_from(">IBI", left, at)
                stop = at + 9 + (word >> 8)
                if stop > len(left):
                    break
                frames.append((word & 0xFF, flags, stream, left[at + 9 : stop]))
                at = stop
            left = left[at:]
            yield from frames
            target.sendall(got)
        target.shutdown(socket.SHUT_WR)
