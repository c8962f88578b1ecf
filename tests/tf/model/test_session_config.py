from fixtures import need

need.module("tensorflow")

from eas_processor.tf import hooks
from eas_processor.tf.config import read_model_config
from eas_processor.tf.model.session_config import session_config
from eas_processor.tf.runtime import tf, v1


def test_gpu_memory_grows_unless_told_otherwise():
    assert session_config(read_model_config("")).gpu_options.allow_growth is True
    config = read_model_config('{"gpu_allow_growth": false}')
    assert session_config(config).gpu_options.allow_growth is False


def test_a_share_of_the_gpu_memory_is_passed_on():
    config = session_config(read_model_config('{"gpu_memory_fraction": 0.25}'))
    assert config.gpu_options.per_process_gpu_memory_fraction == 0.25


def test_gpu_settings_do_no_harm_without_a_gpu(save_model, predict):
    import numpy as np

    def double():
        x = v1.placeholder(tf.float32, [None], name="x")
        return {"serving_default": ({"x": x}, {"y": x * 2.0})}

    model = hooks.initialize(save_model(double), '{"gpu_memory_fraction": 0.5}')
    assert predict(model, {"x": np.ones(2, np.float32)})["y"].tolist() == [2, 2]


def test_an_op_may_run_on_another_device_than_its_own():
    assert session_config(read_model_config("")).allow_soft_placement is True
