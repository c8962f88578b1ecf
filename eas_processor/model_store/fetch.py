"""From `model_path` and `model_entry` to a local path that a worker can load."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from eas_processor.config.reading import LoadedService
from eas_processor.errors import ModelFetchError
from eas_processor.home import private_directory
from eas_processor.model_store.download import download
from eas_processor.model_store.store import hold, is_held, locked, short_hash
from eas_processor.model_store.unpack import is_archive, unpack

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LISTED = 10


def fetch_model(loaded: LoadedService, *, progress: bool = True) -> Path:
    """
    Return the absolute local path of the model entry, downloaded and unpacked where needed.

    `progress` draws a bar on stderr where that is a terminal. When an older copy has to do, a line
    is added to `loaded.notes`. An unpacked model is kept at least until this process ends.
    Raises ModelFetchError.
    """
    key = "model_path"
    try:
        model = locate(loaded.service.model_path, loaded, progress=progress)
        if model.is_file() and is_archive(model):
            model = _unpacked(model)
        key = "model_entry"
        return _entry(model, loaded.service.model_entry)
    except ModelFetchError as error:
        raise ModelFetchError(f"{loaded.path}: {key}: {error}") from error
    except OSError as error:
        raise ModelFetchError(f"{loaded.path}: {key}: {reason(error)}") from error


def locate(named: str, loaded: LoadedService, *, progress: bool) -> Path:
    """Return the absolute local path of what the service file names; raises ModelFetchError."""
    scheme = _SCHEME.match(named)
    if scheme is None:
        path = Path(os.path.abspath(loaded.path.parent / os.path.expanduser(named)))
        if not path.exists():
            raise ModelFetchError(f"{path} does not exist{_how_to_make(path)}")
        return path
    if scheme[1].lower() in ("http", "https"):
        return download(named, progress=progress, note=loaded.notes.append)
    yet = " yet" if scheme[1].lower() == "oss" else ""
    raise ModelFetchError(
        f"{scheme[0]} is not supported{yet}: "
        "download it and give the local path, or give its http(s) URL"
    )


def _how_to_make(path: Path) -> str:
    """Return which command makes a model of our examples, '' for any other path."""
    program = path.parent.parent / "train.py"
    if path.parent.name == "build" and program.is_file():
        return f"; `python {program}` makes it"
    return ""


def reason(error: OSError) -> str:
    """Return what the system says, and of which file where it tells."""
    said = error.strerror or str(error)
    return f"{error.filename}: {said}" if error.filename else said


def _unpacked(archive: Path) -> Path:
    """Return the directory that holds the unpacked archive, made once for each version of it."""
    archive = archive.resolve()
    status = archive.stat()
    version = short_hash(status.st_size, status.st_mtime_ns)
    versions = private_directory("models", short_hash(archive))
    with locked(versions / "lock"):
        target = versions / version
        if not target.is_dir():
            unpack(archive, target)
        hold(_lock_of(target))
        for other in versions.iterdir():
            if other.is_dir() and other != target and not is_held(_lock_of(other)):
                shutil.rmtree(other)
                _lock_of(other).unlink()
    return target


def _lock_of(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")


def _entry(model: Path, named: str) -> Path:
    relative = os.path.normpath(named) if named else "."
    if os.path.isabs(relative) or relative.split(os.sep)[0] == os.pardir:
        raise ModelFetchError(f"{named!r} leads out of the model, expected a path inside it")
    if relative == "." or (model.is_file() and relative == model.name):
        return model
    entry = model / relative
    if not entry.exists():
        raise ModelFetchError(f"{named!r} is not in the model, which is {_contents(model)}")
    return entry


def _contents(model: Path) -> str:
    if model.is_file():
        return f"the one file {model.name}"
    names = sorted(f"{each.name}/" if each.is_dir() else each.name for each in model.iterdir())
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"a directory of {', '.join(names[:_LISTED]) or 'nothing'}{more}"
