"""
Unpacks archives.

Nothing is written outside the target, the disk is not filled, and a failure leaves nothing behind.
"""

from __future__ import annotations

import errno
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.account import Account, Limits
from eas_processor.model_store.compressed import COMPRESSIONS, Decompressed
from eas_processor.model_store.tar_file import Readable, TarFile
from eas_processor.model_store.tree import Tree
from eas_processor.model_store.zip_file import extract_zip, is_one_file

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_CORRUPT = (
    EOFError,
    NotImplementedError,  # zipfile: an unsupported version of a member
    ValueError,  # fields that are not numbers or text
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_archive(path: Path) -> bool:
    """
    Tell by its content whether a file is an archive.

    A zip file in a format of its own, such as `.keras`, is not one unless its suffix is that of an
    archive. Raises ModelFetchError if the file is empty, or only its suffix is that of an archive.
    """
    with open(path, "rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if not head:
        raise ModelFetchError(f"{path} is empty")
    if head.startswith(_ZIP) and not path.name.lower().endswith(_SUFFIXES):
        try:
            return not is_one_file(path, Account(path, Limits()))
        except _CORRUPT:
            return True  # unpacking reports the error
    if head.startswith((*_ZIP, *COMPRESSIONS)) or _begins_tar(head):
        return True
    if path.name.lower().endswith(_SUFFIXES):
        raise ModelFetchError(f"{path} is not an archive, it begins with {head[:8]!r}")
    return False


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> None:
    """
    Unpack an archive into the new directory `target`. A failure leaves nothing behind.

    Only one process at a time may do this for one target. Raises ModelFetchError.
    """
    draft = target.with_name(f"{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # a killed process leaves one behind
    try:
        draft.mkdir(mode=0o700)
        _extract(archive, draft.resolve(), Account(archive, limits or Limits()))
        draft.rename(target)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        # For damaged files, bz2 raises OSError without a number, and zipfile may seek before 0.
        damaged = isinstance(error, OSError) and error.errno in (None, errno.EINVAL)
        if damaged or isinstance(error, _CORRUPT):
            raise ModelFetchError(f"{archive} is corrupt or cut off: {error}") from error
        if isinstance(error, OSError):  # a write names no file
            raise ModelFetchError(
                f"{archive} cannot be unpacked into {target.parent}: {error.strerror}"
            ) from error
        raise


def _begins_tar(head: bytes) -> bool:
    if head == bytes(tarfile.BLOCKSIZE):
        return True  # an archive without members
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def _extract(archive: Path, root: Path, account: Account) -> None:
    tree = Tree(account, root)
    with open(archive, "rb") as file:
        head = file.read(8)
        file.seek(0)
        found = [new for magic, new in COMPRESSIONS.items() if head.startswith(magic)]
        if head.startswith(_ZIP):
            extract_zip(archive, tree, account)
        else:
            stream = Decompressed(archive, file, found[0]) if found else file
            _extract_tar(stream, tree, account)
    if not tree.files:
        account.refuse_whole("holds no file")


def _extract_tar(stream: Readable, tree: Tree, account: Account) -> None:
    hard_links: list[tuple[str, str]] = []
    symbolic_links: list[tuple[str, str]] = []
    members = TarFile(stream, account)
    for member in members:
        account.count(member.name)
        if member.type == tarfile.DIRTYPE:
            tree.add_directory(member.name)
        elif member.parts is not None:
            tree.add_sparse_file(member.name, members.data, member.size, member.parts)
        elif member.is_file:
            tree.add_file(member.name, members.data(member.size), member.size)
        elif member.type in (tarfile.LNKTYPE, tarfile.SYMTYPE):
            links = hard_links if member.type == tarfile.LNKTYPE else symbolic_links
            links.append((member.name, member.link))
        else:
            account.refuse(member.name, "is a device or a pipe, expected a file or a directory")
    for piece in members.rest():
        account.take("(end)", len(piece))
    # Links are made last, symbolic ones after hard ones, so that no file is written through one.
    for name, target in hard_links:
        tree.add_hard_link(name, target)
    tree.add_symbolic_links(symbolic_links)
