"""The query and the token in the head of a request to one of the engine's own routes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.token_check import brings_token, token_refusal
from eas_processor.serving.tokens import Tokens


class Asked:
    """Reads the query and checks the token in the head of a request."""

    def __init__(self, head: Head, headers: Mapping[bytes, bytes]) -> None:
        self._head = head
        self._headers = headers

    def names(self, parameter: str) -> bool:
        """Whether the query has a parameter, with or without a value."""
        return parameter in self._query()

    def value(self, parameter: str) -> str:
        """Return the value of a parameter of the query."""
        return self._query()[parameter][0]

    def refusal_of(self, tokens: Tokens, name: str = "") -> Refusal | None:
        """Return the refusal if the request has none of `tokens`, else None."""
        return token_refusal(tokens, name, self._head.method, self._head.target, self._headers)

    def has_token_of(self, tokens: Tokens, name: str) -> bool:
        """Whether the request carries or is signed with one of `tokens`, if there are any."""
        return not tokens.public and self.refusal_of(tokens, name) is None

    def brings(self, tokens: Tokens) -> bool:
        """
        Whether the request carries one of `tokens` itself.

        Signatures are not checked, because those of 100 services take 1 ms.
        """
        return brings_token(tokens, self._headers)

    def _query(self) -> dict[str, list[str]]:
        query = self._head.target.partition(b"?")[2].decode("latin-1")
        return parse_qs(query, keep_blank_values=True)
