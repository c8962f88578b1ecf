"""`eascmd build`: make, check, export, adopt or remove the named builds."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

from eas_processor.builds.adopt import adopt
from eas_processor.builds.catalogue import ENTRIES, Entry, find_entry
from eas_processor.builds.check import check
from eas_processor.builds.export import export
from eas_processor.builds.extended import extend
from eas_processor.builds.find import is_own
from eas_processor.builds.gpu import lacks_linked_libraries
from eas_processor.builds.installed import find_installed
from eas_processor.builds.progress import progress_bar
from eas_processor.builds.provision import (
    lock_of,
    provision,
    refuse_without_cuda_wheels,
    remove,
)
from eas_processor.builds.wheels import collect
from eas_processor.errors import BuildError


def build(arguments: argparse.Namespace) -> None:
    """Make, check, export or remove the builds. Raises SetupError."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    entries = _entries(arguments)
    if arguments.output is not None and len(entries) > 1:
        raise BuildError("build: --output takes one build at a time, each into its own directory")
    if arguments.use is not None and len(entries) > 1:
        raise BuildError("build: --use takes one build at a time, each from its own environment")
    for entry in entries:
        if arguments.output is not None:
            _export(entry, arguments)
        elif arguments.use is not None:
            _use(entry, arguments)
        elif arguments.remove:
            _remove(entry)
        else:
            _make(entry, arguments)
            if arguments.check:
                _check(entry)


def _entries(arguments: argparse.Namespace) -> list[Entry]:
    entries = [find_entry(name) for name in arguments.names]
    if arguments.all_cpu:
        entries += [entry for entry in ENTRIES if not entry.gpu and entry not in entries]
    entries = [extend(entry, arguments.packages) for entry in entries]
    if not entries:
        raise BuildError("build: name a build, such as tensorflow_cpu_1.15, or give --all-cpu")
    return entries


def _export(entry: Entry, arguments: argparse.Namespace) -> None:
    output, wheels = arguments.output.absolute(), arguments.wheels
    refuse_without_cuda_wheels(entry, with_cuda=arguments.with_cuda)
    lock = lock_of(entry)
    export(entry, output, with_cuda=arguments.with_cuda)
    print(f"{entry.name}: written to {output}")
    if wheels is None:
        return
    locks = [lock, entry.cuda_lock if arguments.with_cuda else None]
    with progress_bar(entry) as progress:
        files = sum(collect(entry, each, wheels.absolute(), progress) for each in locks if each)
    print(f"{entry.name}: {wheels} has its {files} files")


def _use(entry: Entry, arguments: argparse.Namespace) -> None:
    adopt(entry, arguments.use, _print_line, with_cuda=arguments.with_cuda)
    print(f"{entry.name}: is {arguments.use.absolute()} from now on")


def _remove(entry: Entry) -> None:
    if remove(entry):
        print(f"{entry.name}: removed")
    else:
        print(f"{entry.name}: is not installed")


def _check(entry: Entry) -> None:
    found = find_installed(entry)
    if found is None:
        check(entry, Path(sys.executable), None, _print_line)
        return
    if why := lacks_linked_libraries(entry, found):
        raise BuildError(why)
    check(entry, found.python, entry.lock, _print_line)


def _print_line(line: str) -> None:
    print(f"  {line}", flush=True)


def _make(entry: Entry, arguments: argparse.Namespace) -> None:
    found = find_installed(entry)
    if is_own(entry) and found is None and arguments.wheels is None:
        print(f"{entry.name}: is installed with eascmd")
        return
    start = time.monotonic()
    with progress_bar(entry) as progress:
        made = provision(
            entry,
            with_cuda=arguments.with_cuda,
            wheels=arguments.wheels,
            fetch_python=arguments.fetch_python,
            progress=progress,
        )
    if found == made:
        print(f"{entry.name}: is installed ({made.size / 1e6:,.0f} MB)")
    else:
        seconds = time.monotonic() - start
        print(f"{entry.name}: ready after {seconds:.1f} s ({made.size / 1e6:,.0f} MB)")
    if (why := lacks_linked_libraries(entry, made)) and not arguments.check:
        print(f"{entry.name}: cannot be imported here: {why}")
