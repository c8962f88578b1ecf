"""
Downloads files from http(s) URLs.

A copy is kept, with ETag and Last-Modified. Downloads that are cut off are resumed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from eas_processor.errors import ModelFetchError
from eas_processor.home import private_directory
from eas_processor.model_store.free_space import FreeSpace
from eas_processor.model_store.progress import bar
from eas_processor.model_store.store import locked, short_hash
from eas_processor.whole_file import write_whole

MAX_SIZE = 64 * 2**30
TRIES = 5
FIRST_PAUSE = 0.5  # seconds; doubles with each attempt that receives nothing
_TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces of the body
_PIECE = 2**20
_YEAR_OF_BUILDS = 1980
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)


def download(url: str, *, progress: bool, note: Callable[[str], None]) -> Path:
    """
    Return the path of an up-to-date local copy of `url`. Raises ModelFetchError.

    If the server cannot be reached, an older copy is returned, and `note` is called with a warning.
    """
    parts = check_url(url)
    port = f":{parts.port}" if parts.port else ""
    # Neither credentials nor the query, which may be a signature, belong in a message.
    shown = f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
    name = unquote(parts.path).rpartition("/")[2]
    directory = private_directory("downloads", short_hash(url))
    with locked(directory / "lock"):
        wanted = _Download(url, shown, directory, "download" if name in ("", ".", "..") else name)
        return wanted.run(progress, note)


def check_url(url: str) -> SplitResult:
    """Return the parts of a URL. Raises ModelFetchError if `url` is not one."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError as error:
        raise ModelFetchError(f"is not a URL: {error}") from None
    if not parts.hostname:
        raise ModelFetchError(f"is not a URL: {parts.scheme}:// is not followed by a host")
    return parts


class _CutOffError(Exception):
    """A failure after which another attempt may succeed. Its text is the reason."""


