"""Check what a build requires of this machine: processor, C library and disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from eas_processor.builds.catalogue import Entry
from eas_processor.errors import BuildError

_CPUINFO = Path("/proc/cpuinfo")


def check_machine(entry: Entry) -> None:
    """Raise BuildError when the build's TensorFlow cannot run on this processor and C library."""
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ("x86_64", "AMD64"):
        raise BuildError(
            f"{entry.name} runs only on Linux x86-64, and this is {platform.system()} on {machine}"
        )
    found = glibc()
    wanted = ".".join(str(part) for part in entry.glibc)
    if found is None:
        raise BuildError(
            f"{entry.name} needs glibc {wanted} or newer, and this system's C library is another "
            "(Alpine Linux has musl): use a Debian, Ubuntu or RHEL system or image"
        )
    if found < entry.glibc:
        has = ".".join(str(part) for part in found)
        raise BuildError(f"{entry.name} needs glibc {wanted} or newer, and this system has {has}")
    flags = processor_flags()
    missing = [each for each in entry.instructions if flags and each not in flags]
    if missing:
        raise BuildError(
            f"{entry.name} is compiled for processors with {' and '.join(missing).upper()}, and "
            "this one has none (in a virtual machine, let it see the host's processor)"
        )


def check_space(entry: Entry, directory: Path) -> None:
    """Raise BuildError when the build does not fit on the disk of `directory`."""
    free = shutil.disk_usage(directory).free / 1e6
    if free < entry.size:
        raise BuildError(
            f"{entry.name} takes about {entry.size:,} MB, and {directory} has {free:,.0f} MB free; "
            "free some space, or set EAS_HOME to another disk"
        )


def glibc() -> tuple[int, int] | None:
    """Return the version of the GNU C library, or None if this is another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return None
    major, _, minor = version.partition(".")
    if name != "glibc" or not (major.isdigit() and minor.split(".")[0].isdigit()):
        return None
    return int(major), int(minor.split(".")[0])


def processor_flags() -> frozenset[str]:
    """Return the instructions of the processor, or nothing if the system does not list them."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
