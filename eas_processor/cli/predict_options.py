"""The options of `predict`, `signature`, `warmup-file` and `run`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from eas_processor.cli.option_types import amount, positive
from eas_processor.cli.saved_model_options import add_run_options, refuse_stray_run_options

_URL = "http://HOST:PORT/api/predict/SERVICE, or grpc://HOST:PORT/MODEL"
_INPUT = (
    "a value for an input: JSON, a Python literal, or @FILE (.npy, .npz, .json, an image, or any "
    "file for an input of strings); with a single input, NAME= is optional"
)


def add_commands(commands: Any) -> None:
    """Add the four commands."""
    predict = commands.add_parser("predict", help="send inputs to a service and show the outputs")
    predict.add_argument("url", metavar="URL", help=_URL)
    _add_signature(predict)
    _add_inputs(predict)
    _add_output(predict)
    predict.add_argument("--max-rows", type=positive, metavar="N", help="split larger batches")
    _add_connection(predict)
    predict.set_defaults(run=_later("predict"))

    signature = commands.add_parser("signature", help="show the inputs and outputs of a service")
    signature.add_argument("url", metavar="URL", help=_URL)
    _add_signature(signature)
    _add_connection(signature)
    signature.set_defaults(run=_later("show_signature"))

    warmup = commands.add_parser("warmup-file", help="write a file for warm_up_data_path")
    warmup.add_argument("source", metavar="URL|SERVICE", help="a service, service file, or model")
    _add_inputs(warmup)
    warmup.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the file, such as warm_up.bin"
    )
    _add_connection(warmup)
    warmup.add_argument(
        "--tfrecord",
        action="store_true",
        help="append to a tf_serving_warmup_requests file of TensorFlow Serving",
    )
    warmup.set_defaults(run=_later("warmup_file"))

    run = commands.add_parser("run", help="run a model in this process, without a service")
    run.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="a SavedModel or frozen graph"
    )
    _add_inputs(run, required=False)
    run.add_argument("--signature", metavar="NAME", help="the signature (default: as in a service)")
    _add_output(run)
    run.add_argument("--json", action="store_true", help="print JSON")
    add_run_options(run)
    run.set_defaults(run=_run, usage_error=run.error)


def _run(arguments: argparse.Namespace) -> None:
    """Run the form with `--dir DIR`, or the one with MODEL."""
    if arguments.dir is not None:
        _later("run_saved_model", "run_saved_model")(arguments)
        return
    refuse_stray_run_options(arguments)
    required = {"MODEL": arguments.model, "-i/--input": arguments.input}
    missing = ", ".join(name for name, value in required.items() if value is None)
    if missing:
        arguments.usage_error(f"the following arguments are required: {missing}; or --dir DIR")
    _later("run", "run_model")(arguments)


def _add_inputs(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    add = parser.add_argument
    add("-i", "--input", action="append", required=required, metavar="NAME=VALUE", help=_INPUT)
    add(
        "--fetch",
        action="append",
        default=[],
        metavar="NAME",
        help="an output; can be repeated (default: all)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="a .npy, .npz or .json file to write"
    )


def _add_signature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--signature", default="", metavar="NAME", help="the signature, for a grpc:// address"
    )


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--token", help="the token (default: EAS_TOKEN)")
    parser.add_argument(
        "--timeout", type=amount, default=30.0, metavar="S", help="seconds to wait (default: 30)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _later(name: str, module: str = "predict") -> Callable[[argparse.Namespace], None]:
    def run(arguments: argparse.Namespace) -> None:
        getattr(import_module(f"eas_processor.cli.{module}"), name)(arguments)

    return run
