"""Frames over a blocking socket: the side of the launcher and of the worker's threads."""

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

# Holds twenty requests of 3 KB, and any frame of the data channel whole.
_READ_SIZE = 256 * 1024
_MOST_DESCRIPTORS = len(CHANNELS)
_DESCRIPTOR_SIZE = array("i").itemsize


def introduce(sock: socket.socket, **facts: Any) -> None:
    """
    Send the HELLO of this process.

    Raises LinkError when the engine is gone.
    """
    hello: Dict[str, Any] = dict(facts, link=LINK_VERSION, pid=os.getpid())
    try:
        sock.sendall(pack(HELLO, json.dumps(hello).encode()))
    except OSError as error:
        raise LinkError(f"the engine is gone: {error.strerror}") from error


class DescriptorReader:
    """Reads frames, and the open descriptors that come with some of them, in the same order."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deframer = Deframer()
        self._descriptors: List[int] = []

    def read(self) -> List[Frame]:
        """Block until something is there; return the whole frames. Raises LinkError at the end."""
        space = socket.CMSG_SPACE(_MOST_DESCRIPTORS * _DESCRIPTOR_SIZE)
        # Not for what the hooks start: it would keep the sockets open after the worker's end.
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
        Return the next sockets that have come.

        Raises LinkError where this process may open no more: what they were for is lost.
        """
        taken, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        if len(taken) < count:
            raise LinkError("too many open files: descriptors were lost")
        return [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=each) for each in taken]


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
