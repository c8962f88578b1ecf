"""Private files that are written whole or not at all, on disks that are full in fact."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fixtures import need

from eas_processor.whole_file import write_whole


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Have writes beyond `size` bytes fail, as on a full disk, part of them done."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "f"
    before = os.umask(0)
    try:
        write_whole(path, b"one")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_whole(path, b"two")
    write_whole(path, b"three", replace=False)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_what_does_not_fit_leaves_what_was_there(
    tmp_path: Path, replace: bool, there: bool
) -> None:
    path = tmp_path / "f"
    if there:
        path.write_bytes(b"before")
    with largest_file(10), pytest.raises(OSError) as caught:
        write_whole(path, b"x" * 100, replace=replace)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"before"] * there


@pytest.mark.parametrize("step", ["fsync", "replace", "link"])
def test_a_failure_of_every_step(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(tmp_path / "f", b"x", replace=step != "link")
    assert caught.value.filename == str(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "f", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "none" / "f", b"x")
    assert caught.value.filename == str(tmp_path / "none" / "f")


FILL = """
import os, pathlib, sys
from eas_processor.errors import EasError
from eas_processor.config.token import admin_token
from eas_processor.app.running import Entries
from eas_processor.home import private_directory

home = pathlib.Path(os.environ["EAS_HOME"])
for name in ("admin", "admin-tokens"):
    private_directory(name)
try:
    with open(home / "filler", "wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
except OSError:
    pass
entries = Entries()
entries._address = "http://h:1"
for call in (lambda: admin_token("svc"), lambda: entries.add("svc")):
    try:
        call()
    except EasError as error:
        print(error)
print(sorted(str(each.relative_to(home)) for each in home.rglob("*")))
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A file system of 1 MiB in a mount namespace, where this machine lets a user make one."""
    unshare = need.path_of("unshare")
    mount = f'mount -t tmpfs -o size=1m none "{tmp_path}"'
    tried = subprocess.run([unshare, "-rm", "sh", "-c", mount], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no mount namespaces here")
    script = f'{mount} && exec "$0" -c "$1"'
    run = subprocess.run(
        [unshare, "-rm", "sh", "-c", script, sys.executable, FILL],
        env={**os.environ, "EAS_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    token, address, left = run.stdout.splitlines()
    where = tmp_path / "home"
    full = "No space left on device"
    assert token.startswith(
        f"the admin token cannot be stored in {where}/admin-tokens/svc: {full};"
    )
    assert f"{where} cannot be written ({where}/admin/svc: {full})" in address
    assert left == "['admin', 'admin-tokens', 'filler']"
