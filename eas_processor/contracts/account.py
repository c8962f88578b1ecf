"""The account to which large bodies and answers are charged."""

from __future__ import annotations


class Account:
    """The bytes of large bodies and answers that the engine holds for one service."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0
