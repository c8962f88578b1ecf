"""`eascmd --version`: this release and, with the extra `server`, the parts of the engine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from eas_processor import __version__


class VersionAction(argparse.Action):
    """Prints the version and ends."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(
            option_strings,
            dest,
            nargs=0,
            help="print the versions of eascmd, Python, the link and the builds",
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print_version()
        parser.exit()


def print_version() -> None:
    """Print the release. A client-only installation knows nothing else."""
    print(f"eascmd {__version__}")
    try:
        from eas_processor.app.about import about

        parts = about()
    except ImportError:
        return
    for name, value in parts.items():
        print(f"{name} {value}")
