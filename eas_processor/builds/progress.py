"""The progress bar of a build or an environment that is being made."""

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
    Draw how much of a build is there on a terminal; give nothing to call elsewhere.

    Instead of a build's entry it may be a name: of what will be of an unknown size.
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
            # What the cache already has is linked, not written, so that a bar may end early.
            shown = min(megabytes, size * 0.99)
            bar.update(task, completed=shown, said=f"{megabytes:,.0f} of about {size:,} MB")

        yield show
