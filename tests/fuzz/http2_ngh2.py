"""
The second opinion on HTTP/2: the calls that nghttp2, by the `ngh2` package, reads in client bytes.

Its own layer of gRPC, on top, is a few lines: what counts as a call there is said again, in a form
that has nothing in common with the engine's.
"""

from __future__ import annotations

import re
import zlib

import ngh2
from fuzz.http2_own import Seen
from ngh2 import events

_TIMEOUT = re.compile(rb"[0-9]{1,8}[HMSmun]")
_TYPE = re.compile(rb"application/grpc([+;].*)?", re.DOTALL)


def read(data: bytes) -> Seen:
    """Return what nghttp2 makes of the bytes of a client."""
    connection = ngh2.Connection(ngh2.Role.SERVER, ngh2.Configuration())
    connection.initiate_connection({3: 1024, 4: 4 << 20, 5: 1 << 20, 6: 16384})
    connection.set_local_window_size(2**31 - 1)
    connection.data_to_send()
    lives = True
    try:
        connection.receive_data(data)
    except ngh2.NGH2Error:
        lives = False
    calls, alive = _calls(connection)
    lives &= alive
    try:
        connection.data_to_send()
    except ngh2.NGH2Error:
        lives = False
    return Seen(calls, lives and not _has_closed(connection))


def _has_closed(connection: ngh2.Connection) -> bool:
    return any(isinstance(each, events.ConnectionClosed) for each in connection.events())


def _calls(connection: ngh2.Connection) -> tuple[list[tuple[int, bytes, bytes]], bool]:
    """Return the calls among the events, and whether the connection lives on."""
    calls, lives = [], True
    arriving: dict[int, tuple[list[tuple[bytes, bytes]], bytearray]] = {}
    for event in connection.events():
        ends = False
        if isinstance(event, events.RequestReceived):
            arriving[event.stream_id] = event.headers, bytearray()
            ends = event.end_stream
        elif isinstance(event, events.DataReceived) and event.stream_id in arriving:
            arriving[event.stream_id][1].extend(event.data)
            ends = event.end_stream
        elif isinstance(event, events.TrailersReceived):
            ends = event.stream_id in arriving
        elif isinstance(event, events.StreamReset | events.StreamClosed):
            arriving.pop(event.stream_id, None)
        elif isinstance(event, events.ConnectionClosed):
            lives = False
        if ends:
            headers, body = arriving.pop(event.stream_id)
            message = _message(headers, bytes(body))
            if message is not None:
                calls.append((event.stream_id, dict(headers)[b":path"], message))
    return calls, lives


def _message(headers: list[tuple[bytes, bytes]], body: bytes) -> bytes | None:
    """Return the message of a unary call, or None where it is none."""
    fields = dict(headers)
    # Of several deadlines the first counts; of all else the last.
    deadline = next((value for name, value in headers if name == b"grpc-timeout"), b"1S")
    encoding = fields.get(b"grpc-encoding", b"identity")
    is_call = (
        fields.get(b":method") == b"POST"
        and _TYPE.fullmatch(fields.get(b"content-type", b""))
        and _TIMEOUT.fullmatch(deadline)
        and encoding in (b"", b"identity", b"gzip")
        and len(body) >= 5
        and int.from_bytes(body[1:5], "big") == len(body) - 5
    )
    if not is_call or body[0] > (encoding == b"gzip"):
        return None
    return _inflated(body[5:]) if body[0] else body[5:]


def _inflated(body: bytes) -> bytes | None:
    inflater = zlib.decompressobj(31)
    try:
        inflated = inflater.decompress(body)
    except zlib.error:
        return None
    return inflated if inflater.eof and not inflater.unused_data else None
