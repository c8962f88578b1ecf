"""Unpacks zip files with bounded memory for their directory and data."""

from __future__ import annotations

import bz2
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from eas_processor.model_store.account import Account
from eas_processor.model_store.compressed import MOST_MEMORY, Decompressor, decompressed
from eas_processor.model_store.tree import Tree

_PIECE = 2**20
_ENTRY = b"PK\x01\x02"
_LOCAL_HEADER = 30
_LZMA_HEADER = 9
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def extract_zip(archive: Path, tree: Tree, account: Account) -> None:
    """Write the members of a zip file to `tree`. Raises errors of zipfile and decompressors."""
    with open(archive, "rb") as file, zipfile.ZipFile(_guarded(file, account)) as members:
        entries = members.infolist()
        _check_overlap(entries, account)
        for member in entries:
            name = member.filename.replace("\\", "/")  # as some Windows tools write it
            kind = stat.S_IFMT(member.external_attr >> 16)
            account.count(name)
            if name.startswith("__MACOSX/"):
                continue  # macOS adds it; with a second directory, the model is not clear
            if name.endswith("/"):
                tree.add_directory(name)
            elif kind not in (0, stat.S_IFREG):
                account.refuse(name, "is a link or a device, expected a file or a directory")
            elif member.flag_bits & 1:
                account.refuse(name, "is encrypted")
            elif member.compress_type not in _METHODS:
                account.refuse(
                    name,
                    f"is compressed by method {member.compress_type}, "
                    "expected deflate, bzip2, lzma or none",
                )
            elif member.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
                tree.add_file(name, _decompressed(file, member, account), member.file_size)
            else:
                with members.open(member) as source:
                    tree.add_file(name, _pieces(source), member.file_size)


def is_one_file(archive: Path, account: Account) -> bool:
    """
    Tell whether a zip file is a `.keras`, `.pt` or `.npz` file, which is not to be unpacked.

    Raises errors of zipfile.
    """
    with open(archive, "rb") as file, zipfile.ZipFile(_guarded(file, account)) as members:
        names = members.namelist()
    top = names[0].partition("/")[0] if names else ""
    return (
        {"config.json", "model.weights.h5"}.issubset(names)
        or {f"{top}/data.pkl", f"{top}/version"}.issubset(names)
        or (bool(names) and all(name.endswith(".npy") for name in names))
    )


class _Guarded:
    """A zip file that refuses to read a directory beyond the limits."""

    def __init__(self, file: IO[bytes], account: Account) -> None:
        self._file = file
        self._account = account
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        limits = self._account.limits
        if size > limits.headers:
            self._account.refuse_whole(
                f"has a directory of {size} bytes, at most {limits.headers} are allowed"
            )
        content = self._file.read(size)
        if content.count(_ENTRY) > limits.members:
            self._account.refuse_whole(
                f"has more than the {limits.members} members that are allowed"
            )
        return content


def _guarded(file: IO[bytes], account: Account) -> IO[bytes]:
    return cast("IO[bytes]", _Guarded(file, account))


def _check_overlap(entries: list[zipfile.ZipInfo], account: Account) -> None:
    """Refuse members that share data: with them, a small file can unpack to any size."""
    end = 0
    for member in sorted(entries, key=lambda each: each.header_offset):
        if member.header_offset < end:
            account.refuse(member.filename, "has data that overlaps with another member")
        end = member.header_offset + _LOCAL_HEADER + member.compress_size


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece


def _decompressed(file: IO[bytes], member: zipfile.ZipInfo, account: Account) -> Iterator[bytes]:
    """Yield the data of a member in pieces. zipfile would decompress too much at once."""
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) != _LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile("no header before the data of a member")
    left = member.compress_size
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)

    def read(size: int) -> bytes:
        nonlocal left
        content = file.read(min(size, left))
        left -= len(content)
        return content

    if member.compress_type == zipfile.ZIP_BZIP2:
        decompressor: Decompressor = bz2.BZ2Decompressor()
    else:
        decompressor = _lzma(read(_LZMA_HEADER), member.filename, account)
    sum_ = 0
    for piece in decompressed(decompressor, read, member.file_size, _PIECE):
        sum_ = zlib.crc32(piece, sum_)
        yield piece
    if sum_ != member.CRC:
        raise zipfile.BadZipFile("a wrong checksum")


def _lzma(header: bytes, name: str, account: Account) -> Decompressor:
    """Return the decompressor that an LZMA header describes: version, size and five options."""
    if len(header) != _LZMA_HEADER or header[2:4] != b"\x05\0":
        raise zipfile.BadZipFile("no options before LZMA data")
    dictionary = int.from_bytes(header[5:9], "little")
    if dictionary > MOST_MEMORY:
        account.refuse(
            name,
            f"takes {dictionary} bytes of memory to decompress, at most {MOST_MEMORY} are allowed",
        )
    rest, literal_context = divmod(header[4], 9)
    position, literal_position = divmod(rest, 5)
    options = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": literal_context}
    options |= {"lp": literal_position, "pb": position}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[options])
