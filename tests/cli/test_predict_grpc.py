from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import need

grpc = need.module("grpc")

from fixtures.grpc_model import GrpcModel  # noqa: E402 - it needs grpcio

import eas_wire as wire  # noqa: E402
from eas_processor.cli.main import main  # noqa: E402
from eas_processor.cli.predict_grpc import Address, read_address  # noqa: E402
from eas_processor.errors import CallError  # noqa: E402

FLOATS = {"x": (wire.DT_FLOAT, [-1, 2])}


@pytest.fixture
def model() -> Any:
    model = GrpcModel()
    model.signatures["serving_default"] = (FLOATS, FLOATS)
    yield model
    model.close()


@pytest.fixture
def url(model: Any) -> str:
    return f"grpc://{model.target}/half"


def test_a_literal_and_json(
    model: Any, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EAS_TOKEN", "s3cret")
    assert main(["predict", url, "--input", "[(1, 2.5)]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"x": [[1.0, 2.5]]}
    received = model.received[0]
    assert received.request.model_spec.name == "half"
    assert received.metadata["authorization"] == "s3cret"
    assert 25 < received.seconds <= 30.1


def test_from_file_to_file(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.arange(10).reshape(5, 2)
    np.save(tmp_path / "x.npy", x)
    source, target = f"x=@{tmp_path / 'x.npy'}", tmp_path / "y.npy"
    assert main(["predict", url, "-i", source, "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: x [5, 2]\n"
    np.testing.assert_array_equal(np.load(target), x.astype(np.float32))


def test_a_version_and_a_signature(model: Any, url: str) -> None:
    model.signatures["other"] = ({"s": (wire.DT_STRING, [-1]), "n": (wire.DT_INT64, [])}, {})
    words = ["-i", "s=['a']", "-i", "n=3", "--signature", "other", "--fetch", "n"]
    assert main(["predict", f"{url}/versions/7", *words]) == 0
    request = model.received[0].request
    spec = request.model_spec
    assert (spec.version.value, spec.signature_name) == (7, "other")
    assert {each.key: each.value.dtype for each in request.inputs} == {
        "s": wire.DT_STRING,
        "n": wire.DT_INT64,
    }
    assert list(request.output_filter) == ["n"]


def test_a_server_without_metadata(
    model: Any, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model.metadata_failure = (grpc.StatusCode.UNIMPLEMENTED, "no metadata here")
    assert main(["predict", url, "-i", "x=[1.5]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"x": [1.5]}


def test_the_signature(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signature", f"{url}/labels/canary"]) == 0
    assert "signature serving_default\n  input x: DT_FLOAT [-1, 2]\n" in capsys.readouterr().out


def test_what_is_wrong_is_said(model: Any, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    model.failures = [(grpc.StatusCode.UNAUTHENTICATED, "no token")]
    assert main(["predict", url, "-i", "x=[[1, 2]]"]) == 1
    said = "UNAUTHENTICATED: no token; give the service's token with --token or EAS_TOKEN"
    assert said in capsys.readouterr().err
    assert main(["predict", url, "-i", "x=[[1, 2]]", "--max-rows", "1"]) == 1
    assert "--max-rows: a grpc:// address takes a batch of any size" in capsys.readouterr().err
    assert main(["signature", url, "--signature", "no"]) == 1
    assert "no signature 'no'; the model has 'serving_default'" in capsys.readouterr().err
    http = ["signature", "http://127.0.0.1:1/api/predict/a", "--signature", "other"]
    assert main(http) == 1
    assert "--signature: only a grpc:// address has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("grpc://h:1/m", Address("h:1", "m")),
        ("grpcs://h/m/", Address("https://h", "m")),
        ("grpc://h:1/m/versions/3", Address("h:1", "m", 3)),
        ("grpc://h:1/m/labels/stable", Address("h:1", "m", None, "stable")),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    "url",
    ["grpc://h:1", "grpc:///m", "grpc://h:1/m/versions/x", "grpc://h:1/m/labels", "grpc://h/m/a/b"],
)
def test_an_address_that_names_no_model(url: str) -> None:
    with pytest.raises(CallError, match="expected grpc://HOST:PORT/NAME"):
        read_address(url)
