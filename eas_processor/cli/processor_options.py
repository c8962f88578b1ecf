"""The commands of `eascmd processor`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from eas_processor.cli.option_types import host, port
from eas_processor.errors import CallError


def add_processor(commands: Any) -> None:
    """Add `processor` to the parsers of commands."""
    parser = commands.add_parser("processor", help="create, test and run a custom processor")
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    new = below.add_parser("new", help="create a folder with a working processor")
    new.add_argument("directory", type=Path, metavar="FOLDER", help="a new or empty folder")
    new.set_defaults(run=_new)
    _add_test(below)
    _add_run(below)
    path = below.add_parser("path", help="print the PYTHONPATH for `import allspark`")
    path.set_defaults(run=_path)


def _add_test(below: Any) -> None:
    parser = below.add_parser("test", help="run the hooks with one request, without a service")
    add = parser.add_argument
    add("processor", type=Path, metavar="PROCESSOR", help="the directory or file of the processor")
    add("model", type=Path, nargs="?", metavar="MODEL", help="the model (default: that directory)")
    add("--entry", default="", help="the file to load, as processor_entry")
    add("--config", default="", metavar="TEXT", help="the text of model_config")
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--body", type=Path, metavar="FILE", help="a file with the request's body")
    body.add_argument("--data", metavar="TEXT", help="the request's body as text")
    body.add_argument("--json", metavar="TEXT", help="the request's body as JSON")
    parser.set_defaults(run=_test)


def _add_run(below: Any) -> None:
    parser = below.add_parser("run", help="serve a processor's file in place, without a token")
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="a Python file, or a directory with one")
    add("--model", type=Path, metavar="PATH", help="the model (default: the file's directory)")
    add(
        "--python",
        type=Path,
        default=Path(sys.executable),
        metavar="PYTHON",
        help="the interpreter that runs it (default: that of eascmd)",
    )
    add("--host", type=host, help="the address (default: the script's, else 127.0.0.1)")
    add("--port", type=port, help="the port (default: the script's, else 8080)")
    add("--verbose", action="store_true", help="log what happens in detail")
    add(
        "--args",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="ARGUMENT",
        help="pass all further arguments to the script",
    )
    add("--asked", default="", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)


def _new(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.processor_new import new_processor

    new_processor(arguments.directory)


def _test(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.processor_test import test_hooks

    if arguments.body is not None:
        try:
            body = arguments.body.read_bytes()
        except OSError as error:
            raise CallError(f"{arguments.body}: {error.strerror}") from error
    else:
        body = (arguments.data or arguments.json or "").encode()
    test_hooks(
        arguments.processor,
        arguments.model,
        entry=arguments.entry,
        config=arguments.config,
        body=body,
        as_json=arguments.json is not None,
    )


def _run(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.logs import set_up
    from eas_processor.cli.processor import run_script

    set_up(verbose=arguments.verbose)
    run_script(
        arguments.file,
        arguments.args,
        python=arguments.python,
        model=arguments.model,
        host=arguments.host,
        port=arguments.port,
        asked=arguments.asked,
    )


def _path(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.processor import print_path

    print_path()
