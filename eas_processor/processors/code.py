"""Copies the code of a custom processor to a directory that is named by its content."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from eas_processor.config import LoadedService
from eas_processor.errors import ModelFetchError
from eas_processor.home import home, private_directory
from eas_processor.model_store.fetch import is_local, locate, reason
from eas_processor.model_store.store import short_hash
from eas_processor.model_store.unpack import is_archive, unpack
from eas_processor.model_store.versions import keep_version
from eas_processor.processors.entry import Kind, find_entry_file

# Leftovers of tools, which no processor reads.
_LEFT_BY_TOOLS = shutil.ignore_patterns(".git", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class Code:
    """A custom processor on this machine: its directory, the file to load, and its kind."""

    directory: Path
    entry: Path
    kind: Kind


def keep_code(loaded: LoadedService) -> Code:
    """
    Fetch and copy the custom processor of a service file.

    The copy makes sure that an instance that starts later runs the same code as the others. It
    exists at least until this process ends. Raises ModelFetchError.
    """
    service = loaded.service
    key = "processor_path"
    try:
        source = locate(service.processor_path, loaded, progress=True)
        # A directory in an object store has another local path for each version.
        name = source.resolve() if is_local(service.processor_path) else service.processor_path
        versions = private_directory("processors", short_hash(name))
        directory = keep_version(versions, lambda draft: _copy(source, draft))
        key = "processor_entry"
        entry, kind = find_entry_file(directory, service.processor_entry, service.processor_type)
    except ModelFetchError as error:
        raise ModelFetchError(f"{loaded.path}: {key}: {error}") from error
    except OSError as error:
        raise ModelFetchError(f"{loaded.path}: {key}: {reason(error)}") from error
    return Code(directory, entry, kind)


def _copy(source: Path, draft: Path) -> str:
    """Copy the processor to `draft`, and return the hash of its content."""
    if source.is_dir():
        shutil.copytree(source, draft, ignore=_left_out, dirs_exist_ok=True)
    elif source.suffix not in (".py", ".so") and is_archive(source):
        draft.rmdir()
        unpack(source, draft)
    else:
        shutil.copy2(source, draft)
    return _content_hash(draft)


def _left_out(directory: str, names: list[str]) -> set[str]:
    """Return the names in `directory` that are not copied."""
    others = {name for name in names if not _is_code(Path(directory, name))}
    return others | _LEFT_BY_TOOLS(directory, names)


def _is_code(path: Path) -> bool:
    if not path.is_dir():
        return path.is_file()  # neither a pipe nor a broken link
    # This file marks a virtual environment.
    if (path / "pyvenv.cfg").exists():
        return False
    # Copying the data directory, or a link to a parent, would never end.
    real = path.resolve()
    return real != home().resolve() and not path.parent.resolve().is_relative_to(real)


def _content_hash(directory: Path) -> str:
    found = hashlib.sha256()
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = Path(parent, name)
            found.update(f"{path.relative_to(directory)}\0".encode(errors="surrogateescape"))
            with open(path, "rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]
