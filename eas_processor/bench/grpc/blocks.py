"""Decode the header blocks of answers."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from hpack import Decoder
from hpack.exceptions import HPACKError

_KEPT = 64


class Fields(NamedTuple):
    """The gRPC fields of headers or trailers; None for a field that is absent."""

    http_status: int | None
    grpc_status: int | None
    message: str


class Blocks:
    """
    HPACK of one connection, by the `hpack` library.

    A block that does not change the decoder's table means the same each time, until the table
    changes. So a block that repeats is decoded once.
    """

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._known: dict[bytes, Fields] = {}

    def read(self, block: bytes) -> Fields:
        """Return the gRPC fields of a header block. Raises ValueError for an invalid block."""
        known = self._known.get(block)
        if known is not None:
            return known
        table = self._decoder.header_table
        size, entries = table.maxsize, list(table.dynamic_entries)
        try:
            headers = dict(self._decoder.decode(block, raw=True))
        except HPACKError as error:
            raise ValueError(f"headers that cannot be read: {error}") from error
        fields = _fields(headers)
        # Compared by identity: inserting an equal entry again still moves the others.
        unchanged = table.maxsize == size and [*map(id, table.dynamic_entries)] == [
            *map(id, entries)
        ]
        if not unchanged or len(self._known) >= _KEPT:
            self._known.clear()
        if unchanged:
            self._known[bytes(block)] = fields
        return fields


def _fields(headers: dict[bytes, bytes]) -> Fields:
    http, status = headers.get(b":status"), headers.get(b"grpc-status")
    return Fields(
        http_status=None if http is None else int(http),
        grpc_status=None if status is None else int(status),
        message=unquote_to_bytes(headers.get(b"grpc-message", b"")).decode("utf-8", "replace"),
    )
