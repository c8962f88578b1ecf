from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.versus_rows import ALL, SERVICES, choose, make_body
from eas_wire import decode_request


def test_every_row_has_a_service_and_a_body() -> None:
    names = [row.name for row in ALL]
    assert len(set(names)) == len(names)
    for row in ALL:
        assert row.service in SERVICES
        assert make_body(row.body).content


def test_a_row_is_compared_with_one_of_the_same_service() -> None:
    known = {row.name: row for row in ALL}
    for row in ALL:
        assert bool(row.against) == bool(row.figure)
        if row.against:
            assert known[row.against].service == row.service


def test_only_what_both_versions_do_alike_is_in_the_mean() -> None:
    loads = [f"{service}-{count}" for service in ("on", "off") for count in (1, 8, 32, 128)]
    expected = {*loads, "on-600k-8", "inline-8", "inline-32"}
    assert {row.name for row in ALL if row.in_mean} == expected


def test_rows_are_chosen_by_pattern() -> None:
    assert [row.name for row in choose(["inline-*", "on-1"])] == ["on-1", "inline-8", "inline-32"]
    with pytest.raises(ValueError, match=r"no row matches 'on-2'; there are on-1, "):
        choose(["on-1", "on-2"])


def test_bodies_have_the_sizes_they_are_named_for() -> None:
    assert decode_request(make_body("protobuf").content).inputs["images"].array.size == 784
    assert 598_000 < len(make_body("600 KB").content) < 602_000
    for name, numbers in (("JSON", 784), ("JSON image", 150_528)):
        assert np.array(json.loads(make_body(name).content)["inputs"]["images"]).size == numbers


def test_a_json_answer_is_the_same_whatever_its_digits() -> None:
    read = make_body("JSON").read
    short, long = b'{"outputs": [[0.1]]}', b'{"outputs": [[0.10000000149011612]]}'
    assert np.array_equal(read(short), read(long))
