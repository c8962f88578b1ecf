from __future__ import annotations

import io
import os
import resource
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.account import Limits
from eas_processor.model_store.free_space import FreeSpace
from eas_processor.model_store.unpack import is_archive, unpack

DATA = os.urandom(5000)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(DATA) if kind == tarfile.REGTYPE else 0
    return info


@pytest.fixture
def tar(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that packs members; those that are regular files hold DATA."""

    def pack(*members: tarfile.TarInfo, mode: Any = "w:gz", name: str = "a.tar.gz") -> Path:
        with tarfile.open(tmp_path / name, mode) as archive:
            for info in members:
                archive.addfile(info, io.BytesIO(DATA) if info.size else None)
        return tmp_path / name

    return pack


def test_the_directories_of_a_name_count_as_members(
    tar: Callable[..., Path], tmp_path: Path
) -> None:
    archive = tar(member("d/" * 9 + "f"))
    unpack(archive, tmp_path / "out", Limits(members=10))
    with pytest.raises(ModelFetchError, match="is one more than the 9 that are allowed"):
        unpack(archive, tmp_path / "another", Limits(members=9))


def zipped(path: Path, *names: str, **attributes: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, DATA)
    return path


def refusal(archive: Path, limits: Limits | None = None) -> str:
    """Return the refusal of an archive, after checking that nothing stays behind."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(ModelFetchError) as caught:
        unpack(archive, archive.parent / "out", limits)
    assert sorted(archive.parent.iterdir()) == before
    return str(caught.value)


def files(directory: Path) -> dict[str, bytes]:
    found = (each for each in directory.rglob("*") if each.is_file())
    return {str(each.relative_to(directory)): each.read_bytes() for each in found}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_files_of_every_compression_and_any_name(
    tar: Callable[..., Path], tmp_path: Path, mode: str
) -> None:
    folder = member("m/empty", tarfile.DIRTYPE)
    archive = tar(
        member("./m/saved_model.pb"), member("m/variables/x"), folder, mode=mode, name="model"
    )
    assert is_archive(archive)
    unpack(archive, tmp_path / "out")
    assert files(tmp_path / "out") == {"m/saved_model.pb": DATA, "m/variables/x": DATA}
    assert (tmp_path / "out/m/empty").is_dir()


def test_zip_files(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "model", "m/", "m/a", r"m\b", "__MACOSX/m/._a")
    assert is_archive(archive)
    unpack(archive, tmp_path / "out")
    assert files(tmp_path / "out") == {"m/a": DATA, "m/b": DATA}
    assert not (tmp_path / "out/__MACOSX").exists()


def test_links_that_stay_inside_are_kept(tar: Callable[..., Path], tmp_path: Path) -> None:
    links = member("current", tarfile.SYMTYPE, "./3"), member("4/hard", tarfile.LNKTYPE, "3/a")
    unpack(tar(*links, member("3/a")), tmp_path / "out")
    assert (tmp_path / "out/current/a").read_bytes() == DATA
    assert (tmp_path / "out/4/hard").read_bytes() == DATA


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("../out-of-it")], "leads out of the archive"),
        ([member("a/../../x")], "leads out of the archive"),
        ([member("/tmp/eas-test-absolute")], "leads out of the archive"),
        ([member("l", tarfile.SYMTYPE, "/etc/passwd")], "an absolute path"),
        ([member("l", tarfile.SYMTYPE, "../..")], "leads out, to '../..'"),
        ([member("d/l", tarfile.SYMTYPE, "../../x")], "leads out, to '../../x'"),
        ([member("l", tarfile.LNKTYPE, "../a.tar.gz")], "leads out of the archive"),
        ([member("l", tarfile.LNKTYPE, "/etc/passwd")], "leads out of the archive"),
        ([member("l", tarfile.LNKTYPE, "none")], "which is not a file of the archive"),
        ([member("l", tarfile.SYMTYPE, "."), member("l/x")], "is there twice"),
        (
            [member("l", tarfile.SYMTYPE, "."), member("l/x", tarfile.SYMTYPE, "a")],
            "'l/x' lies below a link",
        ),
        # The second link turns the first one, which led to p, to the directory above the root.
        (
            [member("b", tarfile.SYMTYPE, "p/q/.."), member("p/q", tarfile.SYMTYPE, "..")],
            "'b' is a link that leads out",
        ),
        ([member("n", tarfile.CHRTYPE)], "is a device or a pipe"),
        ([member("n", tarfile.BLKTYPE)], "is a device or a pipe"),
        ([member("n", tarfile.FIFOTYPE)], "is a device or a pipe"),
        ([member("a"), member("a")], "is there twice"),
        ([member("a"), member("a/b")], "lies below a file"),
        ([member("a"), member("a", tarfile.DIRTYPE)], "is there twice"),
        ([member("a", tarfile.DIRTYPE)], "holds no file"),
    ],
)
def test_evil_tar_files(
    tar: Callable[..., Path], members: list[tarfile.TarInfo], reason: str
) -> None:
    assert reason in refusal(tar(*members))
    assert not Path("/tmp/eas-test-absolute").exists()


def test_links_in_the_way_of_files_do_not_redirect_them(tar: Callable[..., Path]) -> None:
    outside = member("d", tarfile.SYMTYPE, "..")
    assert "'d' is there twice" in refusal(tar(outside, member("d/escaped")))


@pytest.mark.parametrize(
    ("name", "attributes", "reason"),
    [
        ("../x", {}, "leads out of the archive"),
        (r"..\x", {}, "leads out of the archive"),
        ("/x", {}, "leads out of the archive"),
        ("l", {"external_attr": 0o120777 << 16}, "is a link or a device"),
        ("p", {"external_attr": 0o010666 << 16}, "is a link or a device"),
    ],
)
def test_evil_zip_files(tmp_path: Path, name: str, attributes: Any, reason: str) -> None:
    assert reason in refusal(zipped(tmp_path / "a.zip", name, **attributes))


