"""Header blocks of answers: what gRPC says in them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from hpack import Decoder
from hpack.exceptions import HPACKError

_KEPT = 64


class Fields(NamedTuple):
    """What headers or trailers say; None for what is not in them."""

    http_status: int | None
    grpc_status: int | None
    message: str


class Blocks:
    """
    HPACK of one connection, by the `hpack` library.

    A block that changed nothing in the decoder's table means the same when it comes again, until
    the table changes. So the answers of a run are decoded once.
    """

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._known: dict[bytes, Fields] = {}

    def read(self, block: bytes) -> Fields:
        """Return what a block says; raises ValueError for what is none."""
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
        # By identity: an entry like another one, inserted once more, moves the others.
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
