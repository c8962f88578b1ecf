"""Read and write uncompressed TFRecord files without TensorFlow; checksums are verified."""

import struct
from typing import Any, BinaryIO, Iterator

from eas_processor.codecs.crc32c import masked_crc32c

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEAD_SIZE = _LENGTH.size + _CRC.size
_GZIP = b"\x1f\x8b"


class DataLoss(ValueError):
    """A file is not a TFRecord file, or is incomplete or damaged."""


def read_records(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of each record of a seekable file. Raises DataLoss."""
    size = file.seek(0, 2)
    offset = file.seek(0)
    while offset < size:
        head = file.read(_HEAD_SIZE)
        if len(head) < _HEAD_SIZE:
            raise DataLoss("truncated record at %d" % offset)
        (length,), (crc,) = _LENGTH.unpack_from(head), _CRC.unpack_from(head, _LENGTH.size)
        if masked_crc32c(head[: _LENGTH.size]) != crc:
            hint = ": the file looks like gzip" if head.startswith(_GZIP) else ""
            raise DataLoss("corrupted record at %d%s" % (offset, hint))
        if offset + _HEAD_SIZE + length + _CRC.size > size:
            raise DataLoss("truncated record at %d" % offset)
        content = file.read(length)
        (crc,) = _CRC.unpack(file.read(_CRC.size))
        if masked_crc32c(content) != crc:
            raise DataLoss("corrupted record at %d" % offset)
        yield content
        offset += _HEAD_SIZE + length + _CRC.size


def write_record(content: Any) -> bytes:
    """Return a record with its length and checksums."""
    length = _LENGTH.pack(len(content))
    return b"".join(
        [
            length,
            _CRC.pack(masked_crc32c(length)),
            content,
            _CRC.pack(masked_crc32c(content)),
        ]
    )
