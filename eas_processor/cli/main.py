"""`eascmd`: the command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from eas_processor import __version__
from eas_processor.cli.predict_options import add_commands
from eas_processor.errors import EasError

_DESCRIPTION = "An open, self-hosted Elastic Algorithm Service for TensorFlow models."


def main(argv: list[str] | None = None) -> int:
    """
    Run one command and return its exit status.

    0 is success, 1 a refusal (one sentence on stderr); wrong usage exits with 2.
    """
    if sys.version_info < (3, 11):
        print(
            f"eascmd needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr
        )
        return 1
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except EasError as error:
        print(f"eascmd: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The interpreter would try to write the rest when it ends, and print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="eascmd", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"eascmd {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in (
        ("serve", "serve service files until SIGTERM or Ctrl-C"),
        ("test", "the same as serve"),
    ):
        _add_serve(commands.add_parser(name, help=text))
    inspect = commands.add_parser("inspect", help="show what a model takes and returns")
    inspect.add_argument(
        "path", type=Path, metavar="PATH", help="a SavedModel directory or a frozen graph (.pb)"
    )
    inspect.add_argument("--json", action="store_true", help="print JSON")
    inspect.set_defaults(run=_inspect)
    builds = commands.add_parser("builds", help="list the processor builds")
    builds.add_argument("--json", action="store_true", help="print JSON")
    builds.set_defaults(run=_builds)
    _add_build(
        commands.add_parser("build", help="make, check, write out or remove processor builds")
    )
    _add_bench(commands.add_parser("bench", help="load an endpoint and show how it does"))
    add_commands(commands, _amount, _positive)
    _add_admin(commands)
    schema = commands.add_parser("schema", help="print the JSON Schema of a service file")
    schema.set_defaults(run=_schema)
    return parser


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
        parser.set_defaults(run=_change, what=name)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_instances)


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as tensorflow_cpu_1.15")
    parser.add_argument("--all-cpu", action="store_true", help="every build for the CPU")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="make it and run its self-test")
    action.add_argument("--remove", action="store_true", help="remove it from this machine")
    action.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write what pip needs to make it on another machine, and make nothing here",
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
    parser.set_defaults(run=_build)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "services",
        type=Path,
        nargs="+",
        metavar="SERVICE",
        help="a service file, such as service.json, or a directory of them (*.json)",
    )
    parser.add_argument(
        "--host",
        type=_host,
        default="127.0.0.1",
        help="address to listen on (default: this machine alone)",
    )
    parser.add_argument(
        "--port",
        type=_port,
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
        "--max-body", type=_positive, default=64, metavar="MIB", help="largest body (default: 64)"
    )
    parser.add_argument(
        "--max-buffered",
        type=_positive,
        default=512,
        metavar="MIB",
        help="bodies and unread answers held at a time (default: 512)",
    )
    parser.add_argument(
        "--max-connections",
        type=_positive,
        default=10_000,
        metavar="N",
        help="most connections at a time, where the limit of open files allows it (default: 10000)",
    )
    parser.add_argument(
        "--access-log",
        type=_share,
        nargs="?",
        const=1.0,
        default=0.0,
        metavar="SHARE",
        help="log every answer, or a share of them such as 0.01 (default: none)",
    )
    parser.add_argument(
        "--admin-port",
        type=_port,
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
        type=_peers,
        default=(),
        metavar="HOST:PORT,...",
        help="engines that serve the same, for clients with a direct connection",
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens in detail")
    parser.set_defaults(run=_serve)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Load an endpoint; exit status 1 when it cannot be asked, or any request failed or "
        "could not be sent in time."
    )
    parser.add_argument(
        "endpoint", metavar="URL|SERVICE", help="where to send requests, or a service file to start"
    )
    add = parser.add_argument
    add("-c", "--connections", type=_positive, default=1, metavar="N", help="default: 1")
    add("--rate", type=_amount, default=0.0, metavar="R", help="start R requests/s (open loop)")
    add("-n", "--requests", type=_positive, default=0, metavar="N", help="end after N requests")
    add("--duration", type=_amount, metavar="S", help="seconds (default: 10, none with -n)")
    add("--warm-up", type=_amount, default=1.0, metavar="S", help="not counted (default: 1)")
    add("--timeout", type=_amount, default=30.0, metavar="S", help="for an answer (default: 30)")
    add(
        "--body",
        type=Path,
        metavar="FILE",
        help="a request as it is sent, or a .txt of requests in base64, one a line "
        "(default: the service file's warm-up file, else random data for the signature)",
    )
    add("--rows", type=_positive, default=1, metavar="N", help="unknown dims of random data")
    add("--token", help="default: EAS_TOKEN, else the service file's")
    add("--content-type", default="application/octet-stream", help="default: %(default)s")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_bench)


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if 0 <= amount < float("inf"):
        return amount
    raise argparse.ArgumentTypeError(f"expected a number from 0 on, got {text!r}")


def _host(text: str) -> str:
    if text:
        return text
    raise argparse.ArgumentTypeError("expected an address, got ''; 0.0.0.0 is all interfaces")


def _port(text: str) -> int:
    if text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r}")


def _peers(text: str) -> tuple[Any, ...]:
    from eas_processor.app.peers import peer_of

    try:
        return tuple(peer_of(each.strip()) for each in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if 0 <= share <= 1:
        return share
    raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text!r}")


# Imported by the command that needs them, so that `eascmd --help` answers in 0.1 s.


def _serve(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.logs import set_up
    from eas_processor.cli.serve import serve
    from eas_processor.contracts.settings import ENVELOPE, MIB, EngineSettings
    from eas_processor.errors import StartError

    if arguments.tls_key and not arguments.tls_cert:
        raise StartError("--tls-key is the key of a certificate; name that with --tls-cert")
    if arguments.max_buffered <= arguments.max_body:
        raise StartError(
            f"--max-buffered {arguments.max_buffered} has no room for a body of --max-body "
            f"{arguments.max_body} MiB; raise it above that, or lower --max-body"
        )
    set_up(verbose=arguments.verbose)
    settings = EngineSettings(
        host=arguments.host,
        port=arguments.port,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        max_body=arguments.max_body * MIB + ENVELOPE,
        max_buffered=arguments.max_buffered * MIB,
        max_connections=arguments.max_connections,
        access_log=arguments.access_log,
        admin_port=arguments.admin_port,
        peers=arguments.peers,
    )
    serve(arguments.services, settings, watch=arguments.watch, inline=arguments.inline)


def _change(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.admin import change

    change(arguments.service, arguments.what)


def _instances(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.admin import instances, services

    if arguments.service is None:
        services(as_json=arguments.json)
    else:
        instances(arguments.service, as_json=arguments.json)


def _inspect(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.inspect import inspect

    inspect(arguments.path, as_json=arguments.json)


def _builds(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.builds import print_builds

    print_builds(as_json=arguments.json)


def _build(arguments: argparse.Namespace) -> None:
    from eas_processor.cli.build import build

    build(arguments)


def _bench(arguments: argparse.Namespace) -> None:
    from eas_processor.bench.load import Plan
    from eas_processor.cli.bench import Options, bench

    duration = arguments.duration
    if duration is None:
        duration = float("inf") if arguments.requests else 10.0
    plan = Plan(
        connections=arguments.connections,
        duration=duration,
        requests=arguments.requests,
        warm_up=arguments.warm_up,
        rate=arguments.rate,
        timeout=arguments.timeout or 30.0,
    )
    options = Options(
        body=arguments.body,
        rows=arguments.rows,
        token=arguments.token,
        content_type=arguments.content_type,
        as_json=arguments.json,
    )
    bench(arguments.endpoint, plan, options)


def _schema(_: argparse.Namespace) -> None:
    from eas_processor.cli.schema import print_schema

    print_schema()
