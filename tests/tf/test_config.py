import pytest

from eas_processor.tf.config import read_model_config
from eas_processor.tf.errors import ModelConfigError


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_defaults(text):
    config = read_model_config(text)
    assert config.intra_op_parallelism_threads == 0
    assert config.inter_op_parallelism_threads == 0
    assert config.tags is None
    assert config.signature_name == ""
    assert config.strict_shapes is True
    assert config.run_on_caller_thread is None
    assert config.max_batch_rows == 0
    assert config.outputs_by_row is None


@pytest.mark.parametrize(
    "text, key, value",
    [
        ('{"intra_op_parallelism_threads": 2}', "intra_op_parallelism_threads", 2),
        ('{"inter_op_parallelism_threads": "4"}', "inter_op_parallelism_threads", 4),
        ('{"max_batch_rows": 64}', "max_batch_rows", 64),
        ('{"max_request_rows": 64}', "max_request_rows", 64),
        ('{"refuse_scalar_inputs": true}', "refuse_scalar_inputs", True),
        ('{"pad_variable_length_inputs": true}', "pad_variable_length_inputs", True),
        ('{"enable_large_batch_splitting": true}', "enable_large_batch_splitting", True),
        ('{"allowed_batch_sizes": [8, 2, 8]}', "allowed_batch_sizes", (2, 8)),
        ('{"outputs_by_row": true}', "outputs_by_row", True),
        ('{"outputs_by_row": ["y", "z"]}', "outputs_by_row", ("y", "z")),
        ('{"tags": ["serve", "gpu"]}', "tags", ("serve", "gpu")),
        ('{"tags": "serve, gpu"}', "tags", ("serve", "gpu")),
        ('{"tags": []}', "tags", ()),
        ('{"tags": ""}', "tags", None),
        ('{"signature_name": "s"}', "signature_name", "s"),
        ('{"strict_shapes": false}', "strict_shapes", False),
        ('{"strict_shapes": "False"}', "strict_shapes", False),
        ('{"run_on_caller_thread": true}', "run_on_caller_thread", True),
        ('{"gpu_allow_growth": false}', "gpu_allow_growth", False),
        ('{"gpu_memory_fraction": 0.5}', "gpu_memory_fraction", 0.5),
        ('{"gpu_memory_fraction": "1"}', "gpu_memory_fraction", 1.0),
        ('{"enable_warm_up": true}', "enable_warm_up", True),
        ('{"enable_model_warmup": true}', "enable_model_warmup", True),
        ('{"prefer_tflite_model": true}', "prefer_tflite_model", True),
        (
            '{"enable_signature_method_name_check": true}',
            "enable_signature_method_name_check",
            True,
        ),
        ('{"request_log": {"prefix": "/l", "sampling_rate": 1}}', "request_log", ("/l", 1, "", 0)),
        ('{"request_log": null}', "request_log", None),
        (
            '{"num_request_iterations_for_warmup": 3}',
            "num_request_iterations_for_warmup",
            3,
        ),
        ('{"json_nan": "string"}', "json_nan", "string"),
        ('{"enable_inline_execute": true}', "run_on_caller_thread", True),
        ('{"enable_inline_execute": "false"}', "run_on_caller_thread", False),
        ('{"cpusets": "0-3;6, 8"}', "cpus", {0, 1, 2, 3, 6, 8}),
    ],
)
def test_values(text, key, value):
    assert getattr(read_model_config(text), key) == value


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("threads=2", "model_config is not JSON: "),
        ("[1]", "model_config: expected a JSON object, got [1]"),
        (
            '{"intra_op_parallelism_threads": -1}',
            "model_config.intra_op_parallelism_threads: expected a whole number, 0 or more, got -1",
        ),
        ('{"inter_op_parallelism_threads": true}', "expected a whole number, 0 or more, got true"),
        ('{"max_batch_rows": 1.5}', "model_config.max_batch_rows: expected a whole number"),
        (
            '{"gpu_memory_fraction": 1.5}',
            "gpu_memory_fraction: expected a number from 0 to 1, got 1.5",
        ),
        ('{"gpu_memory_fraction": true}', "expected a number from 0 to 1, got true"),
        ('{"strict_shapes": 1}', "model_config.strict_shapes: expected true or false, got 1"),
        ('{"signature_name": ["s"]}', 'model_config.signature_name: expected text, got ["s"]'),
        ('{"tags": [1]}', "model_config.tags: expected a list of tags"),
        (
            '{"allowed_batch_sizes": [0]}',
            "model_config.allowed_batch_sizes: expected a list of numbers of rows above 0, got [0]",
        ),
        (
            '{"outputs_by_row": [1]}',
            "outputs_by_row: expected true, false or a list of names of outputs, got [1]",
        ),
        ('{"outputs_by_row": []}', "expected true, false or a list of names of outputs, got []"),
        ('{"outputs_by_row": "y"}', "expected true, false or a list of names of outputs, got"),
        ('{"tags": {}}', "model_config.tags: expected a list of tags"),
        ('{"json_nan": null}', "model_config.json_nan: expected 'null', 'string' or 'error'"),
        ('{"cpusets": "a-b"}', "model_config.cpusets: expected cores such as '0-3;4-7', got"),
        ('{"cpusets": ""}', "model_config.cpusets: expected cores such as '0-3;4-7', got"),
        ('{"enable_inline_execute": 2}', "model_config.enable_inline_execute: expected true or"),
    ],
)
def test_refusals(text, sentence):
    with pytest.raises(ModelConfigError) as caught:
        read_model_config(text)
    assert sentence in str(caught.value)


def test_an_unknown_key_is_logged_with_the_known_ones(caplog):
    read_model_config('{"strict_shape": false, "enable_warm_up": true}')
    (record,) = caplog.records
    assert "model_config.strict_shape is unknown" in record.getMessage()
    assert "strict_shapes" in record.getMessage()


def test_keys_of_deeprec_without_effect_are_named_once(caplog):
    read_model_config(
        '{"checkpoint_dir": "/c", "timeline_start_step": 1, "session_num": 2, '
        '"omp_num_threads": 4, "warmup_file_name": "w.bin"}'
    )
    (record,) = caplog.records
    assert record.getMessage() == (
        "model_config: keys of DeepRec without effect: checkpoint_dir, timeline_start_step"
    )


@pytest.mark.parametrize(
    "log",
    [
        '{"prefix": "/l"}',
        '{"prefix": "", "sampling_rate": 1}',
        '{"prefix": "/l", "sampling_rate": 1.5}',
        '{"prefix": "/l", "sampling_rate": "all"}',
        '{"prefix": "/l", "sampling_rate": 1, "version": []}',
        '{"prefix": "/l", "sampling_rate": 1, "rate": 1}',
        '"/l"',
    ],
)
def test_a_request_log_that_is_none(log):
    with pytest.raises(ModelConfigError, match=r"model_config\.request_log: expected such as"):
        read_model_config('{"request_log": %s}' % log)
