"""The options of `eascmd bench`, in the groups that its help shows."""

from __future__ import annotations

import argparse
from pathlib import Path

from eas_processor.cli import runners
from eas_processor.cli.option_types import amount, positive


def add_bench_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench` to its parser."""
    parser.description = (
        "Load an endpoint and show throughput and latencies. The exit status is 1 if the endpoint "
        "cannot be reached, or if any request failed or could not be sent in time."
    )
    parser.add_argument(
        "endpoint", metavar="URL|SERVICE", help="where to send requests, or a service file to start"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_load(parser.add_argument_group("the load"))
    _add_requests(parser.add_argument_group("the requests"))
    parser.set_defaults(run=runners.run_bench)


def _add_load(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "-c",
        "--connections",
        type=positive,
        default=1,
        metavar="N",
        help="connections (default: 1)",
    )
    add(
        "--concurrency",
        type=positive,
        default=0,
        metavar="N",
        help="gRPC calls in flight, over all connections (default: one on each)",
    )
    add("--rate", type=amount, default=0.0, metavar="R", help="start R requests/s (open loop)")
    add("-n", "--requests", type=positive, default=0, metavar="N", help="end after N requests")
    add(
        "--duration",
        type=amount,
        metavar="S",
        help="end after S seconds (default: 10; none with -n)",
    )
    add(
        "--warm-up",
        type=amount,
        default=1.0,
        metavar="S",
        help="load for S seconds before (default: 1)",
    )
    add(
        "--timeout",
        type=amount,
        default=30.0,
        metavar="S",
        help="wait S seconds for an answer (default: 30)",
    )


def _add_requests(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--body",
        type=Path,
        metavar="FILE",
        help="a request as it is sent, or a .txt file with a request in base64 on each line "
        "(default: the warm-up file of the service, or random data for the signature)",
    )
    add(
        "--inputs",
        default="",
        metavar="KEY=FILE;...",
        help="arrays for gRPC: a .npy file, or .npz[VARIABLE]",
    )
    add(
        "--rows",
        type=positive,
        default=1,
        metavar="N",
        help="size of the unknown dimensions of random data (default: 1)",
    )
    add("--token", help="token (default: EAS_TOKEN, or that of the service file)")
    add(
        "--content-type",
        default="application/octet-stream",
        metavar="TYPE",
        help="Content-Type (default: %(default)s)",
    )
