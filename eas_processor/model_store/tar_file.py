"""Reads the members of a tar file in one pass, with bounded memory for headers."""

from __future__ import annotations

import itertools
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from eas_processor.model_store.account import Account
from eas_processor.model_store.sparse import (
    Part,
    check_parts,
    counted_map,
    number,
    old_parts,
    pairs,
)

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(_BLOCK)
_PIECE = 2**20
_LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE)
_MAP = "GNU.sparse.map"
_SPARSE_SIZES = ("GNU.sparse.realsize", "GNU.sparse.size")
_KEYWORDS = {b"path", b"linkpath", b"size", b"GNU.sparse.name", b"GNU.sparse.major"}
_KEYWORDS |= {each.encode() for each in (_MAP, *_SPARSE_SIZES)}
_MATTERS = re.compile(rb" (?:path|linkpath|size|GNU\.sparse\.[a-z]+)=")
_MOST_DIGITS = 20

Records = dict[str, str]


class Readable(Protocol):
    """The source of a tar file. It returns fewer bytes than asked for only at its end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Member:
    """
    One member. `type` is a constant of `tarfile`.

    `size` is the size of the file in bytes, including holes. `parts` is the map of a sparse file.
    """

    name: str
    type: bytes
    size: int
    link: str
    parts: list[Part] | None = None

    @property
    def is_file(self) -> bool:
        """Whether the member has data."""
        return self.type in _FILES


class TarFile:
    """
    A tar file in any format that `tarfile` reads, from a stream without seeking.

    Raises tarfile.TarError if it is damaged, and ModelFetchError beyond a limit of `account`.
    """

    def __init__(self, stream: Readable, account: Account) -> None:
        self._stream = stream
        self._account = account
        self._left = 0  # data of the current member
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """Yield each member. Its data can be read until the next member is asked for."""
        records: Records = {}
        while (block := self._stream.read(_BLOCK)) != _END:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if header.size < 0:
                raise tarfile.ReadError(f"a size of {header.size}")
            if header.type in _LONG:
                text = self._extension(header).partition(b"\0")[0]
                records[_LONG[header.type]] = _text(text)
            elif header.type in _EXTENDED:
                records.update(_records(self._extension(header)))
            elif header.type == tarfile.XGLTYPE:
                self._extension(header)  # fields for all members are not used
            else:
                yield self._member(block, header, records)
                self._finish()
                records = {}

    def data(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes of the current member, in pieces."""
        while size:
            piece = self._take(min(size, _PIECE))
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """Yield the bytes after the end, so that the checksum of the stream is checked."""
        while piece := self._stream.read(_PIECE):
            yield piece

    def _member(self, block: bytes, header: tarfile.TarInfo, records: Records) -> Member:
        name = records.get("GNU.sparse.name") or records.get("path") or header.name
        link = records.get("linkpath") or header.linkname
        stored = number(records["size"]) if "size" in records else header.size
        if header.type not in _FILES:
            return Member(name.rstrip("/"), header.type, 0, link)
        self._left, self._padding = stored, -stored % _BLOCK
        if header.type == tarfile.GNUTYPE_SPARSE:
            parts, size = old_parts(block, self._map(name, self._read))
        elif sizes := [records[each] for each in _SPARSE_SIZES if each in records]:
            parts, size = self._sparse_parts(name, records), number(sizes[0])
        else:
            return Member(name, header.type, stored, link)
        check_parts(parts, size, self._left)
        return Member(name, header.type, size, link, parts)

    def _sparse_parts(self, name: str, records: Records) -> list[Part]:
        if _MAP in records:
            return pairs(records[_MAP].split(","))
        if records.get("GNU.sparse.major") == "1":
            return counted_map(self._map(name, self._take))
        return []

    def _map(self, name: str, read: Callable[[int], bytes]) -> Iterator[bytes]:
        """Yield the blocks of a sparse map, which count as one header."""
        for before in itertools.count(0, _BLOCK):
            self._account.take_header(name, _BLOCK, before)
            yield read(_BLOCK)

    def _extension(self, header: tarfile.TarInfo) -> bytes:
        """Return the content of an extended header."""
        self._account.take_header(header.name, header.size)
        content = self._read(header.size)
        self._read(-header.size % _BLOCK)
        return content

    def _finish(self) -> None:
        for _ in self.data(self._left):
            pass
        self._read(self._padding)
        self._padding = 0

    def _take(self, size: int) -> bytes:
        if size > self._left:
            raise tarfile.ReadError("a sparse map that is longer than its file")
        self._left -= size
        return self._read(size)

    def _read(self, size: int) -> bytes:
        content = self._stream.read(size)
        if len(content) != size:
            raise tarfile.ReadError("it ends inside of a member")
        return content


def _records(data: bytes) -> Records:
    """Return the records of an extended header that are used: no times and no attributes."""
    found: Records = {}
    sparse = []
    for keyword, value in _split(data) if _MATTERS.search(data) else ():
        if keyword in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            sparse.append(_text(value))
        elif keyword in _KEYWORDS and value:
            found[_text(keyword)] = _text(value)
    if sparse:
        found[_MAP] = ",".join(sparse)
    return found


def _split(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(data):
        space = data.find(b" ", start, start + _MOST_DIGITS)
        digits = data[start:space]
        if space < 0 or not digits.isdigit():
            raise tarfile.ReadError("an extended header without lengths")
        end = start + int(digits)
        keyword, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or not equals or data[end - 1 : end] != b"\n":
            raise tarfile.ReadError("an extended header with a wrong length")
        yield keyword, value
        start = end


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
