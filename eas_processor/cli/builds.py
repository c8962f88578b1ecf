"""`eascmd builds` lists the catalogue, and `eascmd build` makes a build of it."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from eas_processor.builds.catalogue import ALIASES, ENTRIES, Entry
from eas_processor.builds.extended import installed_extended
from eas_processor.builds.find import is_own
from eas_processor.builds.installed import find_installed


def print_builds(*, as_json: bool) -> None:
    """Print the catalogue."""
    rows = [_facts(entry) for entry in (*ENTRIES, *installed_extended())]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    table = Table(box=None, pad_edge=False)
    for title in ("name", "TensorFlow", "Python", "runs on", "installed"):
        table.add_column(title)
    table.add_column("size", justify="right")
    for row in rows:
        size = f"{row['size_mb']:,} MB"
        table.add_row(
            row["name"],
            row["tensorflow"],
            " ".join(row["python"]),
            f"GPU (CUDA {row['cuda']}, cuDNN {row['cudnn']})" if row["gpu"] else "CPU",
            row["installed"] or "no",
            # A missing build has an estimated size. The engine's own build has no second copy.
            size if row["installed"] == "yes" else f"about {size}",
        )
    console.print(table)
    for alias, name in sorted(ALIASES.items()):
        console.print(f"{alias} is {name}")


def _facts(entry: Entry) -> dict[str, Any]:
    found = find_installed(entry)
    installed = "yes" if found else "with eascmd" if is_own(entry) else ""
    return {
        "name": entry.name,
        "tensorflow": entry.tensorflow,
        "python": list(entry.pythons),
        "gpu": entry.gpu,
        "cuda": entry.cuda.version if entry.cuda else None,
        "cudnn": entry.cuda.cudnn if entry.cuda else None,
        "installed": installed,
        "directory": str(found.directory) if found else sys.prefix if installed else None,
        "size_mb": round(found.size / 1e6) if found else entry.size,
    }
