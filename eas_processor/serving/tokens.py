"""The tokens with which a service can be called."""

from __future__ import annotations

import hmac
import secrets


class Tokens:
    """The token of a service, and the previous one while clients change; none if it is public."""

    __slots__ = ("values",)

    def __init__(self, token: str, previous: str = "") -> None:
        self.values = [each.encode() for each in (token, previous) if each] if token else []

    @property
    def public(self) -> bool:
        """Whether calls need no token."""
        return not self.values

    def accepts(self, given: bytes) -> bool:
        """Whether `given` is one of the tokens; the comparison takes constant time."""
        found = False
        for each in self.values:
            found = hmac.compare_digest(given, each) or found
        return found


NOBODY = Tokens(secrets.token_urlsafe(32))
"""Accepts no token that a client can know, and takes as long to check as any other."""
