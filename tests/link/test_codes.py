import pytest

from eas_processor.link import codes


def test_no_two_names_have_one_number():
    assert len(codes.NAMES) == len(codes.BY_NAME)
    assert codes.BY_NAME["OK"] == codes.OK == 0


@pytest.mark.parametrize("status, body", [(400, b""), (599, b"why")])
def test_a_status_of_a_processor_travels_before_its_body(status, body):
    assert codes.unpack_status(codes.pack_status(status, body)) == (status, body)
