from __future__ import annotations

import pytest

from eas_processor.builds.catalogue import find_entry, known_processors
from eas_processor.builds.vendor_names import what_it_is
from eas_processor.errors import BuildError

AT_PAI = [
    *("pmml", "xgboost", "pytorch_cpu_1.6", "pytorch_gpu_1.6", "caffe_cpu", "caffe_gpu"),
    *("parameter_sever", "alink_pai_processor", "xnn_cpu", "easy_vision_cpu_tf1.12_torch151"),
    *("easytransfer_cpu", "easynlp", "easycv", "blade_cpu", "blade_cuda10.0_beta", "mediaflow"),
    *("triton", "easyrec-2.4", "easyrec-torch-1.0", "onnx_cu100"),
]


@pytest.mark.parametrize("name", [*AT_PAI, "PMML"])
def test_a_name_of_the_vendor_says_what_it_is_and_what_to_use(name: str) -> None:
    with pytest.raises(BuildError) as caught:
        find_entry(name)
    said = str(caught.value)
    assert said.startswith(f"processor: {name!r} serves ")
    assert "at PAI-EAS" in said and "'tensorflow_cpu'" in said


def test_blades_own_processor_says_where_its_library_is_named() -> None:
    said = what_it_is("blade_cpu")
    assert said.endswith("where model_config.op_libraries names Blade's library")


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("tensorflow", "'tensorflow_cpu' or 'tensorflow_gpu'"),
        ("TensorFlow", "'tensorflow_cpu' or 'tensorflow_gpu'"),
        ("TensorFlow_CPU", "'tensorflow_cpu'"),
        ("tf_gpu", "'tensorflow_gpu'"),
        ("tensorflow-cpu", "'tensorflow_cpu'"),
    ],
)
def test_tensorflow_without_device_or_misspelt_says_what_to_write(name: str, use: str) -> None:
    with pytest.raises(BuildError) as caught:
        find_entry(name)
    assert f"processor: {name!r} " in str(caught.value)
    assert f"; write {use} for" in str(caught.value)


@pytest.mark.parametrize("name", [*known_processors(), "tensorflow_cpu_1.16", "digits"])
def test_any_other_is_left_to_the_catalogue(name: str) -> None:
    assert name in ("tensorflow_cpu", "tensorflow_gpu") or what_it_is(name) == ""
