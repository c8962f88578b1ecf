"""The progress bar of downloads and of reading large files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn


@contextmanager
def bar(
    name: str, start: int, total: int | None, progress: bool
) -> Iterator[Callable[[float], None]]:
    """
    Draw a bar on stderr, if that is a terminal and `progress` is set.

    Yields a function that adds a number of bytes. `start` of `total` bytes are done already;
    `total` is None if it is not known.
    """
    console = Console(stderr=True)
    if not (progress and console.is_terminal):
        yield lambda amount: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name, total=total, completed=start)
        yield lambda amount: bars.advance(task, amount)
