"""The commands of `eascmd` and their options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eas_processor.cli import runners
from eas_processor.cli.bench_options import add_bench_options
from eas_processor.cli.completion import SHELLS
from eas_processor.cli.predict_options import add_commands
from eas_processor.cli.processor_options import add_processor
from eas_processor.cli.saved_model_options import add_show_options
from eas_processor.cli.serve_options import add_serve_options
from eas_processor.cli.usage import Parser
from eas_processor.cli.version import VersionAction

_DESCRIPTION = "An open, self-hosted Elastic Algorithm Service for TensorFlow models."


def make_parser() -> Parser:
    """Return the parser. Its namespaces have a function `run`, which takes the namespace."""
    parser = Parser(prog="eascmd", description=_DESCRIPTION)
    parser.add_argument("--version", action=VersionAction)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in (
        ("serve", "serve service files until SIGTERM or Ctrl-C"),
        ("test", "the same as serve"),
    ):
        add_serve_options(commands.add_parser(name, help=text))
    _add_inspect(commands)
    builds = commands.add_parser("builds", help="list the processor builds")
    builds.add_argument("--json", action="store_true", help="print JSON")
    builds.set_defaults(run=runners.run_builds)
    _add_build(commands.add_parser("build", help="make, check, export or remove processor builds"))
    add_bench_options(commands.add_parser("bench", help="measure the throughput of an endpoint"))
    add_commands(commands)
    _add_admin(commands)
    add_processor(commands)
    schema = commands.add_parser("schema", help="print the JSON Schema of a service file")
    schema.set_defaults(run=runners.run_schema)
    _add_completion(commands)
    return parser


def _add_completion(commands: Any) -> None:
    text = "print the completion script for a shell, or install it"
    parser = commands.add_parser("completion", help=text)
    parser.add_argument(
        "shell",
        nargs="?",
        choices=SHELLS,
        help="the shell (default: the one in the variable SHELL)",
    )
    parser.add_argument(
        "--install", action="store_true", help="write the script where the shell looks for it"
    )
    parser.set_defaults(run=runners.run_completion, usage_error=parser.error)


def _add_inspect(commands: Any) -> None:
    parser = commands.add_parser("inspect", help="show the inputs and outputs of a model")
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        metavar="PATH",
        help="a SavedModel directory or a frozen graph (.pb)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_show_options(parser)
    parser.set_defaults(run=runners.run_inspect, usage_error=parser.error)


def _add_admin(commands: Any) -> None:
    for name, text in (
        ("reload", "apply changes of a running service's file: model, build, limits, token"),
        ("rollback", "return a running service to its previous version"),
        ("w", "list the running services, or the instances of one"),
    ):
        parser = commands.add_parser(name, help=text)
        lists = name == "w"
        parser.add_argument(
            "service",
            type=Path,
            nargs="?" if lists else None,
            metavar="SERVICE",
            help="a service file or a name" + (" (default: all services)" if lists else ""),
        )
        parser.set_defaults(run=runners.run_change, what=name)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=runners.run_instances)


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a build, such as tensorflow_cpu_1.15"
    )
    parser.add_argument("--all-cpu", action="store_true", help="all builds for the CPU")
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="packages",
        metavar="PACKAGE",
        help="add a package, such as tensorflow_text, in a compatible version; can be repeated",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="make the build and run its self-test")
    action.add_argument("--remove", action="store_true", help="remove the build from this machine")
    action.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write the files with which pip makes the build on another machine",
    )
    action.add_argument(
        "--use",
        type=Path,
        metavar="ENV",
        help="use a virtual environment that pip made from the files of --output",
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="take packages from this directory, not from the index; --output fills it",
    )
    parser.add_argument(
        "--with-cuda",
        action="store_true",
        help="include the CUDA libraries, if they are available as wheels",
    )
    parser.add_argument(
        "--fetch-python",
        action="store_true",
        help="let uv download the Python of a build (3.8 or newer) if it is missing",
    )
    parser.set_defaults(run=runners.run_build)
