"""Names of PAI-EAS processors that are not builds here, and what to use instead."""

from __future__ import annotations

import re

_OTHERS = {
    "alink_pai_processor": "Alink pipelines",
    "blade": "models optimised by PAI-Blade",
    "caffe": "Caffe models",
    "easy_vision": "EasyVision models",
    "easycv": "EasyCV models",
    "easynlp": "EasyNLP models",
    "easyrec": "EasyRec models",
    "easytransfer": "EasyTransfer models",
    "huggingface": "Hugging Face models",
    "mediaflow": "MediaFlow pipelines",
    "onnx": "ONNX models",
    "parameter_server": "parameter server models",
    "parameter_sever": "parameter server models",
    "pmml": "PMML models",
    "pytorch": "PyTorch models",
    "torch": "PyTorch models",
    "triton": "the models of a Triton server",
    "xgboost": "XGBoost models",
    "xnn": "XNN models",
}
_TENSORFLOW = re.compile(
    r"(?:tensorflow|tf)(?:[_-]?(cpu|gpu))?(?:[_-]?(\d+\.\d+)\S*)?", re.IGNORECASE
)


def _blade(name: str) -> str:
    return (
        f"{name!r} serves {_OTHERS['blade']} at PAI-EAS; a TensorFlow model of those is served by "
        "'tensorflow_cpu' or 'tensorflow_gpu', or one of their versions, where "
        "model_config.op_libraries names Blade's library"
    )


def what_it_is(name: str) -> str:
    """Return what `name` means at PAI-EAS and what to use instead, or '' for other names."""
    lower = name.strip().lower()
    # The longest name first, in case one name begins with another.
    for known in sorted(_OTHERS, key=len, reverse=True):
        if re.match(rf"{known}(?![a-z])", lower):
            if known == "blade":
                return _blade(name)
            return (
                f"{name!r} serves {_OTHERS[known]} at PAI-EAS, which are not served here; "
                "export the model as a TensorFlow SavedModel or frozen graph, and name "
                "'tensorflow_cpu' or 'tensorflow_gpu'; or serve it by code of your own, which "
                "processor_path names (docs/processors.md)"
            )
    found = _TENSORFLOW.fullmatch(lower)
    if found is None:
        return ""
    device, version = found.groups()
    if version:
        return ""  # the catalogue knows the nearest version
    if device:
        use, why = f"'tensorflow_{device}'", "is not spelt so"
    else:
        use, why = "'tensorflow_cpu' or 'tensorflow_gpu'", "does not say for which device"
    return (
        f"{name!r} {why}; write {use} for the newest TensorFlow here, or a name with a version, "
        "such as 'tensorflow_cpu_1.15'"
    )
