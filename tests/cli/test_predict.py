from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from fixtures import need
from fixtures.doubler import SIGNATURE, Doubler
from fixtures.serving_messages import parsed

import eas_wire as wire
from eas_processor.cli.main import main
from eas_processor.cli.values import as_json, read_inputs, write_outputs
from eas_processor.codecs.tfrecord import read_records
from eas_processor.errors import CallError

pytestmark = pytest.mark.medium


def test_from_file_to_file(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.arange(10, dtype=np.float32).reshape(5, 2)
    np.save(tmp_path / "x.npy", x)
    source, target = f"x=@{tmp_path / 'x.npy'}", tmp_path / "y.npy"
    assert main(["predict", url, "--input", source, "--output", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: y [5, 2]\n"
    np.testing.assert_array_equal(np.load(target), x * 2)
    assert main(["predict", url, "-i", source, "-o", str(target), "--max-rows", "2"]) == 0
    np.testing.assert_array_equal(np.load(target), x * 2)


def test_a_literal_and_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", url, "--input", "x=[(1, 2.5)]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"y": [[2.0, 5.0]]}
    assert main(["predict", url, "--input", "[[1, 2]]"]) == 0
    assert capsys.readouterr().out == "y: float32 [1, 2]\n[[2. 4.]]\n"


def test_what_is_wrong_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", url, "--input", "x=[[1, 2, 3]]"]) == 1
    assert "input 'x': expected DT_FLOAT [-1, 2]" in capsys.readouterr().err
    assert main(["predict", url, "--input", "z=[[1]]"]) == 1
    assert "no input 'z' in signature 'double'; it has 'x'" in capsys.readouterr().err
    assert main(["predict", url, "--input", "x=[[1, 2]]", "--token", ""]) == 1
    assert "401: no token; give the service's token with --token" in capsys.readouterr().err
    assert main(["predict", "http://127.0.0.1:1/api/predict/a", "-i", "1", "--timeout", "1"]) == 1
    assert "could not connect" in capsys.readouterr().err


def test_the_signature(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signature", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == SIGNATURE
    assert main(["signature", url]) == 0
    assert "  input x: DT_FLOAT [-1, 2]\n" in capsys.readouterr().out


def test_a_warm_up_file_of_a_service(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "warm_up.bin"
    assert main(["warmup-file", url, "-i", "x=[[1, 2]]", "-o", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == target.stat().st_size
    request = wire.decode_request(target.read_bytes())
    assert request.signature_name == "double"
    np.testing.assert_array_equal(request.inputs["x"].array, [[1, 2]])
    assert main(["warmup-file", url, "-i", "x=[[1, 2]]", "-o", str(tmp_path / "w.txt")]) == 0
    assert base64.b64decode((tmp_path / "w.txt").read_bytes()) == target.read_bytes()


def test_a_warm_up_file_of_a_service_file(tmp_path: Path) -> None:
    model = Path(__file__).parents[1] / "tf" / "data" / "tf1_saved_model"
    service = tmp_path / "service.json"
    facts = {"name": "m", "processor": "tensorflow_cpu", "model_path": str(model)}
    facts["model_config"] = {"signature_name": "predict_images"}  # type: ignore[assignment]
    service.write_text(json.dumps(facts))
    target = tmp_path / "warm_up.bin"
    assert main(["warmup-file", str(service), "-i", "[[1, 2, 3, 4]]", "-o", str(target)]) == 0
    request = wire.decode_request(target.read_bytes())
    assert request.signature_name == "predict_images"
    assert list(request.inputs) == ["images"]


def test_a_record_of_a_models_warm_up_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path(__file__).parents[1] / "tf" / "data" / "tfs" / "saved_model_half_plus_two_cpu"
    target = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    command = ["warmup-file", str(model / "00000123"), "--tfrecord", "-o", str(target)]
    assert main([*command, "-i", "[[1], [5]]"]) == 0
    assert main([*command, "-i", "x=[[2]]", "--fetch", "y"]) == 0
    with target.open("rb") as file:
        logs = [parsed("PredictionLog", each) for each in read_records(file)]
    requests = [each.predict_log.request for each in logs]
    assert [list(each.inputs[0].value.float_val) for each in requests] == [[1, 5], [2]]
    assert [each.model_spec.signature_name for each in requests] == ["serving_default"] * 2
    assert list(requests[1].output_filter) == ["y"]
    target.write_bytes(b"something else")
    assert main([*command, "-i", "[[1]]"]) == 1
    assert "expected TFRecords, to add one more" in capsys.readouterr().err


# Values


def test_every_kind_of_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", a=[1, 2], b=[3.0])
    (tmp_path / "x.json").write_text('{"a": [1], "b": "text"}')
    found = read_inputs([f"@{tmp_path / 'all.npz'}"], {})
    assert found["a"].tolist() == [1, 2] and found["b"].tolist() == [3.0]
    assert read_inputs([f"c=@{tmp_path / 'x.json'}"], {}) == {"c": {"a": [1], "b": "text"}}
    assert read_inputs([f"@{tmp_path / 'x.json'}"], {}) == {"a": [1], "b": "text"}
    assert read_inputs([f"b=@{tmp_path / 'all.npz'}"], {})["b"].tolist() == [3.0]


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(CallError, match="not arrays without pickled objects"):
        read_inputs([f"x=@{tmp_path / 'x.npy'}"], {})
    (tmp_path / "y.npy").write_bytes(b"\x80\x04N.")
    with pytest.raises(CallError, match="not arrays"):
        read_inputs([f"x=@{tmp_path / 'y.npy'}"], {})


def test_an_image_is_for_four_dimensions(tmp_path: Path) -> None:
    image = need.module("PIL.Image")
    image.new("RGB", (4, 2), (255, 0, 0)).save(tmp_path / "x.png")
    source = [f"@{tmp_path / 'x.png'}"]
    (array,) = read_inputs(source, {"x": (-1, 2, 4, 3)}).values()
    assert array.shape == (1, 2, 4, 3) and array[0, 0, 0].tolist() == [255, 0, 0]
    assert read_inputs(source, {"x": (-1, 2, 4, 1)})["x"].shape == (1, 2, 4, 1)
    with pytest.raises(CallError, match=r"4 dimensions .* this one is \[-1, 8\]"):
        read_inputs(source, {"x": (-1, 8)})


@pytest.mark.parametrize("name", ["cat.jpg", "cat.tfrecord", "cat"])
@pytest.mark.parametrize("shape", [[-1], [1], []])
def test_a_file_is_the_value_of_an_input_of_text(
    name: str, shape: list[int], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"name": "image_bytes", "shape": shape, "type": "DT_STRING"}
    monkeypatch.setattr(Doubler, "signature", {**SIGNATURE, "inputs": [spec]})
    content = b"\xff\xd8\x00\nno picture\x00"
    (tmp_path / name).write_bytes(content)
    target = tmp_path / "warm_up.bin"
    for given in (f"image_bytes=@{tmp_path / name}", f"@{tmp_path / name}"):
        assert main(["warmup-file", url, "--input", given, "-o", str(target)]) == 0
        tensor = wire.decode_request(target.read_bytes()).inputs["image_bytes"]
        assert tensor.dtype == wire.DT_STRING
        assert tensor.array.ravel().tolist() == [content]
        assert tensor.array.ndim == len(shape)


def test_a_file_of_values_is_read_for_an_input_of_text_too(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('["a", "b"]')
    assert read_inputs([f"x=@{tmp_path / 'x.json'}"], {"x": (-1,)}, ["x"]) == {"x": ["a", "b"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("x=hello", "text needs quotes"),
        ("x=__import__('os')", "expected JSON, a Python literal"),
        ("[1]", "expected NAME=VALUE; the model's inputs are x, y"),
        ("x=@/nowhere.npy", "No such file"),
    ],
)
def test_bad_values(given: str, message: str) -> None:
    with pytest.raises(CallError, match=message):
        read_inputs([given], {"x": None, "y": None})


def test_outputs_in_every_format(tmp_path: Path) -> None:
    outputs = {"a": np.array([1.5]), "b": np.array([b"text", b"\xff"], dtype=object)}
    write_outputs(tmp_path / "o.npz", outputs)
    with np.load(tmp_path / "o.npz") as loaded:
        assert loaded["b"].tolist() == [b"text", b"\xff"]
    write_outputs(tmp_path / "o.json", outputs)
    assert json.loads((tmp_path / "o.json").read_text()) == as_json(outputs)
    assert as_json(outputs) == {"a": [1.5], "b": ["text", {"b64": "/w=="}]}
    with pytest.raises(CallError, match="there are a, b; choose with --fetch"):
        write_outputs(tmp_path / "o.npy", outputs)
    with pytest.raises(CallError, match=r"expected a \.npy, \.npz or \.json file"):
        write_outputs(tmp_path / "o.csv", outputs)


@pytest.mark.slow
def test_a_model_runs_here(capsys: pytest.CaptureFixture[str]) -> None:
    model = Path(__file__).parents[1] / "tf" / "data" / "tf1_saved_model"
    need.module("tensorflow")
    value = "[[1, 2, 3, 4]]"
    options = ["--signature", "predict_images", "--input", value, "--json"]
    status = main(["run", str(model), *options])
    out, err = capsys.readouterr()
    assert status == 0, err
    (outputs,) = json.loads(out).values()
    assert np.shape(outputs) == (1, 3)
