"""Check the ELF header of a shared object before the dynamic linker loads it."""

import os
import struct

from eas_processor.worker.errors import HooksError

_OURS = "/proc/self/exe"

# The fields of elf(5) that are used: magic, class, byte order, type, machine, then the offset, size
# and number of the program headers.
_HEAD = struct.Struct("<4sBB10xHH12xQ14xHH")
_MAGIC = b"\x7fELF"
_SHARED_OBJECT = 3
_PROGRAM_HEAD = struct.Struct("<I4xQ16xQ16x")
_LOADED = 1
_BITS = {1: 32, 2: 64}
_MACHINES = {
    3: "x86",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86-64",
    183: "aarch64",
    243: "riscv",
    258: "loongarch",
}
_TYPES = {1: "an object file", 2: "a program", 4: "a core dump"}
_OTHERS = (
    (b"\xcf\xfa\xed\xfe", "a macOS library"),
    (b"\xca\xfe\xba\xbe", "a macOS library"),
    (b"MZ", "a Windows library"),
    (b"!<arch>", "a static library"),
)


def check_shared_object(path: str) -> None:
    """
    Raise HooksError unless `path` is a complete shared object for this machine.

    The dynamic linker's own messages name neither the machine nor the kind of file, and the linker
    crashes if the end of the file is missing.
    """
    try:
        with open(path, "rb") as file, open(_OURS, "rb") as own:
            head, ours = file.read(_HEAD.size), own.read(_HEAD.size)
            fault = _fault(head, ours)
            if not fault and head[4:6] == b"\x02\x01":
                fault = _what_is_missing(head, file.fileno())
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    if fault:
        raise HooksError(f"the processor {path} {fault}")


def _fault(head: bytes, ours: bytes) -> str:
    if len(head) < _HEAD.size or not head.startswith(_MAGIC):
        kinds = [kind for magic, kind in _OTHERS if head.startswith(magic)]
        found = kinds[0] if kinds else "not a library" if head else "empty"
        return f"is {found}, expected a shared object (ELF)"
    if _machine(head) != _machine(ours):
        return f"is for {_machine(head)}, expected {_machine(ours)}"
    kind = _HEAD.unpack(head)[3]
    if kind != _SHARED_OBJECT:
        found = _TYPES.get(kind, f"of type {kind}")
        return f"is {found}, expected a shared object: link it with -shared"
    return ""


def _machine(head: bytes) -> str:
    """Return the machine's name, width and byte order."""
    _, bits, order, _, machine, *_ = _HEAD.unpack(head)
    if order != 1:
        machine = (machine >> 8) | ((machine & 0xFF) << 8)
    name = _MACHINES.get(machine, f"machine {machine}")
    return f"{name} ({_BITS.get(bits, '?')} bits, {'little' if order == 1 else 'big'}-endian)"


def _what_is_missing(head: bytes, descriptor: int) -> str:
    *_, start, size, count = _HEAD.unpack(head)
    there = os.fstat(descriptor).st_size
    heads = os.pread(descriptor, size * count, start)
    end = start + size * count
    if len(heads) == size * count and size >= _PROGRAM_HEAD.size:
        for at in range(0, len(heads), size):
            kind, offset, length = _PROGRAM_HEAD.unpack_from(heads, at)
            if kind == _LOADED:
                end = max(end, offset + length)
    if there < end:
        return f"is incomplete: it has {there} bytes, expected {end}; copy it again"
    return ""
