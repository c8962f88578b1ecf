"""Bodies that come with `Content-Encoding: gzip`."""

from __future__ import annotations

import zlib

from eas_processor.errors import BadRequest, BodyTooLarge

_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Inflater:
    """Inflates a gzip body piece by piece, up to `limit` bytes of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._stream = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, data: bytes) -> bytes:
        """Return what `data` inflates to. Raises BadRequest or BodyTooLarge."""
        try:
            # One byte more than is left tells a body that ends at the limit from one that goes on.
            inflated = self._stream.decompress(data, self._left + 1)
        except zlib.error as error:
            raise BadRequest(f"the body is not gzip, as Content-Encoding says: {error}") from None
        if self._stream.unused_data:
            raise BadRequest("the gzip body goes on after its end")
        self._left -= len(inflated)
        if self._left < 0:
            raise BodyTooLarge(
                f"the body inflates to more than {self._limit} bytes, the most that is taken here"
            )
        return inflated

    def finish(self) -> None:
        """Check that the body came to its end. Raises BadRequest."""
        if not self._stream.eof:
            raise BadRequest("the gzip body is cut off")
