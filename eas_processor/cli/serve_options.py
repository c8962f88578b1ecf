"""The options of `eascmd serve`, in the groups that its help shows."""

from __future__ import annotations

import argparse
from pathlib import Path

from eas_processor.cli import runners
from eas_processor.cli.option_types import host, http_url, peers, port, positive, share


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serve` to its parser."""
    parser.add_argument(
        "services",
        type=Path,
        nargs="+",
        metavar="SERVICE",
        help="a service file, such as service.json, or a directory of them (*.json); or a model's "
        "directory of numbered versions, or a models.config of TensorFlow Serving",
    )
    parser.add_argument(
        "--inline",
        action="store_true",
        help="run the model in the engine's process: quicker, but a crash of it ends the service",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="reload a service when its file or its model's newest version changes; services come "
        "and go with the files of a directory",
    )
    _add_address(parser.add_argument_group("where it listens"))
    _add_limits(parser.add_argument_group("limits"))
    _add_logs(parser.add_argument_group("logs and traces"))
    parser.set_defaults(run=runners.run_serve)


def _add_address(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--host",
        type=host,
        default="127.0.0.1",
        help="the address (default: 127.0.0.1, this machine alone; 0.0.0.0 is every interface)",
    )
    group.add_argument(
        "--port", type=port, default=8080, help="the port; 0 takes a free one (default: 8080)"
    )
    group.add_argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="serve HTTPS with this certificate chain (PEM); a reload reads it again",
    )
    group.add_argument(
        "--tls-key",
        type=Path,
        metavar="FILE",
        help="the key of the certificate, if it is in another file (PEM)",
    )
    group.add_argument(
        "--admin-port",
        type=port,
        default=0,
        metavar="PORT",
        help="the port of the admin routes, on 127.0.0.1 (default: a free one)",
    )
    group.add_argument(
        "--peers",
        type=peers,
        default=(),
        metavar="HOST:PORT,...",
        help="other engines that serve the same, for clients with a direct connection",
    )


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-body",
        type=positive,
        default=64,
        metavar="MIB",
        help="the largest request body (default: 64)",
    )
    group.add_argument(
        "--max-buffered",
        type=positive,
        default=512,
        metavar="MIB",
        help="memory for all bodies and unread answers (default: 512)",
    )
    group.add_argument(
        "--max-connections",
        type=positive,
        default=10_000,
        metavar="N",
        help="open connections, fewer if the limit of open files is lower (default: 10000)",
    )
    group.add_argument(
        "--idle-timeout",
        type=positive,
        default=650,
        metavar="S",
        help="close a connection that is idle for S seconds; set it above the idle timeout of the "
        "load balancer (default: 650)",
    )


def _add_logs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--access-log",
        type=share,
        nargs="?",
        const=1.0,
        default=0.0,
        metavar="SHARE",
        help="log every answer, or a share of them such as 0.01 (default: none)",
    )
    group.add_argument(
        "--traces",
        type=http_url,
        metavar="URL",
        help="send a span of each answer to this OpenTelemetry collector, such as "
        "http://localhost:4318 (default: none)",
    )
    group.add_argument("--verbose", action="store_true", help="log what happens in detail")
