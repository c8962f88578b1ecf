"""Keeps a local copy of an object or a directory: fetches changed objects, resumes downloads."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from eas_processor.errors import ModelFetchError
from eas_processor.home import private_directory
from eas_processor.model_store.free_space import FreeSpace
from eas_processor.model_store.objects.bucket import Bucket, Found
from eas_processor.model_store.objects.failures import ChangedError, UnreachableError
from eas_processor.model_store.objects.threads import Stop, each_in_threads, in_thread
from eas_processor.model_store.progress import bar
from eas_processor.model_store.store import locked, short_hash
from eas_processor.model_store.versions import keep_version
from eas_processor.whole_file import write_whole

MAX_SIZE = 64 * 2**30
TRIES = 5
FIRST_PAUSE = 0.5  # seconds; doubles with each attempt that receives nothing


class Listing(NamedTuple):
    """The objects at an address at one moment."""

    is_directory: bool
    objects: list[Found]


def bring(bucket: Bucket, *, progress: bool, note: Callable[[str], None]) -> Path:
    """Return the path of an up-to-date local copy. Raises ModelFetchError."""
    where = str(bucket.address), bucket.access.endpoint
    directory = private_directory("downloads", short_hash(*where))
    with locked(directory / "lock"):
        try:
            return _Copy(bucket, directory).run(progress, note)
        except OSError as error:
            raise bucket.address.refusal(
                f"cannot be stored in {directory}: {error.strerror}"
            ) from error


class _Copy:
    """
    The copy of one address in its directory.

    `objects/` has a file for each version of each object, named `.part` until it is complete.
    `listing.json` lists the files of the last complete copy.
    """

    def __init__(self, bucket: Bucket, directory: Path) -> None:
        self._bucket = bucket
        self._directory = directory
        self._files = directory / "objects"
        self._files.mkdir(mode=0o700, exist_ok=True)
        self._listing = directory / "listing.json"
        self._room = FreeSpace(directory)

    def run(self, progress: bool, note: Callable[[str], None]) -> Path:
        fruitless, furthest = 0, self._arrived()
        while fruitless < TRIES:
            if fruitless:
                time.sleep(FIRST_PAUSE * 2 ** (fruitless - 1))
            try:
                return self._try(progress)
            except UnreachableError as error:
                reason = str(error)
            # A long download may be cut off often, as long as each attempt makes progress.
            arrived = self._arrived()
            fruitless = 0 if arrived > furthest else fruitless + 1
            furthest = max(furthest, arrived)
        kept = self._kept()
        if kept is None:
            raise self._refusal(f"{reason} ({TRIES} tries)")
        note(f"{self._bucket.address}: {reason}; the copy fetched earlier is used")
        return self._place(kept)

    def _try(self, progress: bool) -> Path:
        listing = Listing(*in_thread(self._bucket.find))
        missing = [each for each in listing.objects if not self._is_here(each)]
        total = sum(each.size for each in listing.objects)
        here = sum(min(_size(_part(self._file(each))), each.size) for each in missing)
        left = sum(each.size for each in missing) - here
        if total > MAX_SIZE:
            raise self._refusal(f"is larger than the {MAX_SIZE} bytes that are allowed")
        if lack := self._room.lacks(left):
            raise self._refusal(lack)
        name = self._bucket.address.key.rstrip("/").rpartition("/")[2]
        if missing:
            with bar(name or self._bucket.address.bucket, total - left, total, progress) as done:
                each_in_threads(missing, lambda each, stop: self._fetch(each, done, stop))
        content = {"is_directory": listing.is_directory, "objects": listing.objects}
        write_whole(self._listing, json.dumps(content).encode())
        needed = {self._file(each).name for each in listing.objects}
        for file in self._files.iterdir():
            if file.name not in needed:
                file.unlink()
        return self._place(listing)

    def _fetch(self, found: Found, done: Callable[[float], None], stop: Stop) -> None:
        part = _part(self._file(found))
        if not found.condition or _size(part) > found.size:
            part.unlink(missing_ok=True)
        size = _size(part)
        try:
            with open(part, "ab") as file:
                for piece in self._bucket.read(found, size) if size < found.size else ():
                    if stop.is_set():
                        return
                    if lack := self._room.lacks(len(piece)):
                        raise self._refusal(lack)
                    file.write(piece)
                    size += len(piece)
                    done(len(piece))
        except (ModelFetchError, OSError, ChangedError):
            # The part is removed to free the disk for other programs.
            part.unlink(missing_ok=True)
            raise
        if size != found.size:
            raise UnreachableError(f"{size} bytes arrived of {found.size}")
        part.replace(self._file(found))

    def _place(self, listing: Listing) -> Path:
        """Return the path of a file or directory that consists of hard links to the objects."""
        if listing.is_directory:
            versions = private_directory("models", short_hash("objects", self._directory))
            return keep_version(versions, lambda draft: self._fill(draft, versions, listing))
        (found,) = listing.objects
        target = self._directory / "content" / found.name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if not target.exists() or not target.samefile(self._file(found)):
            draft = self._directory / "content.new"
            draft.unlink(missing_ok=True)
            os.link(self._file(found), draft)
            draft.replace(target)
        return target

    def _fill(self, draft: Path, versions: Path, listing: Listing) -> str:
        name = short_hash(*((each.name, each.size, each.version) for each in listing.objects))
        if not (versions / name).is_dir():
            for each in listing.objects:
                target = draft / each.name
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(self._file(each), target)
        return name

    def _kept(self) -> Listing | None:
        """Return the listing of the last complete copy, None if files of it are missing."""
        try:
            content = json.loads(self._listing.read_text())
            objects = [Found(*each) for each in content["objects"]]
            listing = Listing(content["is_directory"], objects)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        return listing if objects and all(map(self._is_here, objects)) else None

    def _is_here(self, found: Found) -> bool:
        file = self._file(found)
        return file.exists() and file.stat().st_size == found.size

    def _file(self, found: Found) -> Path:
        return self._files / short_hash(found.key, found.size, found.version)

    def _arrived(self) -> int:
        return sum(_size(file) for file in self._files.iterdir())

    def _refusal(self, reason: str) -> ModelFetchError:
        return self._bucket.address.refusal(reason)


def _part(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
