from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from fixtures.grpc_servers import grpcio_server
from fixtures.serving_messages import new, parsed

from eas_processor.bench.target import PREDICT
from eas_processor.cli.main import main
from eas_processor.cli.model_metadata import METHOD, Input, read_signature
from eas_processor.errors import BenchError
from eas_wire.fields import LENGTH, VARINT, length_field, tag_of
from eas_wire.varints import write_varint

SHORT = ["--concurrency", "3", "-n", "12", "--warm-up", "0"]


def field(number: int, *contents: bytes) -> bytes:
    return length_field(tag_of(number, LENGTH), b"".join(contents))


def number(field_number: int, value: int) -> bytes:
    return write_varint(tag_of(field_number, VARINT)) + write_varint(value % (1 << 64))


def tensor_info(dtype: int, *sizes: int) -> bytes:
    dims = [field(2, number(1, size)) for size in sizes]
    return field(1, b"x:0") + number(2, dtype) + field(3, *dims)


def metadata(**signatures: dict[str, bytes]) -> bytes:
    """Return a `GetModelMetadataResponse`; each input is a `TensorInfo`."""
    entries = []
    for name, inputs in signatures.items():
        infos = [field(1, field(1, key.encode()), field(2, info)) for key, info in inputs.items()]
        entries.append(field(1, field(1, name.encode()), field(2, *infos)))
    kind = field(1, b"type.googleapis.com/tensorflow.serving.SignatureDefMap")
    packed = kind + field(2, *entries)
    return field(1, field(1, b"model")) + field(2, field(1, b"signature_def"), field(2, packed))


KNOWN = metadata(other={}, serving_default={"images": tensor_info(1, -1, 3), "ids": tensor_info(9)})


class Model:
    """Answers as a model of KNOWN's signature does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.tokens: set[str] = set()

    def __call__(self, method: str, message: bytes, context: Any) -> bytes:
        self.tokens.add(dict(context.invocation_metadata()).get("authorization", ""))
        if method == METHOD:
            return KNOWN
        assert method == PREDICT
        request = parsed("PredictRequest", message)
        if request.model_spec.name != "model":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
        self.asked.append(request)
        return bytes(new("PredictResponse").SerializeToString()) or b"\0"


def test_random_data_follows_the_model_s_metadata(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model()
    with grpcio_server(model) as target:
        url = f"grpc://{target.authority}/model"
        assert main(["bench", url, *SHORT, "--rows", "2", "--token", "secret", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert known["status_codes"] == {"OK": 12}
    assert (known["in_flight"], known["connections"], known["failed"]) == (3, 1, 0)
    assert model.tokens == {"secret"} and len(model.asked) >= 13
    request = model.asked[0]
    assert request.model_spec.signature_name == "serving_default"
    inputs = {each.key: each.value for each in request.inputs}
    images = np.frombuffer(inputs["images"].tensor_content, np.float32)
    assert [dim.size for dim in inputs["images"].tensor_shape.dim] == [2, 3]
    assert images.size == 6 and 0 <= images.min() < images.max() < 1
    assert inputs["ids"].dtype == 9 and not inputs["ids"].tensor_shape.dim


def test_arrays_of_files_are_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.array([[1.5, 2.5]]))
    np.savez(tmp_path / "more.npz", names=np.array(["a", "b"]), ids=np.arange(2, dtype=np.uint32))
    model = Model()
    given = f"x={tmp_path}/x.npy;n={tmp_path}/more.npz[names];i={tmp_path}/more.npz[ids]"
    with grpcio_server(model) as target:
        assert main(["bench", f"grpc://{target.authority}/model", *SHORT, "--inputs", given]) == 0
    assert "1 connection(s) with 3 calls in flight" in capsys.readouterr().out
    inputs = {each.key: each.value for each in model.asked[0].inputs}
    assert list(inputs["x"].double_val) == [1.5, 2.5]
    assert inputs["x"].dtype == 2 and list(inputs["n"].string_val) == [b"a", b"b"]
    assert inputs["i"].dtype == 22


def test_a_request_of_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    spec = new("ModelSpec", name="model", signature_name="mine")
    (tmp_path / "request").write_bytes(new("PredictRequest", model_spec=spec).SerializeToString())
    model = Model()
    with grpcio_server(model) as target:
        url, body = f"grpc://{target.authority}/model", str(tmp_path / "request")
        assert main(["bench", url, *SHORT, "--body", body]) == 0
    assert {each.model_spec.signature_name for each in model.asked} == {"mine"}


def test_a_refused_first_call_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.npy").write_bytes(b"")
    np.save(tmp_path / "x.npy", np.zeros(1))
    with grpcio_server(Model()) as target:
        url = f"grpc://{target.authority}/none"
        assert main(["bench", url, *SHORT, "--inputs", f"x={tmp_path}/x.npy"]) == 1
    said = capsys.readouterr().err
    assert "answers 'none' with NOT_FOUND: Servable not found" in said
    assert "grpc://HOST:PORT/MODEL" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grpc://127.0.0.1:1"], "names no model"),
        (["grpc://127.0.0.1:1/m", "-c", "4", "--concurrency", "3"], "less than the 4 connections"),
        (["http://127.0.0.1:1/m", "--concurrency", "3"], "are for grpc://"),
        (["grpc://127.0.0.1:1/m", "--inputs", "x"], "expected KEY=VALUE"),
        (["grpc://127.0.0.1:1/m"], "is the service running"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_json_is_no_request_of_grpc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "body").write_text('{"instances": [1]}')
    with grpcio_server(Model()) as target:
        url = f"grpc://{target.authority}/model"
        assert main(["bench", url, "--body", str(tmp_path / "body")]) == 1
    assert "holds JSON" in capsys.readouterr().err


def test_without_serving_default_the_first_signature_is_used() -> None:
    known = metadata(b={}, a={"x": tensor_info(3, 2)}, __saved_model_init_op={})
    assert read_signature(known) == ("a", {"x": Input(3, [2])})


@pytest.mark.parametrize("answer", [b"", b"\xff\xff", metadata()])
def test_metadata_without_signatures_is_said(answer: bytes) -> None:
    with pytest.raises(BenchError, match="metadata"):
        read_signature(answer)
