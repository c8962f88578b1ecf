"""Decides which versions of a model to load and to unload."""

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
    Return the `available` versions to unload, so that one version always serves.

    `settled` are the aspired versions that are available or have failed. Other versions are
    unloaded if no version is aspired, or if all aspired versions have settled and one serves.
    """
    stale = available - aspired
    if not aspired:
        return stale
    return stale if aspired <= settled and aspired & available else set()
