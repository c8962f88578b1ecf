"""
The headers that authorize a request.

A request to a gateway address is signed: the token is the key of an HMAC-SHA1 over five lines,

    POST
    <Content-MD5>
    <Content-Type>
    <Date>
    /api/predict/<service name>[<path>][?<query>]

and is not sent itself. A request to a custom URL, whose path cannot be signed, carries the token
itself.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64encode
from email.utils import formatdate
from functools import lru_cache

DEFAULT_CONTENT_TYPE = "application/octet-stream"


def signed_headers(
    token: str, path: str, content_type: str, content_md5: str, date: str, method: str = "POST"
) -> dict[str, str]:
    """Return the headers of a request to `path`, signed with `token`."""
    lines = (method, content_md5, content_type, date, path)
    digest = hmac.digest(token.encode(), "\n".join(lines).encode(), "sha1")
    return {
        "Content-MD5": content_md5,
        "Date": date,
        "Content-Type": content_type,
        "Authorization": "EAS " + b64encode(digest).decode(),
    }


def token_headers(token: str, content_type: str, date: str) -> dict[str, str]:
    """Return the headers of a request that carries the `token` itself."""
    return {"Date": date, "Content-Type": content_type, "Authorization": token}


def http_date() -> str:
    """Return the time as an HTTP date, in English and GMT for every locale."""
    return _http_date(int(time.time()))


# Cached, because formatting the date takes longer than signing.
@lru_cache(maxsize=2)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
