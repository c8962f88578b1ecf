"""Read frames from blocking sockets, as launchers and the threads of workers do."""

import json
import os
import socket
from array import array
from typing import Any, Dict, List

import numpy as np

from eas_processor.link.deframer import Deframer
from eas_processor.link.frames import (
    CHANNELS,
    HEAD,
    HEAD_SIZE,
    HELLO,
    LINK_VERSION,
    Frame,
    LinkError,
    pack,
)

# Room for any frame of the data channel, or for dozens of usual requests.
_READ_SIZE = 256 * 1024
_MAX_DESCRIPTORS = len(CHANNELS)
_DESCRIPTOR_SIZE = array("i").itemsize


def introduce(sock: socket.socket, **facts: Any) -> None:
    """Send the HELLO of this process, with `facts`. Raises LinkError when the engine is gone."""
    hello: Dict[str, Any] = dict(facts, link=LINK_VERSION, pid=os.getpid())
    try:
        sock.sendall(pack(HELLO, json.dumps(hello).encode()))
    except OSError as error:
        raise LinkError(f"the engine is gone: {error.strerror}") from error


class DescriptorReader:
    """Reads frames, and the open sockets that some of them bring, in the order they were sent."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deframer = Deframer()
        self._descriptors: List[int] = []

    def read(self) -> List[Frame]:
        """
        Block until bytes arrive, and return the frames that they complete.

        Raises LinkError when the other side has closed.
        """
        space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * _DESCRIPTOR_SIZE)
        # Programs that the hooks start must not inherit the sockets: they would keep them open
        # after the worker's end.
        data, ancillary, _, _ = self._sock.recvmsg(_READ_SIZE, space, socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                whole = len(content) - len(content) % _DESCRIPTOR_SIZE
                self._descriptors += array("i", content[:whole])
        if not data:
            raise LinkError("the link was closed")
        return self._deframer.feed(data)

    def take(self, count: int) -> List[socket.socket]:
        """
        Return the next `count` sockets that were received.

        Raises LinkError if the kernel dropped some, because this process may open no more files.
        """
        taken, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        if len(taken) < count:
            raise LinkError("too many open files: a socket from the engine was lost")
        return [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=each) for each in taken]


class FrameReader:
    """Reads frames in bursts: one system call receives all that have arrived."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(_READ_SIZE)
        self._view = memoryview(self._buffer)
        self._filled = 0

    def read(self) -> List[Frame]:
        """
        Block until a frame is complete, and return all complete frames.

        Raises LinkError when the other side has closed.
        """
        frames: List[Frame] = []
        while not frames:
            self._filled += self._receive(self._view[self._filled :])
            frames = self._split()
        return frames

    def read_arrived(self) -> List[Frame]:
        """Return the frames that are already complete, without blocking; raises as `read` does."""
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
        """Receive the rest of a payload into its own memory; `head` has its first bytes."""
        # This memory is not zeroed, because that would hold the GIL and stop every thread. It comes
        # from malloc, because a new mapping costs page faults.
        # The figures are in docs/decisions/large-bodies.md.
        payload: memoryview = np.empty(length, np.uint8).data
        payload[: len(head)] = head
        done = len(head)
        while done < length:
            done += self._receive(payload[done:])
        return payload
