from __future__ import annotations

from eas_prediction import TFRequest, tf_request_pb2


def test_has_every_number_of_the_enum():
    numbers = dict(tf_request_pb2.ArrayDataType.items())
    assert {name: getattr(tf_request_pb2, name) for name in numbers} == numbers
    assert tf_request_pb2.ArrayDataType.Name(TFRequest.DT_FLOAT) == "DT_FLOAT"


def test_a_request_has_those_that_have_values():
    numbers = dict(tf_request_pb2.ArrayDataType.items())
    for name in ("DT_INVALID", "DT_RESOURCE", "DT_VARIANT"):
        del numbers[name]
    assert {name: getattr(TFRequest, name) for name in numbers} == numbers
