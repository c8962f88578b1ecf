from __future__ import annotations

from eas_prediction import StringRequest, StringResponse


def test_request_is_sent_as_it_is():
    assert StringRequest("[{}]").to_string() == "[{}]"
    assert StringRequest(b"\xff").to_string() == b"\xff"
    assert StringRequest().to_string() == ""
    assert str(StringRequest(b"[{}]")) == "[{}]"


def test_response_is_bytes_and_reads_as_text():
    response = StringRequest().parse_response('{"ü": 1}'.encode())
    assert response.response_data == '{"ü": 1}'.encode()
    assert str(response) == response.to_string() == '{"ü": 1}'
    assert str(StringResponse()) == ""
