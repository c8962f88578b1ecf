"""A NAT or balancer between client and service, which can drop what it has in its table."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading


class Relay:
    """Forwards TCP connections to `target`, until told otherwise; those of later go through."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port = self._listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.accepted = 0
        self._ways: list[Way] = []
        self._waiting: list[socket.socket] = []
        self._vanished = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def freeze(self, *, reading: bool = True) -> None:
        """Forward nothing more of the connections that are open; take what comes, or not."""
        for way in self._ways:
            way.reads, way.frozen = reading, True

    def reset_when_used(self) -> None:
        """Answer the next bytes on each of the open connections with a reset."""
        for way in self._ways:
            way.resets = True

    def vanish(self) -> None:
        """Forward nothing of old connections, and let no new one come about."""
        self.freeze()
        self._listener.listen(0)
        self._vanished.set()
        # The one that `accept` waits for, and those that fill the queue.
        self._waiting.append(socket.create_connection(("127.0.0.1", self.port)))
        self._accepting.join()
        for _ in range(4):
            self._waiting.append(socket.socket())
            self._waiting[-1].setblocking(False)
            self._waiting[-1].connect_ex(("127.0.0.1", self.port))

    def close(self) -> None:
        self._listener.close()
        for each in self._waiting:
            each.close()
        for way in self._ways:
            way.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._vanished.is_set():
                    self._waiting.append(near)
                    return
                self.accepted += 1
                way = Way(near, socket.create_connection(self._target))
                self._ways.append(way)
                way.start()  # not before: it may be told to freeze once it has forwarded


class Way:
    """One connection through the relay."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near, self.far = near, far
        self.frozen = self.resets = False
        self.reads = True
        self._over = threading.Event()

    def start(self) -> None:
        for source, sink in ((self.near, self.far), (self.far, self.near)):
            threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        self._over.set()
        for each in (self.near, self.far):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if self.resets:
                    linger = struct.pack("ii", 1, 0)
                    self.near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.near.close()
                    return
                if not self.frozen:
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    sink.sendall(data)
                elif not self.reads or not data:
                    self._over.wait()
                    return
