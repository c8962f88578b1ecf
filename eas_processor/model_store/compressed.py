"""Reads compressed files in pieces, with bounded memory."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from eas_processor.errors import ModelFetchError

# The largest dictionaries are 256 MiB (7-Zip's presets) and 64 MiB (`xz -9`). The format allows
# 4 GiB.
MOST_MEMORY = 272 * 2**20
_INPUT = 2**16
# Starting a stream takes about 10 µs. Tools that write many streams put 64 KiB or more into each.
_FREE_STREAMS = 1000
_LEAST_STREAM = 1024


class Decompressor(Protocol):
    """The interface that the decompressors of bz2 and lzma share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        piece = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # After a full piece, there may be more output without further input.
        self.needs_input = not self._zlib.unconsumed_tail and len(piece) < max_length
        return piece


def _xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


COMPRESSIONS: dict[bytes, Callable[[], Decompressor]] = {
    b"\x1f\x8b": _Gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": _xz,
}


class Decompressed:
    """
    The content of a gzip, bzip2 or xz file, which may contain several streams in a row.

    Raises EOFError if the file is cut off, and errors of the decompressors if it is damaged.
    """

    def __init__(self, path: Path, file: IO[bytes], new: Callable[[], Decompressor]) -> None:
        self._path = path
        self._file = file
        self._new = new
        self._stream = new()
        self._streams = 1
        self._feed = b""
        self._given = 0

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at the end."""
        pieces = []
        while size and (piece := self._piece(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        while True:
            if self._stream.eof and not self._next_stream():
                return b""
            if self._stream.needs_input and not self._feed:
                self._feed = self._file.read(_INPUT)
                if not self._feed:
                    raise EOFError("the compressed data ends too early")
            feed, self._feed = self._feed, b""
            piece = self._decompress(feed, size)
            if piece:
                self._given += len(piece)
                return piece

    def _decompress(self, feed: bytes, size: int) -> bytes:
        try:
            return self._stream.decompress(feed, size)
        except lzma.LZMAError as error:
            if "emory" in str(error):  # the error has no code
                raise ModelFetchError(
                    f"{self._path}: decompressing it takes more than the {MOST_MEMORY} bytes of "
                    "memory that are allowed; compress it again with `xz -9` or a lower level"
                ) from error
            raise

    def _next_stream(self) -> bool:
        """Continue with the next stream, and return whether there is one."""
        rest = self._stream.unused_data.lstrip(b"\0")  # padding
        while not rest:
            rest = self._file.read(_INPUT)
            if not rest:
                return False
            rest = rest.lstrip(b"\0")
        self._streams += 1
        if self._streams > _FREE_STREAMS + self._given // _LEAST_STREAM:
            raise ModelFetchError(
                f"{self._path}: contains {self._streams} compressed streams in {self._given} "
                f"bytes, at most {_FREE_STREAMS} and one for each {_LEAST_STREAM} bytes are allowed"
            )
        self._stream, self._feed = self._new(), rest
        return True


def decompressed(
    decompressor: Decompressor, read: Callable[[int], bytes], size: int, piece: int
) -> Iterator[bytes]:
    """Yield the first `size` bytes of one stream, in pieces of up to `piece` bytes."""
    while size:
        if decompressor.eof:
            raise EOFError("the compressed data ends too early")
        data = read(_INPUT) if decompressor.needs_input else b""
        if decompressor.needs_input and not data:
            raise EOFError("the compressed data ends too early")
        part = decompressor.decompress(data, min(size, piece))
        size -= len(part)
        if part:
            yield part