def test_an_encrypted_zip_file(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", "x")
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # in the member's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    archive.write_bytes(content)
    assert "'x' is encrypted" in refusal(archive)


def test_limits_of_count_and_size(tar: Callable[..., Path], tmp_path: Path) -> None:
    packed = tar(member("a"), member("b"), member("l", tarfile.SYMTYPE, "a"))
    assert "'l' is one more than the 2 that are allowed" in refusal(packed, Limits(members=2))
    too_much = "'b' goes beyond the 9999 bytes"
    assert too_much in refusal(packed, Limits(size=9999))
    assert too_much in refusal(zipped(tmp_path / "a.zip", "a", "b"), Limits(size=9999))


def test_a_zip_file_that_lies_about_a_size(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", "x")
    size = len(DATA).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, (10).to_bytes(4, "little")))
    assert "corrupt or cut off" in refusal(archive)


def test_never_more_than_the_disk_has(
    tar: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def lacks(room: FreeSpace, size: int) -> str:
        asked.append(size)
        return "needs more" if sum(asked) > 20_000 else ""

    monkeypatch.setattr(FreeSpace, "lacks", lacks)
    # Once for what a member says to be, once for each piece of it.
    assert "a.tar.gz: the member 'c' needs more" in refusal(tar(*map(member, "abc")))
    assert asked == [5000] * 5
    asked.clear()
    assert "a.zip: the member 'c' needs more" in refusal(zipped(tmp_path / "a.zip", *"abc"))


def test_a_disk_that_is_full_although_it_said_otherwise(
    tar: Callable[..., Path], tmp_path: Path
) -> None:
    # As a quota does; the limit of this process has the next write fail in the same way.
    archive = tar(member("a"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        said = refusal(archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said == f"{archive} cannot be unpacked into {tmp_path}: File too large"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.9999])
def test_tar_files_that_are_cut_off(tar: Callable[..., Path], mode: str, keep: float) -> None:
    archive = tar(*(member(str(number)) for number in range(40)), mode=mode)
    content = archive.read_bytes()
    # A tar file ends in blocks of zeros, of which one has to be there.
    end = len(content.rstrip(b"\0")) + 1 if mode == "w" else len(content)
    archive.write_bytes(content[: int(end * keep)])
    assert "corrupt or cut off" in refusal(archive)


def test_a_tar_file_cut_off_between_two_members(tar: Callable[..., Path]) -> None:
    archive = tar(member("a"), member("b"), mode="w")
    archive.write_bytes(archive.read_bytes()[: 512 + 5120])
    assert "corrupt or cut off" in refusal(archive)


def test_a_zip_file_that_is_cut_off(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", "a", "b")
    archive.write_bytes(archive.read_bytes()[:-30])
    assert "corrupt or cut off" in refusal(archive)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_damaged_bytes(tar: Callable[..., Path], mode: str) -> None:
    archive = tar(member("a"), member("b"), mode=mode)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    assert "corrupt or cut off" in refusal(archive)


def test_a_damaged_header_between_members(tar: Callable[..., Path]) -> None:
    archive = tar(member("a"), member("b"), mode="w")
    content = bytearray(archive.read_bytes())
    content[512 + 5120 + 1] ^= 0xFF
    archive.write_bytes(content)
    assert "corrupt or cut off" in refusal(archive)


def test_compressed_files_without_an_archive_inside(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "model.pb.gz").write_bytes(gzip.compress(DATA))
    assert "corrupt or cut off" in refusal(tmp_path / "model.pb.gz")


def test_what_is_no_archive(tmp_path: Path) -> None:
    plain, named, empty = (tmp_path / each for each in ("model.pb", "model.tar.gz", "empty"))
    plain.write_bytes(b"\x0a\x04abcd")
    named.write_bytes(b"<html>")
    empty.touch()
    assert not is_archive(plain)
    with pytest.raises(
        ModelFetchError, match=r"model\.tar\.gz is not an archive, it begins with b'<ht"
    ):
        is_archive(named)
    with pytest.raises(ModelFetchError, match="is empty"):
        is_archive(empty)


@pytest.mark.parametrize(
    ("names", "one_file"),
    [
        (["metadata.json", "config.json", "model.weights.h5"], True),
        (["model/data.pkl", "model/version", "model/data/0"], True),
        (["x.npy", "y.npy"], True),
        (["saved_model.pb", "x.npy"], False),
        (["data.pkl"], False),
        (["model.h5"], False),
        ([], False),
    ],
)
def test_a_zip_file_that_is_a_format_of_its_own(
    tmp_path: Path, names: list[str], one_file: bool
) -> None:
    """`.keras`, `.pt` and `.npz`: their programs read them as they are."""
    for name in ("model.keras", "model.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for each in names:
                archive.writestr(each, DATA)
    assert is_archive(tmp_path / "model.keras") is not one_file
    assert is_archive(tmp_path / "model.zip")


def test_an_interrupted_unpacking_leaves_nothing(
    tar: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tar(member("a"))

    def interrupt(*_: object) -> None:
        assert files(tmp_path / "out.part") == {"a": DATA}
        raise KeyboardInterrupt

    monkeypatch.setattr("eas_processor.model_store.tar_file.TarFile.rest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_what_a_killed_process_left_is_replaced(tar: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "stale").touch()
    unpack(tar(member("a")), tmp_path / "out")
    assert files(tmp_path / "out") == {"a": DATA}
