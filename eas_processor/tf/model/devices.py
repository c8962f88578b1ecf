"""
Place the ops of a graph from another machine on the devices of this one.

TensorFlow's soft placement moves ops from a missing GPU, but not from a job of a training cluster
(`/job:worker`), and it logs neither. So this module rewrites the devices of a graph.
"""

import logging
import re
from collections import Counter
from typing import Any, Dict, Iterator, List, Sequence

log = logging.getLogger(__name__)

# Old exports write these kinds without `device:`.
_SHORT = ("cpu", "gpu")

# Devices of a training cluster. Our sessions are job localhost, replica 0 and task 0.
_ELSEWHERE = re.compile(r"/job:(?!localhost\b)|/(replica|task):(?!0\b)")


class Devices:
    """The devices of a session, by kind."""

    def __init__(self, session: Any) -> None:
        self._numbers: Dict[str, List[int]] = {}
        for each in session.list_devices():
            kind, number = _split(each.name)
            self._numbers.setdefault(kind, []).append(int(number))
        self._fitted: Dict[str, str] = {}

    @property
    def kinds(self) -> List[str]:
        """The kinds of devices, such as CPU and GPU."""
        return sorted(self._numbers)

    def fit(self, definition: Any, path: str) -> None:
        """
        Rewrite the devices in a GraphDef and its functions that this machine does not have.

        One log line lists the moved ops; `path` is the model's name in it.
        """
        moved: "Counter[str]" = Counter()
        for node in _nodes(definition):
            if not node.device:
                continue
            here = self.here(node.device)
            if here != node.device:
                moved[node.device] += 1
                node.device = here
        if moved:
            log.warning(
                "the model at %s was exported on a machine with other devices; moved to the "
                "devices of this machine (%s): %s",
                path,
                ", ".join(self._names()),
                _list(moved),
            )

    def here(self, device: str) -> str:
        """Return `device` if this machine has it, else its replacement, where "" is any device."""
        if device not in self._fitted:
            self._fitted[device] = self._fit(device)
        return self._fitted[device]

    def _fit(self, device: str) -> str:
        kind, number = _split(device)
        is_local = not _ELSEWHERE.search(device)
        if not kind and is_local:
            return device
        numbers = self._numbers.get(kind)
        if numbers is None:
            return ""
        if not number.isdecimal():
            return device if is_local else "/device:" + kind
        if int(number) in numbers:
            return device if is_local else f"/device:{kind}:{number}"
        # Ops that were spread over several devices stay spread.
        return f"/device:{kind}:{numbers[int(number) % len(numbers)]}"

    def _names(self) -> Iterator[str]:
        for kind in self.kinds:
            for number in sorted(self._numbers[kind]):
                yield f"{kind}:{number}"


def _split(device: str) -> Sequence[str]:
    """Return the kind and the number of a device, each "" if it is not given."""
    for part in device.split("/"):
        fields = part.split(":")
        if fields[0] == "device" and len(fields) > 1:
            return fields[1], fields[2] if len(fields) > 2 else ""
        if fields[0].lower() in _SHORT:
            return fields[0].upper(), fields[1] if len(fields) > 1 else ""
    return "", ""


def _nodes(definition: Any) -> Iterator[Any]:
    for node in definition.node:
        yield node
    for function in definition.library.function:
        for node in function.node_def:
            yield node


def _list(moved: "Counter[str]") -> str:
    texts = [
        f"{count} op{'s' if count > 1 else ''} of {device}"
        for device, count in sorted(moved.items())
    ]
    more = len(texts) - 10
    return ", ".join(texts[:10]) + (f" and of {more} more devices" if more > 0 else "")
