import pytest

from eas_processor.codecs.array_proto import ArrayProto
from eas_processor.codecs.codec import Codec
from eas_processor.codecs.eas_json.codec import EasJson
from eas_processor.codecs.errors import UnknownCodec
from eas_processor.codecs.registry import find, inline_bytes, register
from eas_processor.link.frames import ARRAY_PROTO, BULK_SIZE, EAS_JSON


def test_the_numbers_are_those_of_the_link():
    assert isinstance(find(ARRAY_PROTO), ArrayProto)
    assert isinstance(find(EAS_JSON), EasJson)


def test_an_unknown_number_is_unimplemented():
    with pytest.raises(UnknownCodec, match=r"unknown codec 200: expected one of \[0, 1") as caught:
        find(200)
    assert caught.value.code == "UNIMPLEMENTED"


def test_a_number_is_given_once():
    class Another(Codec):
        number = EAS_JSON

    with pytest.raises(ValueError, match="codec 1 is taken by EasJson"):
        register(Another())
    assert isinstance(find(EAS_JSON), EasJson)


def test_json_of_the_bulk_channel_takes_long():
    assert inline_bytes(EAS_JSON) == BULK_SIZE
    assert inline_bytes(ARRAY_PROTO) == inline_bytes(200) == 0xFFFFFFFF
