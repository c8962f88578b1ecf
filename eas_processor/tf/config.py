"""Read `model_config`, the second argument of `initialize`: JSON text or a dict."""

import json
import logging
import re
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Set, Tuple, Union

from eas_processor.tf.errors import ModelConfigError

log = logging.getLogger(__name__)

# Keys that the engine reads: its own, and keys of DeepRec with the same meaning.
_OF_THE_ENGINE = (
    *("max_run", "retry_on_crash"),
    *("kmp_blocktime", "omp_num_threads", "session_num", "warmup_file_name"),
)
# Our keys by the names that DeepRec's processor for EAS gives them.
_SAME = {"enable_inline_execute": "run_on_caller_thread"}
_DEEPREC = re.compile(
    "select_session_policy|use_per_session_threads|checkpoint_dir|savedmodel_dir|model_store_type"
    "|model_update_.*|update_check_.*|serialize_protocol|init_timeout_minutes|model_entry"
    "|feature_store_type|redis_.*|timeline_.*|ev_.*|enable_incr.*|shard_.*|oss_.*|hdfs_.*"
    "|read_thread_num|update_thread_num|lock_timeout|use_multi_stream|gpu_ids_list"
)


class RequestLogConfig(NamedTuple):
    """
    The settings of a request log.

    `prefix` begins the paths of its files. `sampling_rate` is the share of requests that are
    logged, from 0 to 1. `model` and `version` are written to each record.
    """

    prefix: str
    sampling_rate: float
    model: str = ""
    version: int = 0


class ModelConfig:
    """
    The settings of one model, as attributes with the names of the keys in `model_config`.

    docs/configuration.md describes each key. These values have a special meaning:

        cpus                      empty: all cores (the key is `cpusets`)
        gpu_memory_fraction       0: all memory of a GPU
        *_parallelism_threads     0: TensorFlow chooses
        max_batch_rows            0: no limit
        max_request_rows          0: no limit
        allowed_batch_sizes       empty: any size; else in ascending order
        num_request_iterations_for_warmup   0: once
        outputs_by_row            True or False: for all outputs; None: the proof decides
        request_log               None: requests are not logged
        run_on_caller_thread      None: the processor measures which way is faster
        tags                      None: the only graph, or the one for serving
    """

    __slots__ = (
        "allowed_batch_sizes",
        "cpus",
        "enable_large_batch_splitting",
        "enable_model_warmup",
        "enable_signature_method_name_check",
        "enable_warm_up",
        "gpu_allow_growth",
        "gpu_memory_fraction",
        "infer_signature",
        "inter_op_parallelism_threads",
        "intra_op_parallelism_threads",
        "json_nan",
        "max_batch_rows",
        "max_request_rows",
        "num_request_iterations_for_warmup",
        "op_libraries",
        "outputs_by_row",
        "pad_variable_length_inputs",
        "prefer_tflite_model",
        "refuse_scalar_inputs",
        "request_log",
        "run_on_caller_thread",
        "signature_name",
        "strict_shapes",
        "tags",
    )

    def __init__(self) -> None:
        self.gpu_allow_growth = True
        self.gpu_memory_fraction = 0.0
        self.intra_op_parallelism_threads = 0
        self.inter_op_parallelism_threads = 0
        self.tags: Optional[Tuple[str, ...]] = None
        self.signature_name = ""
        self.strict_shapes = True
        self.run_on_caller_thread: Optional[bool] = None
        self.max_batch_rows = 0
        self.allowed_batch_sizes: Tuple[int, ...] = ()
        self.max_request_rows = 0
        self.refuse_scalar_inputs = False
        self.pad_variable_length_inputs = False
        self.enable_large_batch_splitting = False
        self.cpus: FrozenSet[int] = frozenset()
        self.enable_warm_up = False
        self.json_nan = ""
        self.outputs_by_row: Union[bool, Tuple[str, ...], None] = None
        self.op_libraries: Tuple[str, ...] = ()
        self.infer_signature = False
        self.enable_model_warmup = False
        self.num_request_iterations_for_warmup = 0
        self.request_log: Optional[RequestLogConfig] = None
        self.prefer_tflite_model = False
        self.enable_signature_method_name_check = False

    def by_row(self, output: str) -> Optional[bool]:
        """Return whether `outputs_by_row` says that an output is by row, or None."""
        if isinstance(self.outputs_by_row, tuple):
            return True if output in self.outputs_by_row else None
        return self.outputs_by_row


def read_model_config(given: Union[str, Dict[str, Any], None]) -> ModelConfig:
    """
    Read the settings from a dict, or from JSON text that may be empty.

    Unknown keys are logged. Raises ModelConfigError.
    """
    config = ModelConfig()
    without_effect = []
    for key, value in _parse(given).items():
        ours = _SAME.get(key, key)
        if ours in _READERS:
            setattr(config, ours, _READERS[ours](key, value))
        elif key == "cpusets":
            config.cpus = _read_cpus(key, value)
        elif _DEEPREC.fullmatch(key):
            without_effect.append(key)
        elif key not in _OF_THE_ENGINE:
            log.warning("model_config.%s is unknown; known keys: %s", key, ", ".join(_READERS))
    if without_effect:
        log.warning("model_config: keys of DeepRec without effect: %s", ", ".join(without_effect))
    return config


