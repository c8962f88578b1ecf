"""The errors by which a processor refuses to load, or refuses one request."""

_OK = (0, 200)
_UNRECOGNISED = 400
# HTTP answers with these statuses have no body. A client would read it as the next answer.
_WITHOUT_BODY = (204, 205, 304)


class HooksError(Exception):
    """The processor cannot be loaded, or `initialize` refused the model; the message says why."""


class OwnStatus(Exception):
    """A processor answered with an HTTP status other than success, and its own body."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def own_answer(status: int, body: bytes) -> bytes:
    """
    Return `body` if a processor's `status` is 0 or 200, which mean success.

    Raises OwnStatus for any other. A number outside 200 to 599 becomes 400.
    """
    if status in _OK:
        return body
    if not 200 <= status <= 599:
        status = _UNRECOGNISED
    raise OwnStatus(status, b"" if status in _WITHOUT_BODY else body)
