"""Whether a request carries the service's token."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from eas_processor.contracts.refusals import Unauthorized

_MISSING = "no token came with the request; send it as `Authorization: <token>`"
_WRONG = "the token in `Authorization` is not the token of this service"
_WRONG_SIGNATURE = "the `EAS` signature was not made with this service's token for these headers"


class TokenCheck:
    """
    Checks `Authorization` in the three forms that clients of EAS send.

    The token itself, `Bearer <token>`, or `EAS <signature>`: base64 of HMAC-SHA1, keyed with the
    token, over method, Content-MD5, Content-Type, Date and path. The signature is checked over the
    headers as they came: SDKs send local time as GMT, and an MD5 that is short or of other bytes.
    A `previous` token is let in as well, while clients change over.
    """

    def __init__(self, token: str, name: str, previous: str = "") -> None:
        self._tokens = [each.encode() for each in (token, previous) if each] if token else []
        self._service_path = f"/api/predict/{name}".encode()

    def refusal(
        self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]
    ) -> Unauthorized | None:
        """
        Return why the request is not let in, or None.

        `target` is the request target as received, `headers` has lower-case names.
        """
        if not self._tokens:
            return None
        given = headers.get(b"authorization")
        if given is None:
            return Unauthorized(_MISSING)
        # Both are compared: a token may itself begin with `Bearer `.
        bare = given[7:] if given[:7].lower() == b"bearer " else given
        for token in self._tokens:
            if hmac.compare_digest(given, token) or hmac.compare_digest(bare, token):
                return None
        if given.startswith(b"EAS "):
            return self._check_signature(given[4:].strip(), method, target, headers)
        return Unauthorized(_WRONG)

    def _check_signature(
        self, given: bytes, method: bytes, target: bytes, headers: Mapping[bytes, bytes]
    ) -> Unauthorized | None:
        signed = [
            method,
            *(headers.get(name, b"") for name in (b"content-md5", b"content-type", b"date")),
        ]
        # Go's and Java's SDKs sign path and query; Python's the service's path, whatever it calls.
        for path in {target, target.partition(b"?")[0], self._service_path}:
            text = b"\n".join([*signed, path]).strip()
            for token in self._tokens:
                expected = base64.b64encode(hmac.new(token, text, hashlib.sha1).digest())
                if hmac.compare_digest(given, expected):
                    return None
        return Unauthorized(_WRONG_SIGNATURE)
