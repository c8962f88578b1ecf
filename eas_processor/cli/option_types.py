"""Convert the values of options for argparse. Raise ArgumentTypeError for wrong ones."""

from __future__ import annotations

import argparse
from typing import Any


def amount(text: str) -> float:
    """Return a number of 0 or more."""
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if 0 <= amount < float("inf"):
        return amount
    raise argparse.ArgumentTypeError(f"expected a number from 0 on, got {text!r}")


def host(text: str) -> str:
    """Return an address to listen on, which must not be empty."""
    if text:
        return text
    raise argparse.ArgumentTypeError("expected an address, got ''; 0.0.0.0 is all interfaces")


def port(text: str) -> int:
    """Return a port; 0 means any free one."""
    if text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r}")


def peers(text: str) -> tuple[Any, ...]:
    """Return the engines that `--peers` lists."""
    from eas_processor.app.peers import peer_of

    try:
        return tuple(peer_of(each.strip()) for each in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def http_url(text: str) -> str:
    """Return a URL of HTTP."""
    if text.startswith(("http://", "https://")):
        return text
    raise argparse.ArgumentTypeError(f"expected http://HOST:PORT or https://..., got {text!r}")


def positive(text: str) -> int:
    """Return a whole number above 0."""
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if 0 <= share <= 1:
        return share
    raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text!r}")
