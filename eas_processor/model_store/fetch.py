"""Fetches the model of a service file, so that a worker can load it from a local path."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from eas_processor.config.reading import LoadedService
from eas_processor.errors import ModelFetchError
from eas_processor.home import private_directory
from eas_processor.model_store.content import facts_of, hash_of_file
from eas_processor.model_store.download import check_url, download
from eas_processor.model_store.objects import SCHEMES, check_objects, fetch_objects
from eas_processor.model_store.objects.access import Hints
from eas_processor.model_store.store import locked, short_hash
from eas_processor.model_store.unpack import is_archive, unpack
from eas_processor.model_store.versions import keep_only

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LISTED = 10
_COPY = {"hdfs": " with `hdfs dfs -get`"}


def fetch_model(loaded: LoadedService, *, progress: bool = True) -> Path:
    """
    Return the absolute local path of the model entry, downloaded and unpacked if needed.

    `progress` draws a bar if stderr is a terminal. If an older copy is used, a line is added to
    `loaded.notes`. A model that was copied is kept at least until this process ends. Raises
    ModelFetchError.
    """
    named = loaded.service.model_path
    with _refusals(loaded, "model_path"):
        source = locate(named, loaded, progress=progress)
        model = _model_in(source, in_place=is_local(named), progress=progress)
    with _refusals(loaded, "model_entry"):
        return _entry(model, loaded.service.model_entry)


def check_model(loaded: LoadedService) -> None:
    """
    Check the paths of the model, without fetching or unpacking anything. Raises ModelFetchError.
    """
    service = loaded.service
    with _refusals(loaded, "model_path"):
        model = find_local(service.model_path, loaded)
        is_here = model is not None and not (model.is_file() and is_archive(model))
    with _refusals(loaded, "model_entry"):
        if model is not None and is_here:
            _entry(model, service.model_entry)
        else:
            _inside(service.model_entry)


@contextmanager
def _refusals(loaded: LoadedService, key: str) -> Iterator[None]:
    """Put the file and the key before every error."""
    try:
        yield
    except ModelFetchError as error:
        raise ModelFetchError(f"{loaded.path}: {key}: {error}") from error
    except OSError as error:
        raise ModelFetchError(f"{loaded.path}: {key}: {reason(error)}") from error


def locate(named: str, loaded: LoadedService, *, progress: bool) -> Path:
    """Return the absolute local path of `named`, fetched if needed. Raises ModelFetchError."""
    local = find_local(named, loaded)
    if local is not None:
        return local
    if _scheme_of(named) in SCHEMES:
        hints = _hints(loaded)
        return fetch_objects(named, hints, progress=progress, note=loaded.notes.append)
    return download(named, progress=progress, note=loaded.notes.append)


def is_local(named: str) -> bool:
    """Tell whether `named` is a path or a file:// URL."""
    return _scheme_of(named) in ("", "file")


def find_local(named: str, loaded: LoadedService) -> Path | None:
    """
    Return the absolute local path of `named`, None for a URL that can be fetched.

    Raises ModelFetchError if the path does not exist or the URL is not supported.
    """
    scheme = _scheme_of(named)
    if scheme in ("", "file"):
        path = path_of(named, loaded.path.parent)
        if not path.exists():
            raise ModelFetchError(f"{path} does not exist{_how_to_make(path)}")
        return path
    if scheme in ("http", "https"):
        check_url(named)
    elif scheme in SCHEMES:
        check_objects(named, _hints(loaded))
    else:
        stores = ", ".join(f"{each}://" for each in SCHEMES)
        raise ModelFetchError(
            f"{scheme}:// is not supported: copy it{_COPY.get(scheme, '')} and give the local "
            f"path, or use {stores} or http(s)://"
        )
    return None


def path_of(named: str, directory: Path) -> Path:
    """Return the absolute path of a path relative to `directory`, or of a file:// URL."""
    if not _scheme_of(named):
        return Path(os.path.abspath(directory / os.path.expanduser(named)))
    host, slash, path = named.partition("://")[2].partition("/")
    if host not in ("", "localhost") or not slash:
        raise ModelFetchError(f"expected file:///absolute/path, got {named!r}")
    return Path(os.path.abspath(f"/{unquote(path)}"))


def _scheme_of(named: str) -> str:
    """Return the scheme of a URL in lower case, '' for a path."""
    scheme = _SCHEME.match(named)
    return scheme[1].lower() if scheme else ""


def _hints(loaded: LoadedService) -> Hints:
    service = loaded.service
    return Hints(service.oss_endpoint, str(service.metadata.region or ""))


def _how_to_make(path: Path) -> str:
    """Return a hint for the path of an example's model or of a checkpoint, else ''."""
    if path.with_name(f"{path.name}.index").exists():
        return ": it is the name of a checkpoint, and docs/exporting.md shows how to export a model"
    program = path.parent.parent / "train.py"
    if path.parent.name == "build" and program.is_file():
        return f"; `python {program}` makes it"
    return ""


def reason(error: OSError) -> str:
    """Return the system's message, with the name of the file if it is known."""
    said = error.strerror or str(error)
    return f"{error.filename}: {said}" if error.filename else said


def _model_in(source: Path, *, in_place: bool, progress: bool) -> Path:
    """Return the model at `source`, unpacked if it is an archive, copied unless `in_place`."""
    if source.is_file():
        if is_archive(source):
            return _version(source, unpack, progress=progress)
        if not in_place:
            # The next download replaces the file, and workers may still load this version.
            return _version(source, _link, progress=progress) / source.name
    return source


def _version(source: Path, make: Callable[[Path, Path], None], *, progress: bool) -> Path:
    """Return the directory that `make` fills from the file `source`, once for each content."""
    versions = private_directory("models", short_hash(source))
    with locked(versions / "lock"):
        before = facts_of(source)
        target = versions / hash_of_file(source, progress=progress)
        is_new = not target.is_dir()
        if is_new:
            make(source, target)
        if facts_of(source)[:-1] != before[:-1]:  # a new hard link changes `ctime_ns`
            if is_new:
                shutil.rmtree(target)
            raise ModelFetchError(f"{source} was changed while it was read; try again")
        keep_only(versions, target)
    return target


def _link(source: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # a killed process leaves one behind
    draft.mkdir(mode=0o700)
    os.link(source, draft / source.name)
    draft.rename(target)


def _entry(model: Path, named: str) -> Path:
    relative = _inside(named)
    if relative == "." or (model.is_file() and relative == model.name):
        return model
    entry = model / relative
    if not entry.exists():
        raise ModelFetchError(f"{named!r} is not in the model, which is {_contents(model)}")
    return entry


def _inside(named: str) -> str:
    """Return the path of an entry relative to the model. Raises ModelFetchError."""
    relative = os.path.normpath(named) if named else "."
    if os.path.isabs(relative) or relative.split(os.sep)[0] == os.pardir:
        raise ModelFetchError(f"{named!r} is outside the model, expected a path inside it")
    return relative


def _contents(model: Path) -> str:
    if model.is_file():
        return f"the one file {model.name}"
    names = sorted(f"{each.name}/" if each.is_dir() else each.name for each in model.iterdir())
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"a directory of {', '.join(names[:_LISTED]) or 'nothing'}{more}"
