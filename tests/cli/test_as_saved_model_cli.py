"""`eascmd inspect --dir` and `eascmd run --dir` beside TensorFlow's own `saved_model_cli`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import need

from eas_processor.cli import graph_details
from eas_processor.cli.inspect_show import graphs_of
from eas_processor.cli.main import main

pytestmark = pytest.mark.medium

DATA = Path(__file__).parents[1] / "tf" / "data"
TFS = DATA / "tfs"
MODELS = sorted(path.parent for path in DATA.rglob("saved_model.pb"))
CPU, TF2, MLMD, THREE, COUNTER = (
    TFS / f"saved_model_{name}" / "00000123"
    for name in (
        *(f"half_plus_two_{kind}" for kind in ("cpu", "tf2_cpu", "mlmd")),
        *("half_plus_three", "counter"),
    )
)


@pytest.fixture(scope="module")
def theirs() -> Any:
    need.module("tensorflow")
    return need.module("tensorflow.python.tools.saved_model_cli")


@pytest.fixture
def eascmd(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(word) for word in words])
        return status, *capfd.readouterr()

    return run


def test_every_field_that_is_read_is_tensorflows(theirs: Any) -> None:
    saved_model_pb2 = need.module("tensorflow.core.protobuf.saved_model_pb2")
    pending = [(graph_details._SAVED_MODEL.DESCRIPTOR, saved_model_pb2.SavedModel.DESCRIPTOR)]
    seen = set()
    while pending:
        ours, other = pending.pop()
        if ours.full_name not in seen:
            seen.add(ours.full_name)
            for field in ours.fields:
                same = other.fields_by_name[field.name]
                assert (field.number, field.type) == (same.number, same.type), field.full_name
                if field.message_type:
                    pending.append((field.message_type, same.message_type))
    assert "eas_processor.tf.TypeSpec" in seen


def test_inspect_prints_what_theirs_prints(
    theirs: Any, eascmd: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(MODELS) > 20
    for model in MODELS:
        theirs._show_tag_sets(str(model))
        expected = capfd.readouterr().out
        assert eascmd("inspect", "--dir", model)[:2] == (0, expected)
        for graph in graphs_of(model):
            tags = ",".join(graph.tags)
            theirs._show_signature_def_map_keys(str(model), tags)
            expected = capfd.readouterr().out
            assert eascmd("inspect", "--dir", model, "--tag_set", tags)[1] == expected
            for key in graph.metadata:
                theirs._show_inputs_outputs(str(model), tags, key)
                expected = capfd.readouterr().out
                options = ("--dir", model, "--tag_set", tags, "--signature_def", key)
                assert eascmd("inspect", "show", *options)[1] == expected


def test_inspect_all_prints_what_theirs_prints(
    theirs: Any, eascmd: Any, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    functions = save_functions(tmp_path / "functions")
    # Theirs takes a second for each; these have all that the others have.
    for model in (CPU, TF2, DATA / "models" / "2.3_keras", functions):
        theirs._show_all(str(model))
        expected = capfd.readouterr().out
        # What theirs has TensorFlow print on stderr may come late.
        status, out, _ = eascmd("inspect", "show", "--dir", model, "--all")
        assert status == 0
        assert in_one_order(out) == in_one_order(expected)


def save_functions(path: Path) -> Path:
    """Save a model whose functions take arguments of many kinds."""
    tf = need.module("tensorflow")
    module = tf.Module()

    @tf.function  # type: ignore[untyped-decorator]
    def plain(x: Any, flag: bool = True, *, scale: float = 1.5) -> Any:
        return x * scale if flag else x

    @tf.function  # type: ignore[untyped-decorator]
    def nested(pair: Any, table: Any, text: str, none: Any = None) -> Any:
        return pair[0] + table["b"]

    spec = tf.TensorSpec
    plain.get_concrete_function(spec([None, 2], tf.float32))
    plain.get_concrete_function(spec([], tf.float64), False, scale=0.0)
    plain.get_concrete_function(spec(None, tf.float16), scale=spec([1], tf.float16, name="s"))
    some = spec([2], tf.int32)
    # One entry: theirs shows those of a map in an order that differs from process to process.
    nested.get_concrete_function([some, some], {"b": some}, "text")
    module.plain, module.nested = plain, nested
    module.concrete = plain.get_concrete_function(spec([7], tf.float32))
    tf.saved_model.save(module, str(path))
    return path


def in_one_order(shown: str) -> list[Any]:
    """Return what `--all` shows, without the order of ops and options, which theirs leaves open."""
    shown = re.sub(", \b\b([]}])", r"\1", shown)  # they take back the last comma so
    rest, _, functions = shown.partition("\nConcrete Functions:")
    head = [sorted(re.findall("'[^']+'", x)) if " ops: {" in x else x for x in rest.splitlines()]
    each = functions.split("\n  Function Name: ")
    return head + [sorted(re.split(r" +Option #\d+\n", function)) for function in each]


CALLS = [
    (CPU, "serving_default", ["--input_exprs", "x=[[1.0], [2.0], [5.0]]"]),
    (CPU, "serving_default", ["--inputs", "x=x.npy"]),
    (CPU, "serving_default", ["--inputs", "x=xs.npz[b]"]),
    (CPU, "regress_x_to_y", ["--input_examples", 'inputs=[{"x": [2.0]}, {"x": [4.0]}]']),
    (CPU, "regress_x2_to_y3", ["--input_exprs", "inputs=[[2]]"]),
    (TF2, "serving_default", ["--input_exprs", "x=[3.0]"]),
    (THREE, "serving_default", ["--input_exprs", "x=[[3.0]]"]),
    (MLMD, "serving_default", ["--input_exprs", "x=[3.0]"]),
    (COUNTER, "incr_counter_by", ["--input_exprs", "delta=2.5"]),
    (
        TFS / "matrix_half_plus_two" / "1",
        "serving_default",
        ["--input_exprs", f"x={np.arange(18).reshape(2, 3, 3).tolist()}"],
    ),
]


@pytest.mark.parametrize(("model", "key", "options"), CALLS)
def test_run_prints_and_writes_what_theirs_does(
    model: Path,
    key: str,
    options: list[str],
    theirs: Any,
    eascmd: Any,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.array([[1], [2]]))
    np.savez("xs.npz", a=np.array([[1.0]]), b=np.array([[7.0]]))
    given = dict.fromkeys(("--inputs", "--input_exprs", "--input_examples"), "")
    given[options[0]] = options[1]
    feeds = theirs.load_inputs_from_input_arg_string(*given.values())
    theirs.run_saved_model_with_feed_dict(str(model), "serve", key, feeds, "out", False)
    expected = capfd.readouterr().out
    written = {path.name: np.load(path).tolist() for path in Path("out").iterdir()}
    for path in Path("out").iterdir():
        path.unlink()
    words = ("--dir", model, "--tag_set", "serve", "--signature_def", key, *options)
    assert eascmd("run", *words, "--outdir", "out")[:2] == (0, expected)
    assert {path.name: np.load(path).tolist() for path in Path("out").iterdir()} == written


def test_the_line_of_the_article(eascmd: Any) -> None:
    """With `--input_expr`, a beginning of the option, and numpy, which 2.21's own refuses."""
    words = ("--dir", CPU, "--tag_set", "serve", "--signature_def", "serving_default")
    done = eascmd("run", *words, "--input_expr", "x=np.ones((1,1))")
    assert done[:2] == (0, "Result for output key y:\n[[2.5]]\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input_exprs", "y=[1]"], "there is no input 'y'; the signature has x"),
        (["--input_exprs", "x=['a']"], "x:0 takes float32: could not convert string to float"),
        (["--input_exprs", "x=[[1, 2]]"], "Cannot feed value of shape (1, 2) for Tensor x:0"),
        (["--input_exprs", "x=[[1, 2], [3]]"], "x:0 takes float32: setting an array element"),
        (["--inputs", "x=/nowhere.npy"], "--inputs: /nowhere.npy: No such file"),
        (["--input_exprs", "x=eval('1')"], "--input_exprs: x: a call of 'eval' is not allowed"),
        ([], "--dir needs --inputs, --input_exprs or --input_examples"),
        (["--inputs", "x=a", "--tf_debug"], "--tf_debug asks for TensorFlow's debugger, which"),
        (["--inputs", "x=a", "--signature_def", "k"], "--signature_def: there is no signature"),
        (["--inputs", "x=a", "--tag_set", "k"], "--tag_set: the model has no graph with the tag"),
        (["--inputs", "x=a", "-i", "x=1"], "--input goes with `eascmd run MODEL`"),
        (["--inputs", "x=a", "--json"], "--json goes with `eascmd run MODEL`"),
        (["--inputs", "x=a", "model"], "model goes with `eascmd run MODEL`"),
    ],
)
def test_bad_input_gets_a_sentence(options: list[str], message: str, eascmd: Any) -> None:
    words = ("--dir", CPU, "--tag_set", "serve", "--signature_def", "serving_default")
    status, out, err = eascmd("run", *words, *options)
    (line,) = err.splitlines()
    assert (status, out) == (1, "")
    assert message in line


