"""Which versions of a model are to be served, of those that are there."""

from __future__ import annotations

from pathlib import Path

from eas_processor.config.models import All, Latest, Policy


def aspired_versions(policy: Policy, found: dict[int, Path]) -> dict[int, Path]:
    """Return the versions that `policy` wants, with their directories."""
    if isinstance(policy, All):
        return found
    if isinstance(policy, Latest):
        wanted = sorted(found)[-policy.count :] if policy.count > 0 else []
        return {number: found[number] for number in wanted}
    return {number: found[number] for number in policy.versions if number in found}


def to_unload(aspired: set[int], available: set[int], settled: set[int]) -> set[int]:
    """
    Return the `available` versions that are to go, so that somebody always serves.

    `settled` are the aspired ones that are available or have failed. What is not aspired goes when
    nothing is aspired, or when all that is has settled and some of it serves.
    """
    stale = available - aspired
    if not aspired:
        return stale
    return stale if aspired <= settled and aspired & available else set()
