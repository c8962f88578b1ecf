"""
Decodes the header blocks of one connection with the `hpack` library and two shortcuts.

A block changes the decoder's table only if it inserts a field (01......) or resizes (001.....).
While the table is unchanged, equal bytes mean equal headers. So a block that changed nothing is
remembered by its bytes until a field is inserted. Other usual blocks, with one-byte indices and
literals, are decoded here on the library's own table, in 2 us rather than 14.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Generic, TypeVar

from hpack import Decoder
from hpack.exceptions import HPACKError, OversizedHeaderListError
from hpack.huffman_table import decode_huffman

from eas_processor.frontends.grpc.http2.faults import ConnectionFault
from eas_processor.frontends.grpc.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM
from eas_processor.frontends.grpc.http2.head import Fields
from eas_processor.frontends.grpc.http2.limits import MAX_BLOCK

_STATIC: tuple[tuple[bytes, bytes], ...] = ((b"", b""), *Decoder().header_table.STATIC_TABLE)
_DYNAMIC_FROM = len(_STATIC)
_KNOWN_AT_MOST = 64
_KNOWN_BYTES = 2048
"""The most bytes of a remembered block. A usual block has 8 to 300, more with a long token."""
_REMEMBERED_BYTES = 256
"""The most bytes of a remembered string in Huffman code, for all connections."""
_OVERHEAD = 32
"""The bytes that each field adds to the size of a header list: RFC 9113, 6.5.2."""

_unhuffman = lru_cache(maxsize=4096)(decode_huffman)
"""Cached, because six digits take 1.4 us and most strings are repeated."""

Found = TypeVar("Found")


class Blocks(Generic[Found]):
    """
    The decoder of one connection.

    `known` contains the caller's results for blocks that changed nothing, by their bytes.
    """

    __slots__ = ("_decoder", "_table", "known")

    def __init__(self) -> None:
        self._decoder = Decoder(MAX_BLOCK)
        self._table = self._decoder.header_table
        self.known: dict[bytes, Found] = {}

    def learn(self, block: bytes, found: Found) -> None:
        """Remember the result for a block that changed nothing, if the block is short."""
        if len(block) > _KNOWN_BYTES:
            return
        if len(self.known) >= _KNOWN_AT_MOST:
            self.known.clear()
        self.known[block] = found

    def decode(self, block: bytes) -> tuple[Fields, bool]:
        """
        Return the fields of a block, and whether it changed nothing.

        Raises ConnectionFault, because a block that cannot be decoded leaves the table unknown.
        """
        walked = self._walk(block)
        if walked is None:
            # The block may have changed the table, so remembered blocks may mean other fields now.
            self.known.clear()
            return self._decode(block), False
        fields, inserted = walked
        if inserted:
            for field in inserted:
                self._table.add(*field)
            self.known.clear()
        return fields, not inserted

    def _decode(self, block: bytes) -> Fields:
        try:
            return [(name, value) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError:
            sentence = f"the header list is larger than {MAX_BLOCK} bytes"
            raise ConnectionFault(sentence, ENHANCE_YOUR_CALM) from None
        except (HPACKError, IndexError) as error:
            raise ConnectionFault(str(error), COMPRESSION_ERROR) from None

    def _walk(self, block: bytes) -> tuple[Fields, Fields] | None:
        """
        Return the fields and those to insert, or None to leave the block to the library.

        Fields are inserted only after the whole block is decoded: the library would insert again.
        """
        pos, end = 0, len(block)
        fields: Fields = []
        inserted: Fields = []
        try:
            while pos < end:
                first = block[pos]
                pos += 1
                if first > 0x80:
                    index = first - 0x80
                    if first == 0xFF:
                        # Deadlines that vary fill the table and give other entries large indices.
                        index, pos = _integer(block, pos, first, 0x7F)
                    fields.append(self._field(index, inserted))
                    continue
                if first == 0x80 or 0x20 <= first < 0x40:
                    return None
                index, pos = _integer(block, pos, first, 0x3F if first >= 0x40 else 0x0F)
                if index:
                    name = self._field(index, inserted)[0]
                else:
                    name, pos = _string(block, pos)
                value, pos = _string(block, pos)
                fields.append((name, value))
                if first >= 0x40:
                    inserted.append((name, value))
        except (IndexError, HPACKError):
            return None
        size = sum([len(name) + len(value) for name, value in fields])
        if pos != end or size + _OVERHEAD * len(fields) > MAX_BLOCK:
            return None
        return fields, inserted

    def _field(self, index: int, inserted: Fields) -> tuple[bytes, bytes]:
        """Return a table entry: static ones come first, then inserted ones, the newest first."""
        if index < _DYNAMIC_FROM:
            return _STATIC[index]
        index -= _DYNAMIC_FROM
        if index < len(inserted):
            return inserted[-1 - index]
        return self._table.dynamic_entries[index - len(inserted)]


def _integer(block: bytes, pos: int, first: int, most: int) -> tuple[int, int]:
    """Return the number that begins with `first`, and its end. Raises IndexError if it is long."""
    number = first & most
    if number == most:
        if block[pos] > 0x7F:
            raise IndexError
        number += block[pos]
        pos += 1
    return number, pos


def _string(block: bytes, pos: int) -> tuple[bytes, int]:
    """Return the string at `pos`, and its end. Raises IndexError if its length is cut off."""
    first = block[pos]
    size, pos = _integer(block, pos + 1, first, 0x7F)
    stop = pos + size
    text = block[pos:stop]
    if first > 0x7F:
        text = _unhuffman(text) if size <= _REMEMBERED_BYTES else decode_huffman(text)
    return text, stop
