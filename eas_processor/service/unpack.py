"""Archives unpacked so that nothing reaches outside, fills the disk or stays behind half done."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn, cast

from eas_processor.errors import ModelFetchError

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
_COMPRESSED: dict[bytes, Callable[[Path, Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_PIECE = 2**20
_MOST_AT_ONCE = 16 * _PIECE
_CORRUPT = (
    EOFError,
    NotImplementedError,  # zipfile: an unknown compression
    ValueError,  # tarfile and zipfile: fields that are no numbers or no text
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Limits:
    """How much one archive may unpack to."""

    members: int = 100_000
    size: int = 64 * 2**30


def is_archive(path: Path) -> bool:
    """Tell by its content whether the file is an archive; one that is only named so is refused."""
    with open(path, "rb") as file:
        head = file.read(8)
    if not head:
        raise ModelFetchError(f"{path} is empty")
    if head.startswith((*_ZIP, *_COMPRESSED)) or tarfile.is_tarfile(path):
        return True
    if path.name.lower().endswith(_SUFFIXES):
        raise ModelFetchError(f"{path} is no archive, it begins with {head!r}")
    return False


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> None:
    """
    Make the directory `target` out of an archive, whole or not at all; raises ModelFetchError.

    One process at a time may do this for one target.
    """
    draft = target.with_name(f"{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # a killed process leaves one behind
    draft.mkdir(mode=0o700)
    try:
        _extract(archive, _Tree(archive, draft.resolve(), limits or Limits()))
        draft.rename(target)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        # gzip and bz2 tell damage by an OSError without a number; zipfile seeks before the start.
        damaged = isinstance(error, OSError) and error.errno in (None, errno.EINVAL)
        if damaged or isinstance(error, _CORRUPT):
            raise ModelFetchError(f"{archive} is corrupt or cut off: {error}") from error
        raise


class _Tree:
    """The directory that an archive becomes; a member is checked before it touches the disk."""

    def __init__(self, archive: Path, root: Path, limits: Limits) -> None:
        self._archive = archive
        self._root = root
        self._members = limits.members
        self._members_left = limits.members
        self._size = min(limits.size, shutil.disk_usage(root).free)
        self._size_left = self._size
        self.files = 0

    def count(self, name: str) -> None:
        """Count one member against how many there may be."""
        self._members_left -= 1
        if self._members_left < 0:
            self.refuse(name, f"is one more than the {self._members} that are allowed")

    def add_directory(self, name: str) -> None:
        path = self._root / self._inside(name, name)
        if not path.is_dir():
            self._new(name).mkdir()

    def add_file(self, name: str, source: IO[bytes], declared: int) -> None:
        path = self._new(name)
        if declared > self._size_left:
            self.take(name, declared)
        with open(path, "xb") as file:
            while piece := source.read(_PIECE):
                self.take(name, len(piece))
                file.write(piece)
        self.files += 1

    def add_hard_link(self, name: str, target: str) -> None:
        source = self._root / self._inside(target, name)
        if source.is_symlink() or not source.is_file():
            self.refuse(name, f"is a link to {target!r}, which is no file of the archive")
        os.link(source, self._new(name))

    def add_symbolic_link(self, name: str, target: str) -> Path:
        parent = (self._root / self._inside(name, name)).parent
        if os.path.realpath(parent) != str(parent):
            self.refuse(name, "lies below a link")
        if os.path.isabs(target):
            self.refuse(name, f"is a link to {target!r}, an absolute path")
        path = self._new(name)
        path.symlink_to(target)
        return path

    def check_link(self, name: str, path: Path) -> None:
        if not Path(os.path.realpath(path)).is_relative_to(self._root):
            self.refuse(name, f"is a link that leads out, to {os.readlink(path)!r}")

    def take(self, name: str, size: int) -> None:
        """Count bytes against what may be unpacked."""
        self._size_left -= size
        if self._size_left < 0:
            self.refuse(
                name, f"goes beyond the {self._size} bytes that are allowed or free on disk"
            )

    def refuse(self, name: str, reason: str) -> NoReturn:
        raise ModelFetchError(f"{self._archive}: the member {name!r} {reason}")

    def _new(self, name: str) -> Path:
        """Return the path of a member that is not there yet, below directories that are."""
        path = self._root / self._inside(name, name)
        if os.path.lexists(path):
            self.refuse(name, "is there twice")
        directory = self._root
        for part in path.relative_to(self._root).parts[:-1]:
            directory /= part
            try:
                directory.mkdir()
                self.count(name)  # a name of 4 KB makes two thousand
            except FileExistsError:
                if not directory.is_dir():
                    self.refuse(name, "lies below a file")
        return path

    def _inside(self, path: str, name: str) -> PurePosixPath:
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            self.refuse(name, f"leads out of the archive, to {path!r}")
        return inside


def _extract(archive: Path, tree: _Tree) -> None:
    with open(archive, "rb") as file:
        head = file.read(8)
    if head.startswith(_ZIP):
        _extract_zip(archive, tree)
    else:
        opener = next((each for magic, each in _COMPRESSED.items() if head.startswith(magic)), open)
        with opener(archive, "rb") as stream:
            _extract_tar(stream, tree)
    if not tree.files:
        raise ModelFetchError(f"{archive} holds no file")


def _extract_zip(archive: Path, tree: _Tree) -> None:
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            name = member.filename.replace("\\", "/")  # as some Windows tools write it
            kind = stat.S_IFMT(member.external_attr >> 16)
            tree.count(name)
            if name.startswith("__MACOSX/"):
                continue  # macOS adds it; a second directory would hide which one is the model
            if name.endswith("/"):
                tree.add_directory(name)
            elif kind not in (0, stat.S_IFREG):
                tree.refuse(name, "is a link or a device, expected a file or a directory")
            elif member.flag_bits & 1:
                tree.refuse(name, "is encrypted")
            else:
                with members.open(member) as source:
                    tree.add_file(name, source, member.file_size)


class _Pieces:
    """A stream that is not read in one go: tarfile would take a header of any size into memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if size > _MOST_AT_ONCE:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._stream.read(size)


def _extract_tar(stream: IO[bytes], tree: _Tree) -> None:
    hard_links, symbolic_links = [], []
    pieces = cast("IO[bytes]", _Pieces(stream))
    with tarfile.open(fileobj=pieces, mode="r:") as members:
        for member in members:
            tree.count(member.name)
            if member.isdir():
                tree.add_directory(member.name)
            elif member.isfile():
                source = cast("IO[bytes]", members.extractfile(member))
                tree.add_file(member.name, source, member.size)
            elif member.islnk():
                hard_links.append(member)
            elif member.issym():
                symbolic_links.append(member)
            else:
                tree.refuse(member.name, "is a device or a pipe, expected a file or a directory")
        _check_end(stream, members.offset, tree)
    # Links come last, symbolic ones after hard ones, so that nothing is written through one. They
    # are checked when all are there, because one can change where another leads.
    for link in hard_links:
        tree.add_hard_link(link.name, link.linkname)
    paths = [tree.add_symbolic_link(link.name, link.linkname) for link in symbolic_links]
    for link, path in zip(symbolic_links, paths, strict=True):
        tree.check_link(link.name, path)


def _check_end(stream: IO[bytes], offset: int, tree: _Tree) -> None:
    """Read to the end: tarfile takes a damaged header for it, and checksums come last."""
    stream.seek(offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if block != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("no end-of-archive block where one is expected")
    while piece := stream.read(_PIECE):
        tree.take("(end)", len(piece))
