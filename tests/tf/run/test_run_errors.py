import time

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelRefusal, RunError
from eas_processor.tf.run.run_errors import (
    clean,
    clean_for_clients,
    translate,
    translate_unprepared,
)
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
    said = tf.errors.FailedPreconditionError(None, None, "Could not find variable w.")
    error = translate(said, False)
    assert str(error).endswith(
        "variable w. (a Keras 3 model is written for serving by `model.export(path)`)"
    )


@pytest.mark.parametrize(
    "message, hint",
    [
        (
            "Default MaxPoolingOp only supports NHWC on device type CPU",
            "export it with channels last",
        ),
        (
            "The Conv2D op currently only supports the NHWC tensor format on the CPU.",
            "GPU processor",
        ),
        ("Table not initialized.\n\t [[{{node y}}]]", "as `main_op` or `legacy_init_op`"),
        ("Attempting to use uninitialized value w\n\t [[{{node w}}]]", "was not saved with the"),
    ],
)
def test_what_helps_a_model_is_told(message, hint):
    error = tf.errors.UnimplementedError(None, None, message)
    for told in (translate(error, False), translate_unprepared(error)):
        assert type(told) is RunError
        assert hint in str(told)


@pytest.mark.parametrize("is_request_fault, expected", [(True, ModelRefusal), (False, RunError)])
def test_whose_fault_it_is(is_request_fault, expected):
    error = translate(tf.errors.InvalidArgumentError(None, None, "no"), is_request_fault)
    assert type(error) is expected
    assert str(error).endswith(": no")


PATH = "/srv/my models/v1/words.txt"


@pytest.mark.parametrize(
    "message, sentence",
    [
        (PATH + "; No such file or directory\n\t [[{{node y}}]]", "; No such file or directory"),
        ("/etc/x/words.txt; Permission denied", "; Permission denied"),
        ("Could not read '/srv/my models/a'.", "Could not read <a path>."),
        ('file "/srv/a", line 3', "file <a path>, line 3"),
        ("error:/srv/a/b.py:12 bad", "error:<a path>:12 bad"),
        ("in (/srv/a) and [/b/c]", "in (<a path>) and [<a path>]"),
        ("3 rows/s of /job:localhost/replica:0/task:0/device:CPU:0 and a / b",) * 2,
        ("see https://host/path/x and model/dense/w",) * 2,
        (
            "ValueError: callback pyfunc_1 is not found\nTraceback (most recent call last):\n\n"
            '  File "/x/y.py", line 2, in z\n    raise ValueError("a")\n\nValueError: a\n\n\n'
            "\t [[{{node y}}]]",
            "ValueError: callback pyfunc_1 is not found",
        ),
        (
            'Traceback (most recent call last):\n  File "/x/y.py", line 2\nKeyError: 1\n',
            "KeyError: 1",
        ),
        (
            "Graph execution error:\n\nDetected at node 'y' defined at (most recent call last):\n"
            '    File "/x/y.py", line 2, in z\n'
            + "      x\n" * 2000
            + "Node: 'y'\nbad\n\t [[{{node y}}]]",
            "bad",
        ),
        (
            "Restoring from checkpoint failed. This is most likely due to a mismatch between the "
            "current graph and the graph from the checkpoint. Please ensure. Original error:\n\n"
            "Cannot assign a device for operation y: node y was\n\t [[y]]",
            "Cannot assign a device for operation y: node y was",
        ),
        ("bad\n\nCaused by op 'y', defined at:\n  File a.py", "bad"),
        ("bad\n\t [[inner_7pdIKM]]\n\t [[{{node y}}]]", "bad"),
    ],
)
def test_no_traceback_and_no_path_reaches_a_client(message, sentence):
    shown = clean_for_clients(message)
    assert shown == ("<a path>" + sentence if sentence.startswith(";") else sentence)


@pytest.mark.parametrize(
    "value", ["a" * 50_000_000, " " * 50_000_000 + "b", "{{node " * 7_000_000, "[[" * 25_000_000]
)
def test_a_value_that_tensorflow_quotes_is_cut(value):
    start = time.perf_counter()
    sentence = str(
        translate(tf.errors.InvalidArgumentError(None, None, "bad value: " + value), True)
    )
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
