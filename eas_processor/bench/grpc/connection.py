"""One gRPC connection over HTTP/2, with a lane for each call that may be in flight."""

from __future__ import annotations

import asyncio
import struct
from time import perf_counter
from typing import cast

from eas_processor.bench.grpc import frames
from eas_processor.bench.grpc.blocks import Blocks
from eas_processor.bench.grpc.call import Call
from eas_processor.bench.grpc.lane import Lane
from eas_processor.bench.grpc.sending import Sending
from eas_processor.bench.senders import Owner

_WIDE = 1 << 30
"""The flow-control window to grant, so large that the server never waits for the generator."""
_REGRANT = 1 << 24


class GrpcConnection(asyncio.Protocol):
    """Sends the calls of its lanes as streams, and reports each outcome to the owner."""

    def __init__(self, owner: Owner, lanes: int, *, keep: bool = False) -> None:
        """With `keep` a lane has the message and the text of its last answer."""
        self.owner = owner
        self.lanes = [Lane(self) for _ in range(lanes)]
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Resolves with the server's first SETTINGS, or fails; nothing is sent before."""
        self._keep = keep
        self._transport: asyncio.Transport
        self._open: dict[int, Lane] = {}
        self._next = 1
        self._blocks = Blocks()
        self._sending = Sending(self._write)
        self._rest = b""
        self._block: list[bytes] = []
        """The pieces of a header block that continues in CONTINUATION frames."""
        self._block_flags = 0
        self._taken = 0
        self._draining = False
        self._gathered: list[bytes] | None = None
        """The bytes written while frames are read, which are sent together."""

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        first = {frames.ENABLE_PUSH: 0, frames.INITIAL_WINDOW_SIZE: _WIDE}
        wide = frames.window_update(0, _WIDE - frames.WINDOW)
        self._transport.write(frames.PREFACE + frames.settings(first) + wide)

    def data_received(self, data: bytes) -> None:
        self._gathered = []
        try:
            self._read(self._rest + data if self._rest else data)
        except (ValueError, IndexError, struct.error) as error:
            self._fail(f"not HTTP/2: {error}")
        gathered, self._gathered = self._gathered, None
        if gathered:
            self._transport.write(b"".join(gathered))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self._end_before_use("it closed the connection")
        elif self.ready.exception() is None:
            self._open.clear()
            self.owner.lost(self.lanes, exc)

    # Called by the lanes

    def send(self, lane: Lane, call: Call) -> None:
        """Open a stream for a call."""
        if self._draining:
            self.owner.broken(lane, "the server closes the connection")
            return
        stream = lane.stream = self._next
        self._next += 2
        self._open[stream] = lane
        self._sending.send(stream, call)
        if self._next > frames.LAST_STREAM:
            self._draining = True

    def withdraw(self, lane: Lane) -> None:
        """Reset the stream of a lane, if it is open, and let the lane take another call."""
        if self._open.pop(lane.stream, None) is not None:
            self._sending.drop(lane.stream)
            self._write(frames.reset(lane.stream, frames.CANCEL))
        if not self._draining:
            self.owner.free(lane)
        elif not self._open:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _end_before_use(self, reason: str) -> None:
        self.ready.set_exception(ConnectionError(reason))
        self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._gathered is None:
            self._transport.write(data)
        else:
            self._gathered.append(data)

    # Frames

    def _read(self, data: bytes) -> None:
        pos, end = 0, len(data)
        unpack, head_size = frames.HEAD.unpack_from, frames.HEAD_SIZE
        while end - pos >= head_size:
            high, low, kind, flags, stream = unpack(data, pos)
            if high or low > frames.FRAME_SIZE:
                raise ValueError(repr(data[pos : pos + 60]))
            start = pos + head_size
            stop = start + low
            if stop > end:
                break
            pos = stop
            if kind == frames.DATA:
                self._take_data(flags, stream, data, start, stop)
            elif kind == frames.HEADERS:
                self._take_headers(flags, stream, data[start:stop])
            else:
                self._take_other(kind, flags, stream, data[start:stop])
        self._rest = data[pos:]

    def _take_data(self, flags: int, stream: int, data: bytes, start: int, stop: int) -> None:
        self._taken += stop - start
        if self._taken > _REGRANT:
            self._write(frames.window_update(0, self._taken))
            self._taken = 0
        lane = self._open.get(stream)
        if lane is None:
            return
        lane.size += stop - start
        if self._keep:
            lane.pieces.append(frames.without_padding(flags & ~frames.PRIORITY, data[start:stop]))
        if flags & frames.END_STREAM:
            self._no_status(stream, lane)

    def _take_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & (frames.PADDED | frames.PRIORITY):
            payload = frames.without_padding(flags, payload)
        if flags & frames.END_HEADERS:
            self._take_block(flags, stream, payload)
        else:
            self._block, self._block_flags = [payload], flags

    def _take_block(self, flags: int, stream: int, block: bytes) -> None:
        fields = self._blocks.read(block)
        lane = self._open.get(stream)
        if lane is None:
            return
        if fields.http_status is not None:
            lane.http_status = fields.http_status
        if not flags & frames.END_STREAM:
            return
        if fields.grpc_status is None:
            self._no_status(stream, lane)
        elif fields.grpc_status == 0 and not lane.size:
            self._drop(stream, lane, "OK without a message")
        else:
            lane.text = fields.message
            self._answered(stream, lane, fields.grpc_status)

    def _take_other(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == frames.CONTINUATION:
            self._block.append(payload)
            if flags & frames.END_HEADERS:
                self._take_block(self._block_flags, stream, b"".join(self._block))
        elif kind == frames.WINDOW_UPDATE:
            self._sending.grow(stream, int.from_bytes(payload, "big"))
        elif kind == frames.RST_STREAM:
            if lane := self._open.get(stream):
                name = frames.error_name(int.from_bytes(payload, "big"))
                self._drop(stream, lane, f"the stream was reset ({name})")
        else:
            self._take_of_connection(kind, flags, payload)

    def _take_of_connection(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == frames.SETTINGS:
            if not flags & frames.ACK:
                self._take_settings(frames.read_settings(payload))
        elif kind == frames.PING:
            if not flags & frames.ACK:
                self._write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.GOAWAY:
            self._take_goaway(*struct.unpack_from(">LL", payload))

    def _take_settings(self, values: dict[int, int]) -> None:
        self._write(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        self._sending.allow(
            values.get(frames.INITIAL_WINDOW_SIZE), values.get(frames.MAX_FRAME_SIZE)
        )
        if self.ready.done():
            return
        allowed = values.get(frames.MAX_CONCURRENT_STREAMS, len(self.lanes))
        if allowed >= len(self.lanes):
            self.ready.set_result(None)
            return
        self._end_before_use(
            f"it takes {allowed} calls at a time on a connection, and {len(self.lanes)} were "
            "asked for; give more connections with -c"
        )

    def _take_goaway(self, last: int, code: int) -> None:
        self._draining = True
        for stream, lane in list(self._open.items()):
            if stream > last:
                reason = f"the server closes before it took the call ({frames.error_name(code)})"
                self._drop(stream, lane, reason)
        if not self._open:
            self._transport.close()

    # The outcome of a call

    def _answered(self, stream: int, lane: Lane, status: int) -> None:
        now = perf_counter()
        del self._open[stream]
        if self._sending.drop(stream):
            self._write(frames.reset(stream, frames.CANCEL))
        since, lane.since = cast("float", lane.since), None
        self.owner.answered(lane, status, since, now, reusable=not self._draining)
        if self._draining and not self._open:
            self._transport.close()

    def _no_status(self, stream: int, lane: Lane) -> None:
        self._drop(stream, lane, f"HTTP status {lane.http_status} and no grpc-status")

    def _drop(self, stream: int, lane: Lane, reason: str) -> None:
        del self._open[stream]
        self._sending.drop(stream)
        self.owner.broken(lane, reason)

    def _fail(self, reason: str) -> None:
        """Fail all calls, because the bytes that follow cannot be parsed."""
        if not self.ready.done():
            self._end_before_use(f"it does not speak gRPC: {reason}")
            return
        self._draining = True
        for stream, lane in list(self._open.items()):
            self._drop(stream, lane, reason)
        self._transport.abort()
