from __future__ import annotations

import pytest

from eas_processor.app.peers import peer_of
from eas_processor.contracts.settings import Peer


def test_an_address_with_and_without_a_weight() -> None:
    assert peer_of("10.0.0.2:8080") == Peer("10.0.0.2", 8080, 100)
    assert peer_of("model-1.example:80=5") == Peer("model-1.example", 80, 5)
    assert peer_of("[::1]:80=0") == Peer("[::1]", 80, 0)


@pytest.mark.parametrize(
    "text", ["", "h", "h:", ":80", "h:0", "h:65536", "h:80=", "h:80=-1", "http://h:80", "h:80\n"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected HOST:PORT"):
        peer_of(text)
