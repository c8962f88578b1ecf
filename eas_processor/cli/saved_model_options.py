"""The options of TensorFlow's `saved_model_cli show` and `run`, for `inspect` and `run`."""

from __future__ import annotations

import argparse
from pathlib import Path

from eas_processor.errors import CallError

# Options of `saved_model_cli run` that are not supported.
_NOT_HERE = {
    "tf_debug": "TensorFlow's debugger",
    "worker": "a session on another machine",
    "init_tpu": "a TPU",
    "use_tfrt": "TensorFlow's TFRT sessions",
}
_RUN = (
    *("tag_set", "signature_def", "inputs", "input_exprs", "input_examples", "outdir"),
    *("overwrite", "allow_pickle"),
)


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `saved_model_cli show`."""
    group = parser.add_argument_group("with --dir DIR, as in `saved_model_cli show`")
    _add_model(group)
    group.add_argument("--all", action="store_true", help="all signatures, ops and functions")
    group.add_argument("--list_ops", action="store_true", help="also list the ops of the graph")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `saved_model_cli run`."""
    group = parser.add_argument_group("with --dir DIR, as in `saved_model_cli run`")
    _add_model(group)
    add = group.add_argument
    add("--inputs", default="", metavar="KEY=FILE;...", help="a .npy file, or .npz[VARIABLE]")
    add(
        "--input_exprs",
        default="",
        metavar="KEY=EXPR;...",
        help="a Python literal or a numpy expression, such as 'x=np.ones((1, 31))'",
    )
    add(
        "--input_examples",
        default="",
        metavar="KEY=LIST;...",
        help="""tf.Example messages, such as 'inputs=[{"x": [2.0]}]'""",
    )
    add("--outdir", type=Path, metavar="DIR", help="write each output to KEY.npy in DIR")
    add("--overwrite", action="store_true", help="replace existing files")
    add(
        "--allow_pickle",
        action="store_true",
        help="let --inputs read pickles, which can run any code",
    )
    for name in _NOT_HERE:
        add(f"--{name}", nargs="?", const=name, help=argparse.SUPPRESS)


def refuse_stray_show_options(arguments: argparse.Namespace) -> None:
    """Raise CallError for an option that needs `--dir` and is given without it."""
    _refuse_stray(arguments, ("tag_set", "signature_def", "all", "list_ops"), "inspect PATH")


def refuse_stray_run_options(arguments: argparse.Namespace) -> None:
    """Raise CallError for an option that needs `--dir` and is given without it."""
    _refuse_stray(arguments, (*_RUN, *_NOT_HERE), "run MODEL")


def refuse_what_is_not_here(arguments: argparse.Namespace) -> None:
    """Raise CallError for options of `saved_model_cli run` that are not supported."""
    for name, what in _NOT_HERE.items():
        if getattr(arguments, name):
            raise CallError(
                f"--{name} asks for {what}, which `eascmd run` does not have; leave it out, or use "
                "TensorFlow's saved_model_cli"
            )


def _refuse_stray(arguments: argparse.Namespace, names: tuple[str, ...], form: str) -> None:
    for name in names:
        if getattr(arguments, name):
            raise CallError(f"--{name} goes with --dir DIR, not with `eascmd {form}`")


def _add_model(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--dir", type=Path, metavar="DIR", help="a SavedModel, or a directory of versions")
    add("--tag_set", metavar="TAGS", help="the tags of a graph, such as serve")
    add("--signature_def", metavar="KEY", help="a signature, such as serving_default")