def _parse(given: Union[str, Dict[str, Any], None]) -> Any:
    if isinstance(given, dict):
        # Paths become text, and tuples become lists.
        given = json.dumps(given, default=str)
    if not isinstance(given, (str, type(None))):
        kind = type(given).__name__
        raise ModelConfigError(f"model_config: expected a dict, JSON text or None, got {kind}")
    text = given or ""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelConfigError(f"model_config is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelConfigError(f"model_config: expected a JSON object, got {text.strip()[:80]}")
    return value


def _refusal(key: str, expected: str, value: Any) -> ModelConfigError:
    return ModelConfigError(f"model_config.{key}: expected {expected}, got {json.dumps(value)}")


def _read_count(key: str, value: Any) -> int:
    if isinstance(value, (int, str)) and not isinstance(value, bool) and str(value).isdecimal():
        return int(value)
    raise _refusal(key, "a whole number, 0 or more", value)


def _read_fraction(key: str, value: Any) -> float:
    try:
        fraction = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        fraction = -1.0
    if 0 <= fraction <= 1:
        return fraction
    raise _refusal(key, "a number from 0 to 1", value)


def _read_bool(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _refusal(key, "true or false", value)


def _read_text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _refusal(key, "text", value)


def _read_json_nan(key: str, value: Any) -> str:
    if value in ("null", "string", "error"):
        return str(value)
    raise _refusal(key, "'null', 'string' or 'error'", value)


def _read_tags(key: str, value: Any) -> Optional[Tuple[str, ...]]:
    """Read the tags of a graph. An empty list means the graph without tags, an empty text None."""
    tags = _read_texts(key, "a list of tags", value)
    return tags if tags or isinstance(value, (list, tuple)) else None


def _read_libraries(key: str, value: Any) -> Tuple[str, ...]:
    return _read_texts(key, "a list of files and packages", value)


def _read_texts(key: str, expected: str, value: Any) -> Tuple[str, ...]:
    texts: List[Any] = value.split(",") if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return tuple(text.strip() for text in texts if text.strip())
    raise _refusal(key, f"{expected}, or one text with commas", value)


def _read_cpus(key: str, value: Any) -> FrozenSet[int]:
    """Read cores such as `0-3;4-7`, which DeepRec divides among its sessions; we use them all."""
    cpus: Set[int] = set()
    for part in re.split("[;,]", value) if isinstance(value, str) and value else []:
        found = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part)
        if found is None:
            raise _refusal(key, "cores such as '0-3;4-7'", value)
        first, last = int(found.group(1)), int(found.group(2) or found.group(1))
        cpus.update(range(first, last + 1))
    if not cpus:
        raise _refusal(key, "cores such as '0-3;4-7'", value)
    return frozenset(cpus)


def _read_sizes(key: str, value: Any) -> Tuple[int, ...]:
    if isinstance(value, list) and all(type(size) is int and size > 0 for size in value):
        return tuple(sorted(set(value)))
    raise _refusal(key, "a list of numbers of rows above 0", value)


def _read_outputs(key: str, value: Any) -> Union[bool, Tuple[str, ...]]:
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    try:
        return _read_bool(key, value)
    except ModelConfigError:
        raise _refusal(key, "true, false or a list of names of outputs", value) from None


def _read_request_log(key: str, value: Any) -> Optional[RequestLogConfig]:
    expected = 'such as {"prefix": "/logs/m", "sampling_rate": 0.1, "model": "m", "version": 1}'
    if value is None:
        return None
    if not isinstance(value, dict) or not set(value) <= set(RequestLogConfig._fields):
        raise _refusal(key, expected, value)
    try:
        found = RequestLogConfig(**value)
        rate = float(found.sampling_rate)
        if not (isinstance(found.prefix, str) and found.prefix and 0 <= rate <= 1):
            raise ValueError
        return found._replace(
            sampling_rate=rate, model=str(found.model), version=int(found.version)
        )
    except (TypeError, ValueError):
        raise _refusal(key, expected, value) from None


_READERS = {
    "enable_warm_up": _read_bool,
    "json_nan": _read_json_nan,
    "gpu_allow_growth": _read_bool,
    "gpu_memory_fraction": _read_fraction,
    "intra_op_parallelism_threads": _read_count,
    "inter_op_parallelism_threads": _read_count,
    "tags": _read_tags,
    "signature_name": _read_text,
    "strict_shapes": _read_bool,
    "run_on_caller_thread": _read_bool,
    "max_batch_rows": _read_count,
    "allowed_batch_sizes": _read_sizes,
    "max_request_rows": _read_count,
    "refuse_scalar_inputs": _read_bool,
    "pad_variable_length_inputs": _read_bool,
    "enable_large_batch_splitting": _read_bool,
    "outputs_by_row": _read_outputs,
    "op_libraries": _read_libraries,
    "infer_signature": _read_bool,
    "enable_model_warmup": _read_bool,
    "num_request_iterations_for_warmup": _read_count,
    "request_log": _read_request_log,
    "prefer_tflite_model": _read_bool,
    "enable_signature_method_name_check": _read_bool,
}
