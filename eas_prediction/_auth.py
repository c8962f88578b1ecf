"""
The headers that prove who calls.

A gateway address is called with a signature: the token is the key of an HMAC-SHA1 over five lines,

    POST
    <Content-MD5>
    <Content-Type>
    <Date>
    /api/predict/<service name>[<path>][?<query>]

and never travels itself. A custom URL, whose path the signature does not know, gets the token as
it is.
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
    """The headers of a request to `path` signed with `token`."""
    lines = (method, content_md5, content_type, date, path)
    digest = hmac.digest(token.encode(), "\n".join(lines).encode(), "sha1")
    return {
        "Content-MD5": content_md5,
        "Date": date,
        "Content-Type": content_type,
        "Authorization": "EAS " + b64encode(digest).decode(),
    }


def token_headers(token: str, content_type: str, date: str) -> dict[str, str]:
    """The headers of a request that carries the `token` itself."""
    return {"Date": date, "Content-Type": content_type, "Authorization": token}


def http_date() -> str:
    """The time as HTTP writes it: English names whatever the locale, and really GMT."""
    return _http_date(int(time.time()))


# A second's worth of requests shares its date, which takes longer to write than the signature.
@lru_cache(maxsize=2)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
