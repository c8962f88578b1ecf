"""Bodies that come with `Content-Encoding: gzip`."""

from __future__ import annotations

import zlib

from eas_processor.frontends.http.refusals import ContentTooLarge, Malformed

_GZIP_WINDOW = 16 + zlib.MAX_WBITS


PIECE = 1024 * 1024
"""Bytes that are inflated at a time: 2 ms."""


class Inflater:
    """
    Inflates a gzip body in pieces, up to `limit` bytes of it.

    `whole` is whether all of the body has been received; `pending` whether there is something left
    to inflate: a body can become a thousand times as long.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self._received = b""
        self.pending = False
        self.whole = False

    def feed(self, data: bytes) -> None:
        """Take in what was received."""
        self._received += data
        self.pending = True

    def take(self) -> bytes:
        """Return the next piece, of at most `PIECE` bytes. Raises Malformed or ContentTooLarge."""
        # One byte more than is left tells a body that ends at the limit from one that goes on.
        most = min(self._left + 1, PIECE)
        try:
            inflated = self._stream.decompress(self._received, most)
        except zlib.error as error:
            raise Malformed(f"the body is not gzip, as Content-Encoding says: {error}") from None
        if self._stream.unused_data:
            raise Malformed("the gzip body goes on after its end")
        self._received = self._stream.unconsumed_tail
        # Of a full piece zlib may hold the rest without any of the input.
        self.pending = len(inflated) == most
        self._left -= len(inflated)
        if self._left < 0:
            raise ContentTooLarge(
                f"the body inflates to more than {self._limit} bytes, the most that is taken here"
            )
        return inflated

    def finish(self) -> None:
        """Check that the body came to its end. Raises Malformed."""
        if not self._stream.eof:
            raise Malformed("the gzip body is cut off")
