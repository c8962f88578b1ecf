"""A reader of an example's README, who does what it says in a copy of the example."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docs.reader import ROOT, Reader

EXAMPLES = ROOT / "examples"


class ExampleReader(Reader):
    """Starts a server on the port of the page, and calls it with the token that it prints."""

    def leave_running(self, command: str) -> None:
        """Start a server; afterwards `TOKEN` and `EAS_TOKEN` are those of its service."""
        super().leave_running(command if "--port" in command else f"{command} --port 8080")
        made = list((self._directory / "home" / "tokens").iterdir())
        assert len(made) == 1, made
        token = made[0].read_text().strip()
        self._environment.update(TOKEN=token, EAS_TOKEN=token)

    @property
    def address(self) -> str:
        return self._here("http://127.0.0.1:8080")

    @property
    def token(self) -> str:
        return self._environment["TOKEN"]


@contextmanager
def followed(example: str, directory: Path) -> Iterator[ExampleReader]:
    """Follow the README of an example to its end; its service runs until the block ends."""
    copy = directory / example
    ignored = shutil.ignore_patterns("build", ".venv", "__pycache__")
    shutil.copytree(EXAMPLES / example, copy, ignore=ignored)
    reader = ExampleReader(copy)
    try:
        reader.follow(str(EXAMPLES / example / "README.md"))
        yield reader
    finally:
        status = reader.stop()
    assert status == 0
