"""Frames over a blocking socket: the side of the launcher and of the worker's threads."""

import json
import os
import socket
from typing import Any, Dict, List

import numpy as np

from eas_processor.link.frames import HEAD, HEAD_SIZE, HELLO, LINK_VERSION, Frame, LinkError, pack

# Holds twenty requests of 3 KB, and any frame of the data channel whole.
_READ_SIZE = 256 * 1024


def connect(path: str, channel: str, **facts: Any) -> socket.socket:
    """
    Connect to the engine's socket at `path` and introduce this process on `channel`.

    Raises LinkError when no engine answers there.
    """
    hello: Dict[str, Any] = dict(facts, link=LINK_VERSION, channel=channel, pid=os.getpid())
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
        sock.sendall(pack(HELLO, json.dumps(hello).encode()))
    except OSError as error:
        sock.close()
        raise LinkError(f"no engine answers at {path}: {error.strerror}") from error
    return sock


class FrameReader:
    """Reads frames in bursts: one system call brings whatever has arrived."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(_READ_SIZE)
        self._view = memoryview(self._buffer)
        self._filled = 0

    def read(self) -> List[Frame]:
        """
        Block until a whole frame is there; return it and those that came with it.

        Raises LinkError when the other side has closed.
        """
        frames: List[Frame] = []
        while not frames:
            self._filled += self._receive(self._view[self._filled :])
            frames = self._split()
        return frames

    def read_arrived(self) -> List[Frame]:
        """Return the frames that have arrived, without waiting for one; raises as `read` does."""
        try:
            self._filled += self._receive(self._view[self._filled :], socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        return self._split()

    def _receive(self, into: memoryview, flags: int = 0) -> int:
        count = self._sock.recv_into(into, 0, flags)
        if not count:
            raise LinkError("the link was closed")
        return count

    def _split(self) -> List[Frame]:
        frames: List[Frame] = []
        start, filled = 0, self._filled
        while filled - start >= HEAD_SIZE:
            length, kind, codec, status, number, deadline = HEAD.unpack_from(self._buffer, start)
            body = start + HEAD_SIZE
            end = body + length
            if end > filled:
                if HEAD_SIZE + length <= _READ_SIZE:
                    break
                payload = self._read_large(length, self._view[body:filled])
                frames.append((kind, codec, status, number, deadline, payload))
                start = filled
                break
            received = bytes(self._view[body:end])
            frames.append((kind, codec, status, number, deadline, received))
            start = end
        if start < filled:
            self._buffer[: filled - start] = self._buffer[start:filled]
        self._filled = filled - start
        return frames

    def _read_large(self, length: int, head: memoryview) -> memoryview:
        """Read the rest of a payload straight into memory of its own."""
        # Memory that nobody zeroes: bytearray(64 MiB) holds the GIL for 15 ms and stops every
        # thread. From malloc, not mapped anew: the page faults of 600 KB take 100 us.
        payload: memoryview = np.empty(length, np.uint8).data
        payload[: len(head)] = head
        done = len(head)
        while done < length:
            done += self._receive(payload[done:])
        return payload
