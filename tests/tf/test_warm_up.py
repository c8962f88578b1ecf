"""Warm-up requests of a model: every log type, limits, and errors that fail the load."""

import os
import shutil

import pytest
from fixtures import need
from fixtures.serving_messages import example, input_of, new, predict_request, tensor

need.module("tensorflow")

from eas_processor.codecs.tfrecord import write_record
from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelError
from eas_processor.tf.warm_up import MAX_RECORDS, WARM_UP_FILE, warm_up

INPUT = input_of(example(x=[2.0]), example(x=[4.0]))


class Counting:
    """A model that counts its runs."""

    def __init__(self, model):
        self._model = model
        self.runs = 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def run(self, plan, arrays):
        self.runs += 1
        return self._model.run(plan, arrays)


@pytest.fixture(scope="module")
def half_plus_two():
    """Half plus two, loaded once, and its directory."""
    directory = os.path.join(os.path.dirname(__file__), "data", "tfs")
    directory = os.path.join(directory, "saved_model_half_plus_two_cpu", "00000123")
    return hooks.initialize(directory, ""), directory


@pytest.fixture
def replay(half_plus_two, tmp_path):
    """Warm the model up with the content of a file; return the number of runs."""

    def run(content, iterations=1):
        path = tmp_path / WARM_UP_FILE
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        model = Counting(half_plus_two[0])
        warm_up(model, str(tmp_path), iterations)
        return model.runs

    return run


def record(**log):
    return write_record(new("PredictionLog", **log).SerializeToString())


def predict(**inputs):
    inputs = inputs or {"x": tensor(1, [1], float_val=[2])}
    return record(predict_log=new("PredictLog", request=predict_request(model="other", **inputs)))


def spec(signature_name):
    return new("ModelSpec", name="other", signature_name=signature_name)


def task(signature_name, method):
    method = "tensorflow/serving/" + method
    return new("InferenceTask", model_spec=spec(signature_name), method_name=method)


def test_every_type_of_log_is_replayed(replay, caplog):
    caplog.set_level("INFO")
    classify = new("ClassificationRequest", model_spec=spec("classify_x_to_y"), input=INPUT)
    regress = new("RegressionRequest", model_spec=spec("regress_x_to_y"), input=INPUT)
    tasks = [task("classify_x_to_y", "classify"), task("regress_x_to_y", "regress")]
    several = new("MultiInferenceRequest", tasks=tasks, input=INPUT)
    content = b"".join(
        [
            predict(),
            record(classify_log=new("ClassifyLog", request=classify)),
            record(regress_log=new("RegressLog", request=regress)),
            record(multi_inference_log=new("MultiInferenceLog", request=several)),
            record(),
        ]
    )
    assert replay(content) == 4
    assert replay(content, iterations=3) == 12
    assert "Starting to read warmup data for model at " in caplog.text
    assert "Finished reading warmup data for model at " in caplog.text
    assert "Number of warmup records read: 5. " in caplog.text


def test_a_model_without_the_file_is_ready(half_plus_two, tmp_path, caplog):
    caplog.set_level("INFO")
    warm_up(half_plus_two[0], str(tmp_path), 1)
    assert "No warmup data file found at %s" % (tmp_path / WARM_UP_FILE) in caplog.text


def test_a_thousand_records_and_no_more(replay):
    nothing = record()
    assert replay(nothing * MAX_RECORDS) == 0
    with pytest.raises(ModelError, match=r"Number of warmup records exceeds the maximum \(1000\)"):
        replay(nothing * (MAX_RECORDS + 1))


@pytest.mark.parametrize("content", [b"no TFRecord at all", predict()[:-1]])
def test_what_is_no_tfrecord_has_a_hint(replay, content):
    with pytest.raises(ModelError, match="Please verify your warmup data is in TFRecord format"):
        replay(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (predict(x=tensor(7, [1], string_val=[b"a"])), "input 'x': expected DT_FLOAT"),
        (predict(w=tensor(1, [1])), "Signature input alias: x not found"),
        (write_record(b"{}"), "is not a PredictionLog"),
        (record(session_run_log=new("SessionRunLog")), "Unsupported log_type for warmup: 5"),
    ],
)
def test_a_record_that_fails_is_named(replay, content, said):
    with pytest.raises(ModelError, match="warmup record 1 of ") as caught:
        replay(predict() + content)
    assert said in str(caught.value)


def test_only_a_model_that_is_asked_to_reads_it(half_plus_two, tmp_path):
    directory = tmp_path / "1"
    shutil.copytree(half_plus_two[1], str(directory))
    (directory / WARM_UP_FILE).parent.mkdir()
    (directory / WARM_UP_FILE).write_bytes(b"no TFRecord at all")
    hooks.initialize(str(directory), {})
    with pytest.raises(ModelError, match="TFRecord format"):
        hooks.initialize(str(directory), {"enable_model_warmup": True})


def test_what_loading_took_is_told(half_plus_two, tmp_path):
    model, directory = half_plus_two
    facts = hooks.get_load_facts(model)
    assert list(facts) == ["load_seconds"]
    assert 0 < facts["load_seconds"] < 60
    shutil.copytree(directory, str(tmp_path / "1"))
    path = tmp_path / "1" / WARM_UP_FILE
    path.parent.mkdir()
    path.write_bytes(predict() * 2)
    facts = hooks.get_load_facts(
        hooks.initialize(str(tmp_path / "1"), {"enable_model_warmup": True})
    )
    assert facts["warm_up_records"] == 2
    assert facts["warm_up_seconds"] > 0
