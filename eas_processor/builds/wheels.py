"""Fill a directory with the files that a lock names, for a machine without a package index."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from eas_processor.builds.catalogue import Entry
from eas_processor.builds.extended import Extended, lock_python
from eas_processor.builds.locks import read_hashes, read_pins
from eas_processor.builds.uv import OnProgress, run_uv
from eas_processor.errors import BuildError

_TIMEOUT_S = 60
_PIECE = 1 << 20
# A file of a package in the lock file that uv writes.
_FILE = re.compile(r'\burl = "([^"]+)"[^}\n]*?sha256 = "([0-9a-f]{64})"')


def collect(entry: Entry, lock: Path, wheels: Path, progress: OnProgress | None = None) -> int:
    """
    Download each missing file of `lock` into `wheels`; return how many files it has now.

    These are the files for every Python that the lock supports. uv finds them, so that its settings
    for the index apply. A lock that is not part of this release is copied too. Raises BuildError.
    """
    wanted = read_hashes(lock)
    found = {digest: url for url, digest in locate(entry, lock) if digest in wanted}
    if missing := wanted - found.keys():
        raise BuildError(
            f"{entry.name}: the package index has no file with {len(missing)} of the "
            f"{len(wanted)} hashes of {lock.name}; the first is sha256:{min(missing)}"
        )
    try:
        wheels.mkdir(parents=True, exist_ok=True)
        written = 0.0
        with requests.Session() as session:
            for digest, url in found.items():
                target = wheels / unquote(urlsplit(url).path.rpartition("/")[2])
                if not (target.is_file() and _digest(target) == digest):
                    written += _download(session, url, target, digest) / 1e6
                    if progress is not None:
                        progress(written)
        if isinstance(entry, Extended) and lock == entry.lock:
            shutil.copyfile(lock, wheels / lock.name)
    except requests.RequestException as error:
        raise BuildError(f"{entry.name}: {url} cannot be downloaded: {error}") from error
    except OSError as error:
        raise BuildError(f"{wheels} cannot be written: {error.strerror or error}") from error
    return len(found)


def locate(entry: Entry, lock: Path) -> list[tuple[str, str]]:
    """Return the URL and SHA-256 of every file of the lock's packages on the index."""
    with tempfile.TemporaryDirectory(prefix="eas-wheels-") as scratch:
        pins, answer = Path(scratch) / "pins.txt", Path(scratch) / "pylock.toml"
        pins.write_text("\n".join(read_pins(lock)), encoding="ascii")
        options = ["--quiet", "--no-deps", "--universal", "--format", "pylock.toml"]
        python = lock_python(entry) if isinstance(entry, Extended) else entry.pythons[-1]
        options += ["--python-version", python, "--output-file", str(answer)]
        run_uv(
            f"the wheels of {entry.name}",
            ["pip", "compile", *options, str(pins)],
            directory=Path(scratch),
            failure="cannot be found",
        )
        return _FILE.findall(answer.read_text(encoding="utf-8"))


def _download(session: requests.Session, url: str, target: Path, wanted: str) -> int:
    """Download one file. It gets its name only when it is complete and has the right hash."""
    digest, size = hashlib.sha256(), 0
    with _scratch(target) as part:
        with session.get(url, stream=True, timeout=_TIMEOUT_S) as answer, open(part, "wb") as file:
            answer.raise_for_status()
            for piece in answer.iter_content(_PIECE):
                digest.update(piece)
                size += file.write(piece)
        if digest.hexdigest() != wanted:
            raise BuildError(
                f"what was downloaded from {url} is not what the lock names, and was refused "
                f"(expected sha256:{wanted}, got sha256:{digest.hexdigest()})"
            )
        os.replace(part, target)
    return size


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()
