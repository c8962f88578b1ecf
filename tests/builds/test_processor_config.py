from __future__ import annotations

import json

import pytest

from eas_processor.builds.processor_config import processor_config

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
