from __future__ import annotations

import hashlib

import pytest

from eas_prediction.exception import InvalidRequest
from eas_prediction.request import Request, body_of


class Fixed(Request):
    def __init__(self, source):
        self.source = source

    def to_string(self):
        return self.source


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("größer", "größer".encode()),
        (b"a\0b", b"a\0b"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        ("", b""),
    ],
)
def test_bodies(source, data):
    body = body_of(Fixed(source))
    assert (body.data, body.md5) == (data, hashlib.md5(data).hexdigest())


def test_the_same_source_is_encoded_once():
    request = Fixed("text")
    assert body_of(request) is body_of(request)


def test_another_source_is_encoded_anew():
    request = Fixed("old")
    body_of(request)
    request.source = "new"
    assert body_of(request).data == b"new"


def test_what_can_change_in_place_is_encoded_every_time():
    request = Fixed(bytearray(b"old"))
    body_of(request)
    request.source[:] = b"new"
    assert body_of(request).data == b"new"


def test_a_class_of_ones_own_will_do():
    class Stranger:
        def to_string(self):
            return b"ab"

    assert body_of(Stranger()).data == b"ab"


def test_other_objects_are_no_requests():
    with pytest.raises(InvalidRequest, match="takes a request such as TFRequest, got dict"):
        body_of({})
    with pytest.raises(InvalidRequest, match="expected bytes or str, got int"):
        body_of(Fixed(1))


@pytest.mark.parametrize("call", [Request().to_string, lambda: Request().parse_response(b"")])
def test_the_base_says_what_to_define(call):
    with pytest.raises(NotImplementedError, match=r"Request\.\w+\(\) must be defined"):
        call()
