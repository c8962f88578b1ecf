from __future__ import annotations

import json

import pytest

from eas_processor.builds.processor_config import (
    check_model_config,
    processor_config,
    processor_environment,
)
from eas_processor.errors import BuildError

POOLS = ("intra_op_parallelism_threads", "inter_op_parallelism_threads")


@pytest.mark.parametrize(
    ("cpu", "sizes"), [(1.0, [1, 5]), (8.0, [8, 8]), (0.5, [1, 5]), (2.6, [3, 5])]
)
def test_thread_pools_follow_cpu(cpu: float, sizes: list[int]) -> None:
    assert json.loads(processor_config("", cpu, 5, {})) == dict(zip(POOLS, sizes, strict=True))


def test_model_config_comes_first() -> None:
    given = json.dumps({POOLS[0]: 8, "tags": "serve"})
    assert json.loads(processor_config(given, 2, 1, {})) == {
        POOLS[0]: 8,
        POOLS[1]: 2,
        "tags": "serve",
    }


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}'])
def test_without_cpu_it_stays_as_it_is(text: str) -> None:
    assert processor_config(text, None, 5, {}) == text


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_what_is_no_object_is_left_for_the_processor_to_refuse(text: str) -> None:
    assert processor_config(text, 2, 5, {}) == text


def test_settings_for_cards_are_added_and_yield_to_the_files_own():
    gpus = {"gpu_allow_growth": True, "gpu_memory_fraction": 0.5}
    found = json.loads(processor_config('{"gpu_allow_growth": false}', None, 5, gpus))
    assert found == {"gpu_allow_growth": False, "gpu_memory_fraction": 0.5}


@pytest.mark.parametrize(
    ("text", "why"),
    [("threads=2", "this is not JSON (Expecting value"), ("[1]", "this is another value: '[1]'")],
)
def test_a_config_that_tensorflow_cannot_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(BuildError) as caught:
        check_model_config(text, "tensorflow_cpu_2.21")
    said = str(caught.value)
    assert said.startswith("model_config: tensorflow_cpu_2.21 reads a JSON object")
    assert why in said and text in said


@pytest.mark.parametrize("text", ["", " ", "{}", '{"a": 1}'])
def test_any_object_or_nothing_is_let_in(text: str) -> None:
    check_model_config(text, "tensorflow_cpu_2.21")


def test_variables_of_openmp_follow_the_names_of_deeprec() -> None:
    config = '{"omp_num_threads": 4, "kmp_blocktime": "1", "signature_name": "s"}'
    assert processor_environment(config) == {"OMP_NUM_THREADS": "4", "KMP_BLOCKTIME": "1"}
    assert processor_environment("") == processor_environment("no JSON") == {}
    with pytest.raises(BuildError, match=r"model_config.omp_num_threads: expected a whole number"):
        check_model_config('{"omp_num_threads": "-1"}', "tensorflow_cpu_2.21")
