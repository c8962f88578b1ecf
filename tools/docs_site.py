"""Gathers the pages of the documentation site in build/docs, for `make docs`."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_DOCS = ROOT / "docs"
PAGES = ROOT / "build" / "docs"
_ALSO = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Pages outside docs/, and their names on the site."""
_WORDS = re.compile(r"^(```\w+)(?: \w+)+(?= \w+=|$)", re.MULTILINE)
"""Words after the language of a code fence, which only tests read and the site does not accept."""
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#)([^)\s]+)\)")


def gather(pages: Path) -> None:
    """Write every page of the site to the directory `pages`, which is emptied first."""
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    for source in sorted(path for path in _DOCS.rglob("*") if path.is_file()):
        page = pages / source.relative_to(_DOCS)
        page.parent.mkdir(exist_ok=True)
        if source.suffix == ".md":
            page.write_text(_on_the_site(source), "utf-8")
        else:
            shutil.copy(source, page)
    for name, also in _ALSO.items():
        (pages / also).write_text(_on_the_site(ROOT / name), "utf-8")
    for name, page_text in (
        ("commands.md", commands_page),
        ("reference-keys.md", keys_page),
        ("reference-metrics.md", metrics_page),
        ("reference-statuses.md", statuses_page),
    ):
        (pages / name).write_text(page_text(), "utf-8")


def _on_the_site(source: Path) -> str:
    """Return the text of a page. A link to a file that is not on the site becomes plain text."""

    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, _, anchor = target.partition("#")
        page = _page_of((source.parent / path).resolve())
        if page is None:
            return text
        name = os.path.relpath(page, own_page.parent)
        return f"[{text}]({name}{'#' + anchor if anchor else ''})"

    own_page = _page_of(source) or Path()
    return _LINK.sub(link, _WORDS.sub(r"\1", source.read_text("utf-8")))


def _page_of(source: Path) -> Path | None:
    """Return the path of a file on the site, relative to its root, or None if it is not there."""
    if source.is_relative_to(_DOCS):
        return source.relative_to(_DOCS)
    if source.parent == ROOT and source.name in _ALSO:
        return Path(_ALSO[source.name])
    return None


def commands_page() -> str:
    """Return the page of `eascmd`'s commands, with the help of each."""
    os.environ["COLUMNS"] = "88"
    os.environ["NO_COLOR"] = "1"
    from eas_processor.cli.parser import make_parser

    parser = make_parser()
    parts = [
        "# Commands\n",
        "This is the output of `eascmd help` and of `eascmd help COMMAND`.\n",
        _shown(parser),
    ]
    for name, command in all_commands(parser):
        parts += [f"## eascmd {name}\n", _shown(command)]
    return "\n".join(parts)


def all_commands(parser: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and the parser of each command, and of the commands below it."""
    for name, command in parser.commands.items():
        yield name, command
        yield from ((f"{name} {below}", each) for below, each in all_commands(command))


def _shown(parser: object) -> str:
    text: str = parser.format_help()  # type: ignore[attr-defined]
    return f"```text\n{text.rstrip()}\n```\n"


def keys_page() -> str:
    """Return the page of every key that a service file can have."""
    from eas_processor.config.keys import KEYS
    from eas_processor.config.schema import Effect, Service

    effects = {
        Effect.USED: "",
        Effect.ADVISORY: "Advisory.",
        Effect.CLOUD: "For the vendor's cloud only.",
        Effect.LATER: "Not yet.",
        Effect.NONE: "No effect.",
    }
    unset = Service(name="")
    rows = []
    for path, key in KEYS.items():
        if not key.children:
            default: object = unset
            for name in path.split("."):
                default = getattr(default, name)
            rows.append(
                (
                    f"`{path}`",
                    "any" if key.takes_object else key.expected,
                    "not set" if default in (None, "", []) else f"`{json.dumps(default)}`",
                    f"{key.description} {effects[key.effect]}".strip(),
                )
            )
    return "\n".join(
        [
            "# Keys of the service file\n",
            "Every key of the schema.",
            "[The service file](configuration.md) explains how they work together.\n",
            *_table(("key", "type", "default", "meaning"), rows),
        ]
    )


def metrics_page() -> str:
    """Return the page of every metric."""
    rows = ((f"`{name}`", kind, _in_code(labels), text) for name, kind, labels, text in metrics())
    return "\n".join(
        [
            "# Metrics\n",
            "Every metric of `/metrics`, with its labels.",
            "[Server behaviour](server-behaviour.md#metrics) says who may read them.\n",
            *_table(("name", "kind", "labels", "meaning"), rows),
        ]
    )


def metrics() -> Iterator[tuple[str, str, list[str], str]]:
    """Yield name, kind, labels and help of each metric, as a server with one service has them."""
    from eas_processor.contracts.counters import ServiceMetrics
    from eas_processor.contracts.settings import EngineSettings
    from eas_processor.frontends.admin import AdminServer
    from eas_processor.frontends.http.server import HttpServer
    from eas_processor.frontends.http.tls import Tls
    from eas_processor.frontends.metrics import ServiceSample, exposition
    from eas_processor.frontends.router import Router
    from eas_processor.serving.registry import Registry

    gauges = {"in_flight": 0, "queue_length": 0, "instances_ready": 1}
    sample = ServiceSample({"service": "digits"}, ServiceMetrics(), gauges, {"ready": 1})
    sample.metrics.codes[200] += 1
    server = HttpServer(EngineSettings(), Router(Registry()))
    # Metrics of TLS and of the admin port need only these numbers, not files and an event loop.
    shown = SimpleNamespace(not_after=0.0, connections=0, dropped=0)
    also = [*AdminServer.metrics(shown), *Tls.metrics(shown)]  # type: ignore[arg-type]
    lines = list(exposition([sample], {401: 1}, [*server.metrics(), *also], {"digits": True}))
    for head, of_type in pairwise(lines):
        if head.startswith("# HELP "):
            _, _, name, text = head.split(" ", 3)
            kind = of_type.split(" ")[3]
            line_of = re.compile(rf"{name}(?:_count)?\{{(.*)\}}")
            found = next((each[1] for line in lines if (each := line_of.match(line))), "")
            yield name, kind, re.findall(r'(\w+)="', found), text


def _in_code(words: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in words)


def statuses_page() -> str:
    """Return the page of the outcomes of a call, with their numbers in each protocol."""
    from eas_processor.frontends import tfs_statuses as rest
    from eas_processor.frontends.eas import statuses as eas
    from eas_processor.frontends.grpc import statuses as grpc
    from eas_processor.link import codes

    meanings = dict(re.findall(r"^    ([A-Z_]+) +(.+)$", codes.__doc__ or "", re.MULTILINE))
    own = "the processor's own"
    rows = [
        (
            f"`{name}`",
            meanings[name].partition(":")[0],
            str(eas.STATUSES.get(code, own)),
            str(rest.STATUSES.get(code, own)),
            f"{grpc.STATUSES[code]} {rest.name_of(code)}",
        )
        for code, name in codes.NAMES.items()
    ]
    return "\n".join(
        [
            "# Statuses and codes\n",
            "The outcomes of a call, and their numbers in each protocol. HTTP has a few statuses",
            "of its own; [server behaviour](server-behaviour.md#statuses) has those too.",
            "[Find out why a request was refused](howto-refusals.md) says what to do.\n",
            *_table(("outcome", "meaning", "EAS", "REST", "gRPC"), rows),
        ]
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"
    yield ""


if __name__ == "__main__":
    gather(PAGES)
