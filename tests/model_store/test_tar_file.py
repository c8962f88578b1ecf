"""Tar files of every format, against what `tarfile` and GNU tar make of them."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from fixtures import need
from fixtures.hostile_archives import END, a_file, extended, header, old_sparse, padded, pax

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.unpack import is_archive, unpack

pytestmark = pytest.mark.medium


def contents(directory: Path) -> dict[str, Any]:
    """Return what is below: the content of files, where links lead, None for directories."""
    found: dict[str, Any] = {}
    for path in directory.rglob("*"):
        if path.is_symlink():
            content: Any = os.readlink(path)
        else:
            content = path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(directory))] = content
    return found


def unpacked(archive: Path) -> dict[str, Any]:
    assert is_archive(archive)
    unpack(archive, archive.parent / "out")
    return contents(archive.parent / "out")


def written(path: Path, *pieces: bytes) -> Path:
    path.write_bytes(b"".join(pieces) + END)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "1" / "variables").mkdir(parents=True)
    (root / "1" / "empty").mkdir()
    for size in (0, 1, 511, 512, 513, 3_000_000):
        (root / "1" / "variables" / f"of {size}").write_bytes(random.Random(size).randbytes(size))
    (root / "1" / ("long " * 40)).write_text("x")
    deep = root.joinpath(*["directory of a long name"] * 20)
    deep.mkdir(parents=True)
    (deep / "f").write_text("deep")
    (root / "模型.txt").write_text("unicode")
    (root / os.fsdecode(b"not \xff utf-8")).write_text("bytes")
    (root / "current").symlink_to("1")
    (deep / "far").symlink_to("../" * 20 + "1/variables")
    (root / "hard").hardlink_to(root / "模型.txt")
    return root


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tarfile(model: Path, tmp_path: Path, form: int) -> None:
    if form == tarfile.USTAR_FORMAT:  # which has no room for these
        shutil.rmtree(model / "directory of a long name")
        (model / "1" / ("long " * 40)).unlink()
    with tarfile.open(tmp_path / "a", "w:gz", format=form, encoding="utf-8") as archive:
        archive.add(model, arcname=".")
    assert unpacked(tmp_path / "a") == contents(model)


@need.tool("tar")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "pax"])
def test_every_format_of_gnu_tar(model: Path, tmp_path: Path, form: str) -> None:
    if form in ("v7", "ustar"):
        shutil.rmtree(model / "directory of a long name")
        (model / "1" / ("long " * 40)).unlink()
    arguments = [f"--format={form}", "-cf", tmp_path / "a", "-C", model, "."]
    subprocess.run(["tar", *arguments], check=True)
    assert unpacked(tmp_path / "a") == contents(model)


@need.tool("tar")
@pytest.mark.parametrize("form", ["oldgnu", "gnu", "0.0", "0.1", "1.0"])
@pytest.mark.parametrize("holes", [0, 1, 3, 4, 5, 24, 25, 26, 200])
def test_sparse_files_of_every_format(tmp_path: Path, form: str, holes: int) -> None:
    root = tmp_path / "model"
    root.mkdir()
    for name, tail in (("ends in data", 1), ("ends in a hole", 0)):
        with open(root / name, "wb") as file:
            for number in range(holes):
                file.seek(number * 200_000)
                file.write(b"%04d" % number * 5000)
            file.truncate(holes * 200_000 + 100_000)
            file.seek(0, os.SEEK_END)
            file.write(b"end" * tail)
    (root / "another").write_text("x")
    version = [f"--sparse-version={form}", "--format=pax"] if "." in form else [f"--format={form}"]
    arguments = [*version, "-Scf", tmp_path / "a", "-C", root, "."]
    made = subprocess.run(["tar", *arguments], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"this tar has no sparse files: {made.stderr!r}")
    assert (tmp_path / "a").stat().st_size < 400_000 + holes * 50_000
    assert unpacked(tmp_path / "a") == contents(root)


def test_a_sparse_file_keeps_its_holes(tmp_path: Path) -> None:
    sparse = old_sparse("s", 10**9, (5 * 10**8, 3), data=b"abc")
    out = tmp_path / "out"
    unpack(written(tmp_path / "a", sparse), out)
    with open(out / "s", "rb") as file:
        file.seek(5 * 10**8)
        assert file.read(4) == b"abc\0"
    status = (out / "s").stat()
    assert status.st_size == 10**9
    assert status.st_blocks * 512 < 10**8


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (old_sparse("s", 10, (5, 3), (4, 3), data=b"abcdef"), "a sparse map that goes back"),
        (old_sparse("s", 10, (8, 3), data=b"abc"), "not that of its file"),
        (old_sparse("s", 10, (1, 3), data=b"ab"), "not that of its file"),
        (old_sparse("s", 10, (1, 3), data=b"abcd"), "not that of its file"),
        (pax(("GNU.sparse.size", "9"), ("GNU.sparse.map", "0,3,5")) + a_file(), "half a pair"),
        (pax(("GNU.sparse.size", "9"), ("GNU.sparse.map", "0,x")) + a_file(), "'x' where a number"),
        (pax(("GNU.sparse.size", "-9")) + a_file(), "'-9' where a number is expected"),
        (pax(("GNU.sparse.realsize", "9"), ("GNU.sparse.major", "1")) + a_file(), "longer than"),
        (
            pax(("GNU.sparse.realsize", "9"), ("GNU.sparse.major", "1")) + a_file(data=b"1" * 512),
            "a sparse map without numbers",
        ),
        (pax(("size", "1e3")) + a_file(), "'1e3' where a number is expected"),
        (pax(("size", "1" * 30)) + a_file(), "where a number is expected"),
        (extended(tarfile.XHDTYPE, b"99 path=f\n") + a_file(), "a wrong length"),
        (extended(tarfile.XHDTYPE, b"x path=f\n") + a_file(), "without lengths"),
        (extended(tarfile.XHDTYPE, b"0 path=f\n") + a_file(), "a wrong length"),
        (header("f", size=1100), "it ends inside of a member"),
        (header("x", tarfile.XHDTYPE, 1100), "it ends inside of a member"),
    ],
)
def test_damaged_headers(tmp_path: Path, member: bytes, reason: str) -> None:
    archive = written(tmp_path / "a", member)
    with pytest.raises(ModelFetchError, match=reason):
        unpack(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_records_that_do_not_matter_are_not_looked_at(tmp_path: Path) -> None:
    damaged = extended(tarfile.XHDTYPE, b"10 mtime-f\n")
    assert unpacked(written(tmp_path / "a", damaged, a_file())) == {"f": b"abc"}


def test_a_negative_size(tmp_path: Path) -> None:
    block = bytearray(header("f"))
    block[124:136] = (256**12 - 512).to_bytes(12, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(ModelFetchError, match="a size of -512"):
        unpack(written(tmp_path / "a", bytes(block)), tmp_path / "out")


def test_headers_in_a_row_and_headers_for_nothing(tmp_path: Path) -> None:
    names = [extended(tarfile.GNUTYPE_LONGNAME, b"n%d\0" % number) for number in range(2000)]
    common = extended(tarfile.XGLTYPE, b"12 path=all\n")
    archive = written(tmp_path / "a", *names, a_file("short"), common, a_file("g"))
    assert unpacked(archive) == {"n1999": b"abc", "g": b"abc"}


def test_random_damage_is_said_and_never_raises_anything_else(model: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    shutil.rmtree(model / "1")
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(model, arcname=".")
    whole = buffer.getvalue() + old_sparse("s", 99, *[(n, 1) for n in range(9)], data=b"x" * 9)
    draw = random.Random(16)
    for number in range(100):
        content = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        archive_path = tmp_path / "damaged"
        archive_path.write_bytes(padded(content) + END)
        try:
            unpack(archive_path, tmp_path / f"out{number}")
        except ModelFetchError as error:
            assert str(archive_path) in str(error)
        shutil.rmtree(tmp_path / f"out{number}", ignore_errors=True)
