"""The secrets that let calls into a service."""

from __future__ import annotations

import hmac
import secrets


class Tokens:
    """The token of a service, and the one before it while clients change over; none if public."""

    __slots__ = ("values",)

    def __init__(self, token: str, previous: str = "") -> None:
        self.values = [each.encode() for each in (token, previous) if each] if token else []

    @property
    def public(self) -> bool:
        """Whether everybody is let in."""
        return not self.values

    def accepts(self, given: bytes) -> bool:
        """Whether `given` is one of them; the time this takes does not tell how alike they are."""
        found = False
        for each in self.values:
            found = hmac.compare_digest(given, each) or found
        return found


NOBODY = Tokens(secrets.token_urlsafe(32))
"""Lets nobody in, and takes as long as any other to say so."""
