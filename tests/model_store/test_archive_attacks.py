"""Archives that would fill the memory, the disk or the time: each in a process of its own."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.hostile_archives import (
    Entry,
    a_file,
    extended,
    header,
    old_sparse,
    pax,
    records,
    tar_gz,
    zipped_by_hand,
)

pytestmark = pytest.mark.medium

MIB = 2**20
ZEROS = bytes(8 * MIB)
# Each takes less than ten on a quiet machine.
SECONDS = 200

UNPACK = """
import pathlib, re, sys
from eas_processor.errors import ModelFetchError
from eas_processor.model_store.account import Limits
from eas_processor.model_store.unpack import unpack

def peak():
    # Not ru_maxrss, which begins with that of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

before = peak()
try:
    unpack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), Limits(members=int(sys.argv[3])))
    said = "unpacked"
except ModelFetchError as error:
    said = str(error)
print(peak() - before, said)
"""


def unpacked_apart(archive: Path, most_memory: int, members: int = 100_000) -> str:
    """Return what came of unpacking it, with the bounds of memory, time and sentence checked."""
    out = archive.parent / "out"
    began = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", UNPACK, archive, out, str(members)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - began < SECONDS
    memory, _, said = run.stdout.partition(" ")
    assert int(memory) < most_memory
    assert not archive.with_name("out.part").exists()
    assert out.exists() == (said == "unpacked\n")
    assert len(said) < 400 + len(str(archive.parent))
    return said


def long_links(path: Path) -> Path:
    link = extended(tarfile.GNUTYPE_LONGLINK, ZEROS * 2)
    return tar_gz(path, itertools.chain([link] * 100, [a_file()]))


def long_names_within_the_limit(path: Path) -> Path:
    name = extended(tarfile.GNUTYPE_LONGNAME, b"n" * MIB)
    return tar_gz(path, itertools.chain([name] * 30, [a_file()]))


def global_headers(path: Path) -> Path:
    head = extended(tarfile.XGLTYPE, b"5 a=\n" * (MIB // 5))
    return tar_gz(path, itertools.chain([head] * 100, [a_file()]))


def many_records(path: Path) -> Path:
    data = b"5 a=\n" * (MIB // 5 - 10) + records(("path", "g"))
    return tar_gz(path, itertools.chain([extended(tarfile.XHDTYPE, data)] * 40, [a_file()]))


def many_small_headers(path: Path) -> Path:
    heads = extended(tarfile.XHDTYPE, records(("path", "g"))) * 1000
    return tar_gz(path, itertools.chain([heads] * 300, [a_file()]))


def a_header_of_an_exabyte(path: Path) -> Path:
    return tar_gz(path, [pax(("size", str(2**60))), header("f")])


def deep_directories(path: Path) -> Path:
    return tar_gz(path, [extended(tarfile.GNUTYPE_LONGNAME, b"d/" * 400 + b"f"), a_file()])


def a_long_path(path: Path) -> Path:
    return tar_gz(path, [pax(("path", "n" * 5000)), a_file()])


def a_long_name(path: Path) -> Path:
    return tar_gz(path, [pax(("path", "n" * 300)), a_file()])


def a_long_target(path: Path) -> Path:
    return tar_gz(path, [pax(("linkpath", "n/" * 2000)), header("l", tarfile.SYMTYPE), a_file()])


def a_chain_of_links(path: Path) -> Path:
    links = (header(f"l{n}", tarfile.SYMTYPE, link=f"l{n + 1}") for n in range(20_000))
    return tar_gz(path, itertools.chain([a_file()], links))


def links_in_a_circle(path: Path) -> Path:
    return tar_gz(path, [a_file(), header("l", tarfile.SYMTYPE, link="l")])


def sparse_of_terabytes(path: Path) -> Path:
    sizes = ("GNU.sparse.size", str(3 * 10**12)), ("GNU.sparse.map", "0,3")
    return tar_gz(path, [pax(*sizes), a_file()])


def sparse_maps_without_an_end(path: Path) -> Path:
    block = bytes(504) + b"\1" + bytes(7)
    begun = old_sparse("s", 100, *[(0, 0)] * 5)[:512]
    return tar_gz(path, itertools.chain([begun], [block * 100] * 1000))


def sparse_counts_without_an_end(path: Path) -> Path:
    sizes = ("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "9"), ("size", str(10**9))
    head = pax(*sizes) + header("s")
    lines = b"99999999\n" + b"0\n" * MIB
    return tar_gz(path, [head, lines])


def empty_streams(path: Path) -> Path:
    path.write_bytes(gzip.compress(b"") * 300_000)
    return path


def a_large_dictionary(path: Path) -> Path:
    """Return an xz file that says in its header to need 1.5 GiB, which nobody had to make it of."""
    content = bytearray(lzma.compress(a_file() + bytes(1024), preset=0))
    # A block's header: its size, flags, the filter's number and the size of its options, these.
    block = content[12 : 12 + (content[12] + 1) * 4]
    place = block.index(b"\x21\x01") + 2
    block[place] = 37
    block[-4:] = zlib.crc32(block[:-4]).to_bytes(4, "little")
    content[12 : 12 + len(block)] = block
    path.write_bytes(content)
    return path


def checksum(count: int) -> int:
    found = 0
    for _ in range(count):
        found = zlib.crc32(ZEROS, found)
    return found


def bzip2_in_zip(path: Path) -> Path:
    data = bz2.compress(ZEROS * 20)
    return zipped_by_hand(path, [Entry(b"f", data, 12, len(ZEROS) * 20, checksum(20))])


def lzma_in_zip(path: Path) -> Path:
    options = b"\x09\x14\x05\0\x5d" + (2**31).to_bytes(4, "little")
    return zipped_by_hand(path, [Entry(b"f", options + bytes(100), 14, 2**30)])


def entries_in_zip(path: Path) -> Path:
    others = (Entry(b"f", at=0) for _ in range(150_000))
    return zipped_by_hand(path, itertools.chain([Entry(b"f")], others))


def long_names_in_zip(path: Path) -> Path:
    return zipped_by_hand(path, (Entry(b"n" * 65_000) for _ in range(600)))


def a_long_name_in_zip(path: Path) -> Path:
    return zipped_by_hand(path, [Entry(b"n" * 65_000)])


def shared_data_in_zip(path: Path) -> Path:
    data = zlib.compress(ZEROS, 9)[2:-4]
    found = zlib.crc32(ZEROS)
    one = Entry(b"f0", data, 8, len(ZEROS), found)
    return zipped_by_hand(path, [one, *(one._replace(at=0) for _ in range(9))])


ATTACKS: list[tuple[Callable[[Path], Path], str]] = [
    (long_links, "the member 'x' has a header of 16777216 bytes, at most 1048576 are allowed"),
    (long_names_within_the_limit, "has a path of 1048576 bytes, at most 1024 are allowed"),
    (global_headers, "'x' has a header beyond the 33554432 bytes of headers that are allowed"),
    (many_records, "'x' has a header beyond the 33554432 bytes of headers that are allowed"),
    (many_small_headers, "'x' has a header beyond the 33554432 bytes of headers that are allowed"),
    (a_header_of_an_exabyte, "'f' goes beyond the 68719476736 bytes that are allowed"),
    (deep_directories, "lies 400 directories deep, at most 64 are allowed"),
    (a_long_path, "has a path of 5000 bytes, at most 1024 are allowed"),
    (a_long_name, "has a name of 300 bytes, at most 255 are possible"),
    (a_long_target, "has a path of 4000 bytes, at most 1024 are allowed"),
    (a_chain_of_links, "'l0' leads through more than 40 links"),
    (links_in_a_circle, "'l' leads through more than 40 links"),
    (sparse_of_terabytes, "'f' goes beyond the 68719476736 bytes that are allowed"),
    (sparse_maps_without_an_end, "'s' has a header of 1049088 bytes, at most 1048576 are allowed"),
    (sparse_counts_without_an_end, "'s' has a header of 1049088 bytes, at most 1048576"),
    (
        empty_streams,
        "contains 1001 compressed streams in 0 bytes, at most 1000 and one for each 1024",
    ),
    (a_large_dictionary, "takes more than the 285212672 bytes of memory that are allowed"),
    (lzma_in_zip, "'f' takes 2147483648 bytes of memory to decompress, at most 285212672 are"),
    (entries_in_zip, "has more than the 100000 members that are allowed"),
    (long_names_in_zip, "has a directory of 39027600 bytes, at most 33554432 are allowed"),
    (a_long_name_in_zip, "has a path of 65000 bytes, at most 1024 are allowed"),
    (shared_data_in_zip, "'f0' has data that overlaps with another member"),
]


@pytest.mark.parametrize(("make", "says"), ATTACKS, ids=lambda each: getattr(each, "__name__", ""))
def test_it_is_refused_at_no_cost(make: Callable[[Path], Path], says: str, tmp_path: Path) -> None:
    archive = make(tmp_path / "hostile")
    said = unpacked_apart(archive, 64 * MIB)
    assert said.startswith(str(archive)) and says in said


def test_many_deep_directories(tmp_path: Path) -> None:
    names = (b"%06d/" % number + b"d/" * 60 + b"f" for number in range(300))
    members = (extended(tarfile.GNUTYPE_LONGNAME, name) + a_file() for name in names)
    archive = tar_gz(tmp_path / "hostile", members)
    said = unpacked_apart(archive, 64 * MIB, members=10_000)
    assert "is one more than the 10000 that are allowed" in said


def test_bzip2_in_a_zip_file_is_read_in_pieces(tmp_path: Path) -> None:
    archive = bzip2_in_zip(tmp_path / "hostile")
    assert archive.stat().st_size < 1000
    assert unpacked_apart(archive, 64 * MIB) == "unpacked\n"
    assert (tmp_path / "out" / "f").stat().st_size == 20 * len(ZEROS)


def test_a_directory_of_the_largest_size_that_is_let_in(tmp_path: Path) -> None:
    names = (b"%08d" % number + "█".encode("cp437") * 240 for number in range(99_000))
    others = (Entry(name, at=0) for name in names)
    archive = zipped_by_hand(tmp_path / "hostile", itertools.chain([Entry(b"f")], others))
    # A cp437 name takes two bytes a character: 50 MB, and 99,000 objects.
    assert "overlaps with another member" in unpacked_apart(archive, 256 * MIB)


def test_many_links_to_one_file(tmp_path: Path) -> None:
    links = (header(f"l{number}", tarfile.LNKTYPE, link="f") for number in range(20_000))
    archive = tar_gz(tmp_path / "hostile", itertools.chain([a_file()], links))
    assert unpacked_apart(archive, 64 * MIB) == "unpacked\n"
    assert (tmp_path / "out" / "l19999").read_bytes() == b"abc"