def test_a_signature_without_inputs_needs_none(eascmd: Any) -> None:
    words = ("--dir", COUNTER, "--tag_set", "serve", "--signature_def", "get_counter")
    assert eascmd("run", *words)[:2] == (0, "Result for output key output:\n0.0\n")


def test_what_is_missing_is_named(eascmd: Any) -> None:
    words = ("--dir", CPU, "--tag_set", "serve", "--signature_def", "serving_default")
    assert "--dir needs --tag_set" in eascmd("run", *words[:2], "--inputs", "x=a")[2]
    assert "--tag_set goes with --dir" in eascmd("run", CPU, "-i", "x=1", "--tag_set", "a")[2]
    with pytest.raises(SystemExit) as end:
        eascmd("run", "-i", "x=1")
    assert end.value.code == 2


def test_an_output_is_not_written_over(eascmd: Any, tmp_path: Path) -> None:
    words = ("--dir", CPU, "--tag_set", "serve", "--signature_def", "serving_default")
    call = ("run", *words, "--input_exprs", "x=[[2.0]]", "--outdir", tmp_path)
    (tmp_path / "y.npy").write_text("mine")
    status, _, err = eascmd(*call)
    assert (status, (tmp_path / "y.npy").read_text()) == (1, "mine")
    assert "y.npy exists already; add --overwrite" in err
    assert eascmd(*call, "--overwrite")[0] == 0
    assert np.load(tmp_path / "y.npy").tolist() == [[3.0]]
