"""The commands of `eascmd` and their options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eas_processor.cli import runners
from eas_processor.cli.completion import SHELLS
from eas_processor.cli.option_types import amount, host, http_url, peers, port, positive, share
from eas_processor.cli.predict_options import add_commands
from eas_processor.cli.processor_options import add_processor
from eas_processor.cli.saved_model_options import add_show_options
from eas_processor.cli.usage import Parser
from eas_processor.cli.version import VersionAction

_DESCRIPTION = "An open, self-hosted Elastic Algorithm Service for TensorFlow models."


def make_parser() -> Parser:
    """Return the parser; what it returns has `run`, which takes the namespace."""
    parser = Parser(prog="eascmd", description=_DESCRIPTION)
    parser.add_argument("--version", action=VersionAction)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in (
        ("serve", "serve service files until SIGTERM or Ctrl-C"),
        ("test", "the same as serve"),
    ):
        _add_serve(commands.add_parser(name, help=text))
    inspect = commands.add_parser("inspect", help="show what a model takes and returns")
    inspect.add_argument(
        "path",
        type=Path,
        nargs="?",
        metavar="PATH",
        help="a SavedModel directory or a frozen graph (.pb)",
    )
    inspect.add_argument("--json", action="store_true", help="print JSON")
    add_show_options(inspect)
    inspect.set_defaults(run=runners.run_inspect, usage_error=inspect.error)
    builds = commands.add_parser("builds", help="list the processor builds")
    builds.add_argument("--json", action="store_true", help="print JSON")
    builds.set_defaults(run=runners.run_builds)
    _add_build(
        commands.add_parser("build", help="make, check, write out or remove processor builds")
    )
    _add_bench(commands.add_parser("bench", help="load an endpoint and show how it does"))
    add_commands(commands)
    _add_admin(commands)
    add_processor(commands)
    schema = commands.add_parser("schema", help="print the JSON Schema of a service file")
    schema.set_defaults(run=runners.run_schema)
    _add_completion(commands)
    return parser


def _add_completion(commands: Any) -> None:
    text = "print what completes commands in a shell, or install it"
    parser = commands.add_parser("completion", help=text)
    parser.add_argument(
        "shell", nargs="?", choices=SHELLS, help="the shell; by default the one that SHELL names"
    )
    parser.add_argument(
        "--install", action="store_true", help="write it to where the shell looks for it"
    )
    parser.set_defaults(run=runners.run_completion, usage_error=parser.error)


def _add_admin(commands: Any) -> None:
    for name, text in (
        ("reload", "let a running service read its file again: new model, build, limits"),
        ("rollback", "let a running service go back to the version before"),
        ("w", "list the services that run here, or the instances of one"),
    ):
        parser = commands.add_parser(name, help=text)
        lists = name == "w"
        parser.add_argument(
            "service",
            type=Path,
            nargs="?" if lists else None,
            metavar="SERVICE",
            help="its service file, or its name" + ("; without one, all services" if lists else ""),
        )
        parser.set_defaults(run=runners.run_change, what=name)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=runners.run_instances)


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as tensorflow_cpu_1.15")
    parser.add_argument("--all-cpu", action="store_true", help="every build for the CPU")
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="packages",
        metavar="PACKAGE",
        help="and a package, such as tensorflow_text, of the version that fits; repeatable",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="make it and run its self-test")
    action.add_argument("--remove", action="store_true", help="remove it from this machine")
    action.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write what pip needs to make it on another machine, and make nothing here",
    )
    action.add_argument(
        "--use",
        type=Path,
        metavar="ENV",
        help="take this virtual environment, which pip made from what --output has written",
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="take the packages from this directory, not from the index; with --output, fill it",
    )
    parser.add_argument(
        "--with-cuda", action="store_true", help="with its CUDA libraries, where they are wheels"
    )
    parser.add_argument(
        "--fetch-python",
        action="store_true",
        help="let uv download a Python (3.8 or newer) where none is installed",
    )
    parser.set_defaults(run=runners.run_build)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "services",
        type=Path,
        nargs="+",
        metavar="SERVICE",
        help="a service file, such as service.json, or a directory of them (*.json); or a model's "
        "directory of numbered versions, or a models.config of TensorFlow Serving",
    )
    parser.add_argument(
        "--host",
        type=host,
        default="127.0.0.1",
        help="address to listen on (default: this machine alone)",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8080,
        help="port to listen on; 0 takes a free one (default: 8080)",
    )
    parser.add_argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="serve HTTPS with this certificate chain (PEM); read again on a reload",
    )
    parser.add_argument(
        "--tls-key", type=Path, metavar="FILE", help="its key, if not in the same file (PEM)"
    )
    parser.add_argument(
        "--max-body", type=positive, default=64, metavar="MIB", help="largest body (default: 64)"
    )
    parser.add_argument(
        "--max-buffered",
        type=positive,
        default=512,
        metavar="MIB",
        help="bodies and unread answers held at a time (default: 512)",
    )
    parser.add_argument(
        "--max-connections",
        type=positive,
        default=10_000,
        metavar="N",
        help="most connections at a time, where the limit of open files allows it (default: 10000)",
    )
    parser.add_argument(
        "--idle-timeout",
        type=positive,
        default=650,
        metavar="S",
        help="close a connection without requests after S seconds; more than the balancer in front "
        "keeps it (default: 650)",
    )
    parser.add_argument(
        "--access-log",
        type=share,
        nargs="?",
        const=1.0,
        default=0.0,
        metavar="SHARE",
        help="log every answer, or a share of them such as 0.01 (default: none)",
    )
    parser.add_argument(
        "--traces",
        type=http_url,
        metavar="URL",
        help="send a span of each answer to this OpenTelemetry collector, such as "
        "http://localhost:4318 (default: none)",
    )
    parser.add_argument(
        "--admin-port",
        type=port,
        default=0,
        metavar="PORT",
        help="port of the admin routes, on 127.0.0.1 (default: a free one)",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="reload a service when its file or its model's newest version changes; services come "
        "and go with the files of a directory",
    )
    parser.add_argument(
        "--inline",
        action="store_true",
        help="run the model in the engine's process: quicker, but a crash of it ends the service",
    )
    parser.add_argument(
        "--peers",
        type=peers,
        default=(),
        metavar="HOST:PORT,...",
        help="engines that serve the same, for clients with a direct connection",
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens in detail")
    parser.set_defaults(run=runners.run_serve)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Load an endpoint; exit status 1 when it cannot be asked, or any request failed or "
        "could not be sent in time."
    )
    parser.add_argument(
        "endpoint", metavar="URL|SERVICE", help="where to send requests, or a service file to start"
    )
    add = parser.add_argument
    add("-c", "--connections", type=positive, default=1, metavar="N", help="default: 1")
    add(
        "--concurrency",
        type=positive,
        default=0,
        metavar="N",
        help="calls of gRPC in flight, over all connections (default: one on each)",
    )
    add("--rate", type=amount, default=0.0, metavar="R", help="start R requests/s (open loop)")
    add("-n", "--requests", type=positive, default=0, metavar="N", help="end after N requests")
    add("--duration", type=amount, metavar="S", help="seconds (default: 10, none with -n)")
    add("--warm-up", type=amount, default=1.0, metavar="S", help="not counted (default: 1)")
    add("--timeout", type=amount, default=30.0, metavar="S", help="for an answer (default: 30)")
    add(
        "--body",
        type=Path,
        metavar="FILE",
        help="a request as it is sent, or a .txt of requests in base64, one a line "
        "(default: the service file's warm-up file, else random data for the signature)",
    )
    add(
        "--inputs",
        default="",
        metavar="KEY=FILE;...",
        help="arrays for gRPC: a .npy file, or .npz[VARIABLE]",
    )
    add("--rows", type=positive, default=1, metavar="N", help="unknown dims of random data")
    add("--token", help="default: EAS_TOKEN, else the service file's")
    add("--content-type", default="application/octet-stream", help="default: %(default)s")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=runners.run_bench)
