"""`eascmd inspect [show] --dir DIR`, which prints what `saved_model_cli show` prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from eas_processor.cli.main import main
from eas_processor.tf.model.schema import SavedModel

DATA = Path(__file__).parents[1] / "tf" / "data"
TF2 = DATA / "tfs" / "saved_model_half_plus_two_tf2_cpu" / "00000123"
MODEL = DATA / "tfs" / "saved_model_half_plus_two_cpu" / "00000123"


def show(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    status = main(["inspect", *words])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("word", [["show"], []])
def test_tag_sets(word: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = show(capsys, *word, "--dir", str(MODEL))
    assert out == "The given SavedModel contains the following tag-sets:\n'serve'\n"


def test_signature_keys(capsys: pytest.CaptureFixture[str]) -> None:
    lines = show(capsys, "show", "--dir", str(MODEL), "--tag_set", "serve").splitlines()
    assert lines == [
        "The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:",
        'SignatureDef key: "classify_x_to_y"',
        'SignatureDef key: "regress_x2_to_y3"',
        'SignatureDef key: "regress_x_to_y"',
        'SignatureDef key: "regress_x_to_y2"',
        'SignatureDef key: "serving_default"',
    ]


def test_one_signature(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tag_set=serve", "--signature_def=serving_default"]
    lines = show(capsys, "show", f"--dir={MODEL}", *options).splitlines()
    assert lines == [
        "The given SavedModel SignatureDef contains the following input(s):",
        "  inputs['x'] tensor_info:",
        "      dtype: DT_FLOAT",
        "      shape: (-1, 1)",
        "      name: x:0",
        "The given SavedModel SignatureDef contains the following output(s):",
        "  outputs['y'] tensor_info:",
        "      dtype: DT_FLOAT",
        "      shape: (-1, 1)",
        "      name: y:0",
        "Method name is: tensorflow/serving/predict",
    ]


def test_ops_are_listed_before_what_else_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    keys = show(capsys, "--dir", str(MODEL), "--tag_set", "serve")
    first, rest = show(capsys, "--dir", str(MODEL), "--tag_set", "serve", "--list_ops").split(
        "\n", 1
    )
    assert rest == keys
    assert first.startswith("The MetaGraph with tag set ['serve'] contains the following ops: {'")
    assert "'ParseExample', " in first


def test_all_of_a_model_of_tensorflow_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The ops are also those of functions, whose names are no ops."""
    head, _, functions = show(capsys, "--dir", str(TF2), "--all").partition("\nConcrete Functions:")
    assert head.startswith(
        "\nMetaGraphDef with tag-set: 'serve' contains the following SignatureDefs:\n\n"
        "signature_def['__saved_model_init_op']:\n"
        "  The given SavedModel SignatureDef contains the following input(s):\n"
    )
    assert "'ReadVariableOp', " in head
    assert "__inference" not in head
    assert functions.startswith(
        "\n  Function Name: 'classify_x2y3'\n    Option #1\n      Callable with:\n"
        "        Argument #1\n"
        "          inputs: TensorSpec(shape=(1,), dtype=tf.float32, name='inputs')\n"
    )


def test_a_model_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = SavedModel()
    message.ParseFromString((MODEL / "saved_model.pb").read_bytes())
    (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(message))
    assert show(capsys, "--dir", str(tmp_path), "--all") == show(
        capsys, "--dir", str(MODEL), "--all"
    )


def test_a_directory_of_versions_is_its_newest(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(capsys, "--all", "--dir", str(MODEL.parent)) == show(
        capsys, "--all", "--dir", str(MODEL)
    )


def test_several_graphs_and_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = SavedModel()
    for tags in (["serve", "gpu"], ["serve"]):
        graph = message.meta_graphs.add()
        graph.meta_info_def.tags.extend(tags)
        signature = graph.signature_def["call"]
        signature.inputs["any"].tensor_shape.unknown_rank = True
        signature.inputs["none"].dtype = 101
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert show(capsys, "--dir", str(tmp_path)).splitlines()[1:] == ["'gpu, serve'", "'serve'"]
    out = show(capsys, "--dir", str(tmp_path), "--tag_set", "gpu,serve", "--signature_def", "call")
    assert "dtype: DT_INVALID\n      shape: unknown_rank\n      name: \n" in out
    assert "dtype: DT_FLOAT_REF\n      shape: ()\n      name: \n" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dir", "/nowhere"], "/nowhere does not exist"),
        (["--dir", str(DATA / "tf1_frozen.pb")], "expected the directory of a SavedModel"),
        (["--dir", str(MODEL), "--list_ops"], "--list_ops needs --tag_set"),
        (
            ["--dir", str(MODEL), "--tag_set", "gpu"],
            "--tag_set: the model has no graph with the tags 'gpu'; it has 'serve'",
        ),
        (
            ["--dir", str(MODEL), "--tag_set", "serve", "--signature_def", "x"],
            "--signature_def: there is no signature 'x'; the graph has classify_x_to_y, ",
        ),
        (["--dir", str(MODEL), "--signature_def", "x"], "--signature_def needs --tag_set"),
        ([str(MODEL), "--tag_set", "serve"], "--tag_set goes with --dir DIR"),
        ([str(MODEL), "--all"], "--all goes with --dir DIR"),
        ([str(MODEL), "--dir", "x"], "goes with `eascmd inspect PATH`"),
        (["show"], "`eascmd inspect show` needs --dir DIR"),
        (["--json", "--dir", str(MODEL)], "--json goes with `eascmd inspect PATH`"),
    ],
)
def test_wrong_options_get_a_sentence(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(capsys, *options)


def test_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["inspect"])
    assert end.value.code == 2
    assert "required: PATH, or --dir DIR" in capsys.readouterr().err


def test_tensorflow_is_not_imported() -> None:
    program = (
        "import sys; from eas_processor.cli.main import main; "
        f"status = main(['inspect', 'show', '--dir', {str(MODEL)!r}, '--all']); "
        "sys.exit(status or 'tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
