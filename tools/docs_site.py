"""Gathers the pages of the documentation site in build/docs, for `make docs`."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "docs"
_ALSO = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Pages that lie beside docs/, and their names on the site."""
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#)([^)\s]+)\)")


def gather(pages: Path) -> None:
    """Write every page of the site to the directory `pages`, which is made anew."""
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    for source in sorted((ROOT / "docs").iterdir()):
        if source.suffix == ".md":
            (pages / source.name).write_text(_on_the_site(source), "utf-8")
        elif source.is_file():
            shutil.copy(source, pages / source.name)
    for name, page in _ALSO.items():
        (pages / page).write_text(_on_the_site(ROOT / name), "utf-8")
    (pages / "commands.md").write_text(commands_page(), "utf-8")


def _on_the_site(source: Path) -> str:
    """Return the text of a page; a link to what is not on the site becomes its text."""

    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, _, anchor = target.partition("#")
        where = (source.parent / path).resolve()
        name = _ALSO.get(where.name) if where.parent == ROOT else None
        if where.parent == ROOT / "docs":
            name = where.name
        if name is None:
            return text
        return f"[{text}]({name}{'#' + anchor if anchor else ''})"

    return _LINK.sub(link, source.read_text("utf-8"))


def commands_page() -> str:
    """Return the page of `eascmd`'s commands, with the help of each."""
    os.environ["COLUMNS"] = "88"
    os.environ["NO_COLOR"] = "1"
    from eas_processor.cli.parser import make_parser

    parser = make_parser()
    parts = [
        "# Commands\n",
        "What `eascmd help` and `eascmd help COMMAND` print.\n",
        _shown(parser),
    ]
    for name, command in parser.commands.items():
        parts += [f"## eascmd {name}\n", _shown(command)]
    return "\n".join(parts)


def _shown(parser: object) -> str:
    text: str = parser.format_help()  # type: ignore[attr-defined]
    return f"```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    gather(PAGES)
