"""Checks the token of a request, in the forms that clients of EAS send."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from eas_processor.contracts.refusals import Unauthorized
from eas_processor.serving.tokens import Tokens

_MISSING = "the request has no token; send it as `Authorization: <token>`"
_WRONG = "wrong token: the token in `Authorization` is not the token of this service"
_WRONG_SIGNATURE = (
    "wrong token: the `EAS` signature was not made with this service's token for these headers"
)


def token_refusal(
    tokens: Tokens, name: str, method: bytes, target: bytes, headers: Mapping[bytes, bytes]
) -> Unauthorized | None:
    """
    Return the refusal if a request to the service `name` has none of `tokens`, else None.

    `Authorization` is the token itself, `Bearer <token>`, or `EAS <signature>`: base64 of
    HMAC-SHA1, keyed with the token, over method, Content-MD5, Content-Type, Date and path.
    `target` is the request target as received; `headers` has lower-case names.

    The signature is checked over the headers as received, because the SDKs send local time as GMT,
    and an MD5 that is cut off or belongs to other bytes. The Go and Java SDKs always sign
    `application/octet-stream`. The Go SDK signs the service name with a `/` at its end, if it was
    set so, until its first call.
    """
    if tokens.public:
        return None
    given = headers.get(b"authorization")
    if given is None:
        return Unauthorized(_MISSING)
    if _is_token(given, tokens):
        return None
    if not given.startswith(b"EAS "):
        return Unauthorized(_WRONG)
    md5, content_type, date = (headers.get(each, b"") for each in _SIGNED)
    signed = [b"\n".join([method, md5, content_type, date])]
    if content_type != _DEFAULT_TYPE:
        signed.append(b"\n".join([method, md5, _DEFAULT_TYPE, date]))
    if _is_signature(given[4:].strip(), tokens, signed, _signed_paths(target, name)):
        return None
    return Unauthorized(_WRONG_SIGNATURE)


def brings_token(tokens: Tokens, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request carries one of `tokens`, itself or as `Bearer <token>`."""
    return not tokens.public and _is_token(headers.get(b"authorization", b""), tokens)


def _is_token(given: bytes, tokens: Tokens) -> bool:
    # Both forms are compared, because a token may itself begin with `Bearer `.
    bare = given[7:] if given[:7].lower() == b"bearer " else given
    return tokens.accepts(given) or tokens.accepts(bare)


_SIGNED = (b"content-md5", b"content-type", b"date")
_DEFAULT_TYPE = b"application/octet-stream"


def _signed_paths(target: bytes, name: str) -> list[bytes]:
    """Return the paths that the SDKs sign for a request to `target`, the likeliest first."""
    path = target.partition(b"?")[0]
    service = f"/api/predict/{name}".encode()
    # The Go and Java SDKs sign path and query. The Python SDK always signs the service's path.
    paths = [target, path, service, path + b"/"]
    if path.startswith(service + b"/"):
        paths.append(service + b"/" + path[len(service) :])
    return paths


def _is_signature(given: bytes, tokens: Tokens, signed: list[bytes], paths: list[bytes]) -> bool:
    for lines in signed:
        for path in paths:
            text = (lines + b"\n" + path).strip()
            for token in tokens.values:
                expected = base64.b64encode(hmac.new(token, text, hashlib.sha1).digest())
                if hmac.compare_digest(given, expected):
                    return True
    return False
