"""Inflates bodies with `Content-Encoding: gzip`."""

from __future__ import annotations

import zlib

from eas_processor.frontends.http.refusals import ContentTooLarge, Malformed

_GZIP_WINDOW = 16 + zlib.MAX_WBITS


PIECE = 1024 * 1024
"""The most bytes that are inflated at a time, which takes 2 ms."""


class Inflater:
    """
    Inflates a gzip body in pieces, up to `limit` inflated bytes.

    `whole` tells whether all of the body has been received. `pending` tells whether received bytes
    are left to inflate: a body can become a thousand times as long.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self._received = b""
        self.pending = False
        self.whole = False

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._received += data
        self.pending = True

    def take(self) -> bytes:
        """Return the next piece, of at most `PIECE` bytes. Raises Malformed or ContentTooLarge."""
        # One byte beyond the limit shows whether the body ends there.
        most = min(self._left + 1, PIECE)
        try:
            inflated = self._stream.decompress(self._received, most)
        except zlib.error as error:
            raise Malformed(f"the body is not gzip, as Content-Encoding says: {error}") from None
        if self._stream.unused_data:
            raise Malformed("the body has bytes after the end of its gzip data")
        self._received = self._stream.unconsumed_tail
        # After a full piece, zlib may hold more output although no input is left.
        self.pending = len(inflated) == most
        self._left -= len(inflated)
        if self._left < 0:
            raise ContentTooLarge(
                f"the body inflates to more than the engine's limit of {self._limit} bytes"
            )
        return inflated

    def finish(self) -> None:
        """Check that the gzip data is complete. Raises Malformed."""
        if not self._stream.eof:
            raise Malformed("the gzip body ends too early")
