from __future__ import annotations

import json

import pytest

from eas_processor.cli.plan import _with_threads

POOLS = ("intra_op_parallelism_threads", "inter_op_parallelism_threads")


@pytest.mark.parametrize(
    ("cpu", "sizes"), [(1.0, [1, 5]), (8.0, [8, 8]), (0.5, [1, 5]), (2.6, [3, 5])]
)
def test_thread_pools_follow_cpu(cpu: float, sizes: list[int]) -> None:
    assert json.loads(_with_threads("", cpu, 5)) == dict(zip(POOLS, sizes, strict=True))


def test_model_config_comes_first() -> None:
    given = json.dumps({POOLS[0]: 8, "tags": "serve"})
    assert json.loads(_with_threads(given, 2, 1)) == {POOLS[0]: 8, POOLS[1]: 2, "tags": "serve"}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}'])
def test_without_cpu_it_stays_as_it_is(text: str) -> None:
    assert _with_threads(text, None, 5) == text


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_what_is_no_object_is_left_for_the_processor_to_refuse(text: str) -> None:
    assert _with_threads(text, 2, 5) == text
