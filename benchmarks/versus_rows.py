"""The rows in which two checkouts are compared, with their requests."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from benchmarks.service import ROWS, big_body, read_scores

IMAGE_ROWS = 192
"""The number of rows of 784 floats with as many numbers as an image of 224 x 224 x 3."""


@dataclass(frozen=True)
class Service:
    """The settings of the servers for a group of rows."""

    batching: bool = True
    options: Sequence[str] = ()


SERVICES = {
    "on": Service(),
    "off": Service(batching=False),
    "inline": Service(options=["--inline"]),
}


@dataclass(frozen=True)
class Body:
    """A kind of request. `read` turns an answer into scores."""

    content: bytes = field(repr=False)
    content_type: str
    read: Callable[[bytes], np.ndarray]


@dataclass(frozen=True)
class Row:
    """
    One load: `connections` connections send the body named `body` to `paths` in turn.

    `beside` names the body of another client, whose requests are not counted. The processor time is
    not measured then, because it would cover both. `figure` is compared with that of the row
    `against`. Only rows with `in_mean` are part of the geometric means.
    """

    name: str
    connections: int
    body: str = "protobuf"
    paths: Sequence[str] = ("",)
    beside: str = ""
    against: str = ""
    figure: str = ""
    in_mean: bool = True

    @property
    def service(self) -> str:
        """The name in SERVICES of the service for this row."""
        return self.name.partition("-")[0]


ALL = [
    *(Row(f"on-{count}", count) for count in (1, 8, 32, 128)),
    Row("on-600k-8", 8, body="600 KB"),
    Row("on-json-32", 32, body="JSON", in_mean=False),
    Row(
        "on-8-beside-json-images",
        8,
        beside="JSON image",
        against="on-8",
        figure="p50",
        in_mean=False,
    ),
    Row(
        "on-1-two-heads",
        1,
        paths=("/a", "/b"),
        against="on-1",
        figure="throughput",
        in_mean=False,
    ),
    *(Row(f"off-{count}", count) for count in (1, 8, 32, 128)),
    *(Row(f"inline-{count}", count) for count in (8, 32)),
]


def choose(patterns: Sequence[str]) -> list[Row]:
    """Return the rows that match a pattern. Raises ValueError if a pattern matches no row."""
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in ALL):
            known = ", ".join(row.name for row in ALL)
            raise ValueError(f"no row matches {pattern!r}; there are {known}")
    return [row for row in ALL if any(fnmatchcase(row.name, each) for each in patterns)]


@functools.cache
def make_body(name: str) -> Body:
    """Return the body of that name."""
    rows = {"protobuf": 1, "600 KB": ROWS["600 KB"], "JSON": 1, "JSON image": IMAGE_ROWS}[name]
    if not name.startswith("JSON"):
        return Body(big_body(rows), "application/octet-stream", read_scores)
    images = np.random.default_rng(2).random((rows, 784), dtype=np.float32)
    content = json.dumps({"inputs": {"images": images.tolist()}}).encode()
    return Body(content, "application/json", _read_json)


def _read_json(answer: bytes) -> np.ndarray:
    # Servers may write a float with different numbers of digits.
    return np.array(json.loads(answer)["outputs"], np.float32)
