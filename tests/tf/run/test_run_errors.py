import time

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelRefusal, RunError
from eas_processor.tf.run.run_errors import clean, translate
from eas_processor.tf.runtime import tf, v1


@pytest.mark.parametrize(
    "message, sentence",
    [
        ("indices[0] = 5 is not in [0, 2)\n\t [[{{node ga}}]]", "indices[0] = 5 is not in [0, 2)"),
        ("bad\n\t [[node y (defined at a.py:3) ]]\n\nErrors may have", "bad"),
        ("{{function_node __f_1}} {{node y}} bad\n\t [[{{node y}}]]", "bad"),
        ("bad [[{{function_node f}}{{node y}}]]", "bad"),
        ("bad\n\nOriginal stack trace for 'y':\n  File a.py", "bad"),
        (
            "2 root error(s) found.\n  (0) Invalid argument: bad\n\t [[{{node a}}]]\n"
            "  (1) Invalid argument: bad\n\t [[{{node b}}]]",
            "bad",
        ),
        ("two\n  lines", "two lines"),
    ],
)
def test_node_names_are_cut(message, sentence):
    assert clean(message) == sentence


def test_a_variable_that_was_not_restored_has_a_hint():
    error = translate(tf.errors.FailedPreconditionError(None, None, "Could not find variable w."))
    assert str(error).endswith(
        "variable w. (a Keras 3 model is written for serving by `model.export(path)`)"
    )


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("InvalidArgumentError", ModelRefusal),
        ("OutOfRangeError", ModelRefusal),
        ("ResourceExhaustedError", RunError),
        ("FailedPreconditionError", RunError),
        ("InternalError", RunError),
    ],
)
def test_whose_fault_it_is(kind, expected):
    error = translate(getattr(tf.errors, kind)(None, None, "no"))
    assert type(error) is expected
    assert str(error).endswith(": no")


@pytest.mark.parametrize(
    "value", ["a" * 50_000_000, " " * 50_000_000 + "b", "{{node " * 7_000_000, "[[" * 25_000_000]
)
def test_a_value_that_tensorflow_quotes_is_cut(value):
    start = time.perf_counter()
    sentence = str(translate(tf.errors.InvalidArgumentError(None, None, "bad value: " + value)))
    assert time.perf_counter() - start < 2  # 0.03 s; blanks took quadratic time
    assert sentence.startswith("the model refused the request: bad value:")
    assert len(sentence) < 1100


@pytest.mark.parametrize("config", ["", '{"run_on_caller_thread": true}'])
def test_a_value_that_tensorflow_cannot_quote_is_refused(load, request_of, caplog, config):
    def build():
        s = v1.placeholder(tf.string, [None], name="s")
        return {"serving_default": ({"s": s}, {"y": v1.string_to_number(s)})}

    model = load(build, config)
    sent = [request_of({"s": np.array([each], object)}) for each in (b"1", b"\xffzz", b"3")]
    for _ in range(3):
        first, refused, last = hooks.batch_process(model, sent)
        assert isinstance(refused, ModelRefusal)
        assert refused.code == "INVALID_ARGUMENT"
        assert str(refused).startswith("the model refused the request: StringToNumberOp could not")
        assert "ffzz" in str(refused)
        str(refused).encode()
        assert [wire.decode_response(each)["y"].array.tolist() for each in (first, last)] == [
            [1.0],
            [3.0],
        ]
    with pytest.raises(ModelRefusal):
        hooks.process(model, sent[1])
    assert "Traceback" not in caplog.text
