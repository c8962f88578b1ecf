from __future__ import annotations

import pytest
from fixtures.serving_messages import new, parsed, predict_request, tensor

from eas_processor.contracts.refusals import BadRequest
from eas_processor.frontends.grpc.model_spec import (
    ModelSpec,
    add_version,
    first_field,
    read_spec,
    write_spec,
)

SPEC = new("ModelSpec", name="m", signature_name="s").SerializeToString()
INPUTS = new("PredictRequest", inputs=[new("InputsEntry", key="x", value=tensor(1, [2]))])
BEHIND = INPUTS.SerializeToString() + predict_request("s").SerializeToString()


def pieces(message: bytes, size: int) -> list[bytes]:
    return [message[at : at + size] for at in range(0, len(message), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("message", [BEHIND, predict_request("s").SerializeToString()])
def test_the_spec_is_found_wherever_it_stands(message: bytes, size: int) -> None:
    assert first_field(pieces(message, size)) == SPEC


def test_a_spec_in_two_parts_is_merged() -> None:
    first = new("PredictRequest", model_spec=new("ModelSpec", name="m")).SerializeToString()
    second = new("PredictRequest", model_spec=new("ModelSpec", signature_name="s"))
    for body in ([first + second.SerializeToString()], [first, second.SerializeToString()]):
        assert read_spec(first_field(body)) == ModelSpec("m", None, "", "s")


@pytest.mark.parametrize(
    "body",
    [
        [b"\x0a\x05m"],
        [b"\x0a", b"\x05", b"m"],
        [b"\x0b"],
        [b"\x80"],
        [b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"],
        [b"\x10\x01" * 10_001],
        [b"\x10\x01"] * 10_001,
    ],
)
def test_what_is_no_message_is_refused(body: list[bytes]) -> None:
    with pytest.raises(BadRequest, match="the message cannot be read"):
        first_field(body)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "m"}, ModelSpec("m")),
        ({"name": "m", "version": new("Int64Value", value=7)}, ModelSpec("m", 7)),
        ({"name": "m", "version": new("Int64Value")}, ModelSpec("m", 0)),
        ({"name": "m", "version": new("Int64Value", value=-1)}, ModelSpec("m", -1)),
        ({"name": "ü", "version_label": "canary"}, ModelSpec("ü", None, "canary")),
    ],
)
def test_specs_are_read(given: dict[str, object], expected: ModelSpec) -> None:
    assert read_spec(new("ModelSpec", **given).SerializeToString()) == expected


def test_of_version_and_label_the_last_counts() -> None:
    version = new("ModelSpec", version=new("Int64Value", value=7)).SerializeToString()
    label = new("ModelSpec", version_label="canary").SerializeToString()
    assert read_spec(version + label) == ModelSpec("", None, "canary")
    assert read_spec(label + version) == ModelSpec("", 7)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(BadRequest, match="model_spec cannot be read"):
        read_spec(b"\x0a\x01\xff")


def test_a_spec_is_written_with_its_version() -> None:
    read = parsed("ModelSpec", write_spec("m", 123, "serving_default"))
    assert (read.name, read.version.value, read.signature_name) == ("m", 123, "serving_default")
    # Version 0 is one too: the message is there, and empty.
    assert parsed("ModelSpec", write_spec("m", 0, "")).HasField("version")


def test_each_result_gets_its_version() -> None:
    spec = new("ModelSpec", name="m", signature_name="s")
    results = [new("InferenceResult", model_spec=spec) for _ in range(2)]
    response = new("MultiInferenceResponse", results=results).SerializeToString()
    read = parsed("MultiInferenceResponse", add_version(response, 9)).results
    shown = [(r.model_spec.name, r.model_spec.signature_name) for r in read]
    assert shown == [("m", "s")] * 2
    assert [r.model_spec.version.value for r in read] == [9, 9]
