"""Archives made by hand, as no tool would make them."""

from __future__ import annotations

import gzip
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

END = bytes(1024)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info.tobuf(tarfile.GNU_FORMAT)


def extended(kind: bytes, data: bytes) -> bytes:
    return header("x", kind, len(data)) + padded(data)


def records(*pairs: tuple[str, str]) -> bytes:
    """Return the records of a pax header, each with its own length in front."""
    made = b""
    for keyword, value in pairs:
        body = f" {keyword}={value}\n".encode()
        size = len(body) + 1
        while len(str(size)) + len(body) != size:
            size += 1
        made += str(size).encode() + body
    return made


def pax(*pairs: tuple[str, str]) -> bytes:
    return extended(tarfile.XHDTYPE, records(*pairs))


def a_file(name: str = "f", data: bytes = b"abc") -> bytes:
    return header(name, size=len(data)) + padded(data)


def old_sparse(name: str, size: int, *parts: tuple[int, int], data: bytes = b"") -> bytes:
    """Return a sparse file in GNU's old format."""
    block = bytearray(header(name, tarfile.GNUTYPE_SPARSE, len(data)))
    for place, (offset, length) in zip(range(386, 482, 24), parts, strict=False):
        block[place : place + 24] = b"%011o\0%011o\0" % (offset, length)
    block[482:483] = b"\1" if len(parts) > 4 else b"\0"
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    more = parts[4:]
    for first in range(0, len(more), 21):
        some = more[first : first + 21]
        fields = b"".join(b"%011o\0%011o\0" % part for part in some).ljust(504, b"\0")
        block += fields + (b"\1" if first + 21 < len(more) else b"\0") + bytes(7)
    return bytes(block) + padded(data)


def tar_gz(path: Path, pieces: Iterable[bytes]) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for piece in pieces:
            file.write(piece)
        file.write(END)
    return path


class Entry(NamedTuple):
    """A member of a zip file, whose fields may lie."""

    name: bytes
    data: bytes = b""
    method: int = 0
    size: int = 0
    crc: int = 0
    at: int | None = None
    """Where its own header is, where that is not in front of its data."""


def zipped_by_hand(path: Path, entries: Iterable[Entry]) -> Path:
    content, directory, count = bytearray(), bytearray(), 0
    for name, data, method, size, crc, at in entries:
        place = len(content) if at is None else at
        if at is None:
            numbers = (20, 0, method, 0, 0, crc, len(data), size, len(name), 0)
            content += struct.pack("<4s5H3L2H", b"PK\3\4", *numbers) + name + data
        numbers = (20, 3, 20, 0, 0, method, 0, 0, crc, len(data), size, len(name), 0, 0, 0, 0)
        directory += struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *numbers, 0o100644 << 16, place)
        directory += name
        count += 1
    ends = (0, 0, min(count, 65535), min(count, 65535), len(directory), len(content), 0)
    content += directory + struct.pack("<4s4H2LH", b"PK\5\6", *ends)
    path.write_bytes(content)
    return path
