"""Control frames: windows, settings, resets and PINGs."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from eas_processor.frontends.grpc.http2 import frames
from eas_processor.frontends.grpc.http2.faults import ConnectionFault, StreamFault
from eas_processor.frontends.grpc.http2.frames import (
    ACK,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    LARGEST,
)
from eas_processor.frontends.grpc.http2.limits import MAX_SETTINGS

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

_STREAMS_OF_A_FRAME = 16
"""How many windows of streams are changed in about the time that one frame takes."""


class Control:
    """
    Acts on the control frames of one connection.

    Each method raises ConnectionFault or StreamFault if the frame breaks a rule.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Http2Connection) -> None:
        self._connection = connection

    def on_window(self, number: int, more: int) -> None:
        """Act on a WINDOW_UPDATE of `more` bytes."""
        connection = self._connection
        sending = connection.sending
        if not number:
            if not more:
                raise ConnectionFault("a WINDOW_UPDATE of 0 bytes")
            if sending.credit + more > LARGEST:
                raise ConnectionFault("the connection's window is too large", FLOW_CONTROL_ERROR)
            connection.noise.add()
            sending.add_credit(more)
            return
        stream = connection.streams.get(number)
        if stream is None:
            connection.receiving.refuse_idle(number)
            connection.noise.add()
            return
        connection.noise.add()
        if not more:
            raise StreamFault(number)
        if stream.credit + more > LARGEST:
            raise StreamFault(number, FLOW_CONTROL_ERROR)
        stream.credit += more
        if stream.unsent is not None:
            sending.go_on(stream)

    def on_ping(self, flags: int, number: int, payload: bytes) -> None:
        """Answer a PING, or note the answer to one."""
        if number:
            raise ConnectionFault("PING on a stream")
        if len(payload) != 8:
            raise ConnectionFault(f"PING has {len(payload)} bytes, expected 8", FRAME_SIZE_ERROR)
        self._connection.noise.add()
        if flags & ACK:
            self._connection.on_pong(payload)
        else:
            self._connection.sending.out.append(frames.frame(frames.PING, ACK, 0, payload))

    def on_settings(self, flags: int, number: int, payload: bytes) -> None:
        """Apply the client's SETTINGS."""
        if number:
            raise ConnectionFault("SETTINGS on a stream")
        connection = self._connection
        connection.noise.add()
        if flags & ACK:
            if payload:
                sentence = f"an acknowledgement of SETTINGS has {len(payload)} bytes, expected none"
                raise ConnectionFault(sentence, FRAME_SIZE_ERROR)
            return
        if len(payload) % 6:
            raise ConnectionFault("SETTINGS have 6 bytes each", FRAME_SIZE_ERROR)
        if len(payload) > 6 * MAX_SETTINGS:
            raise ConnectionFault("too many SETTINGS", ENHANCE_YOUR_CALM)
        for key, value in struct.iter_unpack(">HI", payload):
            self._set(key, value)
        connection.receiving.settled = True
        connection.sending.out.append(frames.frame(frames.SETTINGS, ACK))

    def _set(self, key: int, value: int) -> None:
        sending = self._connection.sending
        if key == frames.HEADER_TABLE_SIZE:
            sending.set_table_size(value)
        elif key == frames.ENABLE_PUSH:
            if value > 1:
                raise ConnectionFault(f"ENABLE_PUSH is {value}, expected 0 or 1")
        elif key == frames.INITIAL_WINDOW_SIZE:
            self._set_first_window(value)
        elif key == frames.MAX_FRAME_SIZE:
            if not frames.FIRST_FRAME <= value < 2**24:
                raise ConnectionFault(f"MAX_FRAME_SIZE is {value}, expected 16384 to 16777215")
            sending.frame_size = value

    def _set_first_window(self, value: int) -> None:
        """Apply the client's INITIAL_WINDOW_SIZE, also to the open streams."""
        if value > LARGEST:
            raise ConnectionFault("INITIAL_WINDOW_SIZE is too large", FLOW_CONTROL_ERROR)
        connection = self._connection
        more = value - connection.sending.first_window
        if not more:
            return
        # Every stream is changed, so a client that sets this repeatedly is charged for it.
        for _ in range(len(connection.streams) // _STREAMS_OF_A_FRAME):
            connection.noise.add()
        for stream in connection.streams.values():
            stream.credit += more
            if stream.credit > LARGEST:
                raise ConnectionFault("a window is too large", FLOW_CONTROL_ERROR)
        connection.sending.first_window = value
        for stream in list(connection.streams.values()):
            connection.sending.go_on(stream)

    def on_reset(self, flags: int, number: int, payload: bytes) -> None:
        """Withdraw a stream that the client has reset."""
        if len(payload) != 4:
            sentence = f"RST_STREAM has {len(payload)} bytes, expected 4"
            raise ConnectionFault(sentence, FRAME_SIZE_ERROR)
        connection = self._connection
        connection.noise.add()
        stream = connection.streams.get(number)
        if stream is None:
            connection.receiving.refuse_idle(number)
        else:
            connection.cancel(stream)

    def on_priority(self, flags: int, number: int, payload: bytes) -> None:
        """Check a PRIORITY and ignore it."""
        if not number:
            raise ConnectionFault("PRIORITY without a stream")
        self._connection.noise.add()
        if len(payload) != 5:
            raise StreamFault(number, FRAME_SIZE_ERROR)

    def on_goaway(self, flags: int, number: int, payload: bytes) -> None:
        """Note that the client opens no more streams."""
        if number:
            raise ConnectionFault("GOAWAY on a stream")
        if len(payload) < 8:
            sentence = f"GOAWAY has {len(payload)} bytes, expected 8 or more"
            raise ConnectionFault(sentence, FRAME_SIZE_ERROR)
        self._connection.noise.add()
        self._connection.leaves = True

    def on_push(self, flags: int, number: int, payload: bytes) -> None:
        """Refuse a PUSH_PROMISE."""
        raise ConnectionFault("a client must not send PUSH_PROMISE")

    def on_unknown(self, flags: int, number: int, payload: bytes) -> None:
        """Ignore a frame of an unknown type."""
        self._connection.noise.add()


ACTIONS = {
    frames.PRIORITY: Control.on_priority,
    frames.RST_STREAM: Control.on_reset,
    frames.SETTINGS: Control.on_settings,
    frames.PUSH_PROMISE: Control.on_push,
    frames.PING: Control.on_ping,
    frames.GOAWAY: Control.on_goaway,
}