@dataclass(frozen=True)
class _Version:
    """A version of the file, as the server describes it, and the number of bytes stored here."""

    etag: str = ""
    last_modified: str = ""
    size: int = 0

    @property
    def tells(self) -> bool:
        """
        Whether the ETag or the time identify this version.

        Reproducible builds give all files the same time, in 1980 or before, and servers derive
        ETags from time and size. So such versions cannot be told apart.
        """
        try:
            modified = parsedate_to_datetime(self.last_modified)
        except (TypeError, ValueError):
            return bool(self.etag or self.last_modified)
        return modified.year > _YEAR_OF_BUILDS

    @property
    def for_range(self) -> str:
        """The value of If-Range, "" if nothing proves the same bytes; a weak ETag does not."""
        if not self.tells:
            return ""
        return self.etag if self.etag.startswith('"') else self.last_modified

    def save(self, path: Path) -> None:
        write_whole(path, json.dumps(asdict(self)).encode())

    @classmethod
    def load(cls, path: Path) -> _Version:
        """Return the version saved at `path`, an empty one if the file is missing or damaged."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return cls()


class _Download:
    """
    The download of one URL into its directory.

    `content/NAME` and `content.json` are the complete file and its version. `part` and `part.json`
    are the received part of a newer version.
    """

    def __init__(self, url: str, shown: str, directory: Path, name: str) -> None:
        self._url = url
        self._shown = shown
        self._file = directory / "content" / name
        self._file_version = directory / "content.json"
        self._part = directory / "part"
        self._part_version = directory / "part.json"
        self._room = FreeSpace(directory)

    def run(self, progress: bool, note: Callable[[str], None]) -> Path:
        fruitless, furthest = 0, self._resumable().size
        while fruitless < TRIES:
            if fruitless:
                time.sleep(FIRST_PAUSE * 2 ** (fruitless - 1))
            try:
                return self._try(progress)
            except _CutOffError as error:
                reason = str(error)
            except (requests.ConnectionError, requests.Timeout) as error:
                reason = _reason(error)
            except requests.RequestException as error:
                raise self._refusal(_reason(error)) from error
            # A long download may be cut off often, as long as each attempt makes progress.
            arrived = self._resumable().size
            fruitless = 0 if arrived > furthest else fruitless + 1
            furthest = max(furthest, arrived)
        if not self._resumable().size:
            self._drop_part()
        if self._cached() is None:
            raise self._refusal(f"{reason} ({TRIES} tries)")
        note(f"{self._shown}: {reason}; the copy fetched earlier is used")
        return self._file

    def _try(self, progress: bool) -> Path:
        headers = {"Accept-Encoding": "identity", "User-Agent": "eas-processor"}
        cached = self._cached()
        resumable = self._resumable()
        if resumable.size:
            headers |= {"Range": f"bytes={resumable.size}-", "If-Range": resumable.for_range}
        elif cached and cached.tells and cached.etag:
            headers["If-None-Match"] = cached.etag
        elif cached and cached.tells:
            headers["If-Modified-Since"] = cached.last_modified
        with requests.get(self._url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == 304 and cached:
                return self._file
            start, total = self._expected(response, resumable.size)
            self._receive(response, start, total, progress)
        return self._keep()

    def _cached(self) -> _Version | None:
        """Return the version of the complete file, None if it is missing or has another size."""
        version = _Version.load(self._file_version)
        return version if _size(self._file) == version.size > 0 else None

    def _resumable(self) -> _Version:
        """Return the version of the part, with size 0 if it cannot be resumed."""
        version = _Version.load(self._part_version)
        return replace(version, size=_size(self._part) if version.for_range else 0)

    def _expected(self, response: requests.Response, offset: int) -> tuple[int, int | None]:
        """Return the offset of the body in the file, and the file's size if the server sends it."""
        status = response.status_code
        if status in (206, 416):
            said = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if status == 206 and said and int(said[1]) == offset:
                return offset, int(said[2])
            self._drop_part()
            raise _CutOffError("the server cannot resume")
        answered = f"the server answered {status} {response.reason or ''}".rstrip()
        if status in _PASSING_STATUS:
            raise _CutOffError(answered)
        if status != 200:
            raise self._refusal(answered)
        encoding = response.headers.get("Content-Encoding", "identity")
        # Some servers name the compression of a .tar.gz as an encoding. The bytes are the file.
        if encoding != "identity" and self._file.suffix not in (".gz", ".tgz"):
            raise self._refusal(
                f"the server sent it with Content-Encoding {encoding}, expected identity"
            )
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if _LENGTH.fullmatch(length) else None

    def _receive(
        self, response: requests.Response, start: int, total: int | None, progress: bool
    ) -> None:
        if not start:
            self._drop_part()
        self._check(start, (total or 0) - start)
        if not start:
            etag, modified = (response.headers.get(each, "") for each in ("ETag", "Last-Modified"))
            _Version(etag, modified).save(self._part_version)
        try:
            with bar(self._file.name, start, total, progress) as advance:
                size = self._write(response, start, advance)
        except (ModelFetchError, OSError) as error:
            # The part is removed to free the disk for other programs.
            self._drop_part()
            if isinstance(error, OSError):  # a write names no file
                said = f"cannot be stored in {self._part.parent}: {error.strerror}"
                raise self._refusal(said) from error
            raise
        if total is not None and size != total:
            raise _CutOffError(f"{size} bytes arrived of {total}")

    def _write(
        self, response: requests.Response, size: int, advance: Callable[[float], None]
    ) -> int:
        """Append the body to the `size` bytes of the part, and return the new size."""
        with open(self._part, "ab") as file:
            try:
                for piece in response.raw.stream(_PIECE, decode_content=False):
                    self._check(size, len(piece))
                    size += len(piece)
                    file.write(piece)
                    advance(len(piece))
            except HTTPError:
                raise _CutOffError(f"the connection was cut off after {size} bytes") from None
        return size

    def _check(self, there: int, more: int) -> None:
        """Refuse `more` bytes beyond MAX_SIZE, or beyond the free space of the disk."""
        if there + more > MAX_SIZE:
            self._drop_part()
            raise self._refusal(f"is larger than the {MAX_SIZE} bytes that are allowed")
        if lack := self._room.lacks(more):
            raise self._refusal(lack)

    def _keep(self) -> Path:
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        version = replace(_Version.load(self._part_version), size=_size(self._part))
        self._part.replace(self._file)
        version.save(self._file_version)
        self._part_version.unlink()
        return self._file

    def _drop_part(self) -> None:
        self._part.unlink(missing_ok=True)
        self._part_version.unlink(missing_ok=True)

    def _refusal(self, reason: str) -> ModelFetchError:
        return ModelFetchError(f"{self._shown}: {reason}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: requests.RequestException) -> str:
    """Return the reason of an error, without its text, which contains the URL and its secrets."""
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"no connection: {cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return f"cannot be fetched ({type(error).__name__})"
