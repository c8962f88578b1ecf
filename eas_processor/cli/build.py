"""`eascmd build`: what is asked for each of the builds that are named."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

from eas_processor.builds.catalogue import ENTRIES, Entry, find_entry
from eas_processor.builds.check import check
from eas_processor.builds.find import is_own
from eas_processor.builds.gpu import lacks_linked_libraries
from eas_processor.builds.installed import find_installed
from eas_processor.builds.provision import provision, remove
from eas_processor.cli.builds import progress_bar
from eas_processor.errors import BuildError


def build(arguments: argparse.Namespace) -> None:
    """Make, check, write out or remove the builds; raises SetupError."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for entry in _entries(arguments):
        if arguments.remove:
            _remove(entry)
        else:
            _make(entry, arguments)
            if arguments.check:
                _check(entry)


def _entries(arguments: argparse.Namespace) -> list[Entry]:
    entries = [find_entry(name) for name in arguments.names]
    if arguments.all_cpu:
        entries += [entry for entry in ENTRIES if not entry.gpu and entry not in entries]
    if not entries:
        raise BuildError("build: name a build, such as tensorflow_cpu_1.15, or give --all-cpu")
    return entries


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
        print(f"{entry.name}: made in {seconds:.1f} s ({made.size / 1e6:,.0f} MB)")
