"""Read a lock: exact versions with hashes, in the format of pip and uv."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from eas_processor.builds.catalogue import Entry

# Tools that build the source archives of a lock are installed before them, from the same lock.
_BUILD_TOOLS = ("setuptools", "wheel")


def read_pins(lock: Path) -> list[str]:
    """Return the `name==version` of each package of a lock, in order."""
    return re.findall(r"^[\w.-]+==[\w.+!-]+", lock.read_text(encoding="ascii"), re.MULTILINE)


def read_hashes(lock: Path) -> set[str]:
    """Return the SHA-256 of each file of a lock."""
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock.read_text(encoding="ascii")))


def versions(lock: Path) -> dict[str, str]:
    """Return the version of each package of a lock, by name."""
    return {name: version for name, _, version in (pin.partition("==") for pin in read_pins(lock))}


def built_from_source(lock: str) -> list[str]:
    """Return the packages of a lock that have no wheels; the head of the lock names them."""
    found = re.search(r"^# From source, for want of a wheel: (.*)\.$", lock, re.MULTILINE)
    return found[1].split(", ") if found else []


def build_tools(lock: Path) -> str:
    """Return the part of a lock that must be installed before its source archives are built."""
    blocks = re.findall(r"^\w[^\n]*(?:\n +--hash[^\n]*)+", lock.read_text("ascii"), re.MULTILINE)
    return "\n".join(block for block in blocks if block.partition("==")[0] in _BUILD_TOOLS) + "\n"


def content_hash(entry: Entry, *, with_cuda: bool = False) -> str:
    """
    Return a hash over the locks of a build, which tells whether an existing build is this one.

    It is "" if the lock of a build with more packages does not exist yet.
    """
    try:
        digest = hashlib.sha256(entry.lock.read_bytes())
    except FileNotFoundError:
        return ""
    if with_cuda and entry.cuda_lock is not None:
        digest.update(entry.cuda_lock.read_bytes())
    return digest.hexdigest()[:16]
