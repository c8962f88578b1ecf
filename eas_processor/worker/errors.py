"""How a processor says no: at its load, or to one request."""

_OK = (0, 200)
_UNRECOGNISED = 400
# An answer with one of these has no body: a client would take it for the next answer's head.
_WITHOUT_BODY = (204, 205, 304)


class HooksError(Exception):
    """The processor cannot be loaded, or `initialize` refused the model: one sentence."""


class OwnStatus(Exception):
    """What a processor answers in place of a success: an HTTP status, and a body of its own."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def own_answer(status: int, body: bytes) -> bytes:
    """
    Return `body` where a processor's `status` is a success, which 0 and 200 are.

    Raises OwnStatus for any other. A number that is no status of a final answer becomes 400.
    """
    if status in _OK:
        return body
    if not 200 <= status <= 599:
        status = _UNRECOGNISED
    raise OwnStatus(status, b"" if status in _WITHOUT_BODY else body)
