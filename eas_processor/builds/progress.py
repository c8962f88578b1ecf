"""The progress bar while a build or an environment is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from eas_processor.builds.catalogue import Entry
from eas_processor.builds.uv import OnProgress


@contextlib.contextmanager
def progress_bar(made: Entry | str) -> Iterator[OnProgress | None]:
    """
    Draw on a terminal how much of a build exists. Without a terminal, yield nothing to call.

    A name instead of a build's entry means that the size is unknown.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    name, size = (made, None) if isinstance(made, str) else (made.name, made.size)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(name, total=size, said="")

        def show(megabytes: float) -> None:
            if size is None:
                bar.update(task, said=f"{megabytes:,.0f} MB")
                return
            # Files in the cache are linked and not written, so the bar may not reach its end.
            shown = min(megabytes, size * 0.99)
            bar.update(task, completed=shown, said=f"{megabytes:,.0f} of about {size:,} MB")

        yield show
