"""
Finds the instances of a service, for a direct connection.

A background thread fetches the list every 3 s, and more often until the first list has arrived. An
empty list, or a failure, keeps the present list.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import weakref
from typing import Any, Callable, Collection
from urllib.parse import quote

from ._answer import failure_of
from ._balancer import Balancer
from ._transport import Transport
from .exception import (
    NO_ANSWER,
    BadResponse,
    ConnectionLost,
    PredictException,
    Refused,
    TimedOut,
)

logger = logging.getLogger("eas_prediction")

# The newer path is tried first. Services before 2026 know only the other one.
ROUTES = (
    "/api/v1/servicediscovery/upstreams/",
    "/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/",
)
REFRESH_S = 3.0
_FIRST_PAUSE_S = 0.05
_ANSWER_S = 5.0
_LIKELY_WEIGHT = 100
# Statuses of an instance that is ending, not ready, or not reachable through its gateway.
_INSTANCE_FAILED = frozenset({502, 503, 504})


class Discovery:
    """Fetches the list of one service, and remembers which path the discovery server knows."""

    def __init__(self, domain: str, service_name: str, transport: Transport) -> None:
        self.domain = domain
        self._name = quote(service_name.split("/", maxsplit=1)[0], safe="")
        self._transport = transport
        self._route = ROUTES[0]

    def fetch(self) -> dict[str, float]:
        """Return the weight of each address, at least one. Raises `PredictException`."""
        try:
            return self._ask(self._route)
        except Refused as refusal:
            if refusal.status != 404:
                raise
        other = ROUTES[1] if self._route == ROUTES[0] else ROUTES[0]
        found = self._ask(other)
        self._route = other
        return found

    def _ask(self, route: str) -> dict[str, float]:
        url = f"{self.domain}{route}{self._name}"
        if os.environ.get("NAMESPACE") and os.environ.get("POD_NAME"):
            url += "?internal=true"
        status, headers, body = self._transport.send("GET", url, {}, b"", _ANSWER_S)
        if status != 200:
            failure = failure_of(status, headers, body)
            failure.message = f"{url}: {failure.message}"
            raise failure
        return _addresses(url, body)


def _addresses(url: str, body: bytes) -> dict[str, float]:
    try:
        items = json.loads(body)["endpoints"]["items"] or []
        found = dict(_address(item) for item in items)
    except (ValueError, KeyError, TypeError) as error:
        raise BadResponse(
            NO_ANSWER, f"{url}: expected a list of upstreams in JSON, got {body[:80]!r}"
        ) from error
    if not found:
        raise BadResponse(NO_ANSWER, f"{url}: the list of instances is empty")
    return found


def _address(item: Any) -> tuple[str, float]:
    ip = str(item["ip"])
    if ":" in ip and not ip.startswith("["):
        ip = f"[{ip}]"
    weight = item.get("weight")
    return f"http://{ip}:{int(item['port'])}", float(_LIKELY_WEIGHT if weight is None else weight)


class Upstreams:
    """The instances of one service, kept up to date by a background thread."""

    def __init__(
        self,
        fetch: Callable[[], dict[str, float]],
        forget: Callable[[str], None],
        refresh: float | None = None,
    ) -> None:
        self._fetch = fetch
        self._forget = forget
        self._pause = REFRESH_S if refresh is None else refresh
        self._balancer = Balancer()
        self._failure: PredictException | None = None
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._starting = threading.Lock()
        # Notified at the end of each fetch; `_asked` counts the fetches.
        self._answered = threading.Condition()
        self._asked = 0
        self._refresher: _Refresher | None = None
        self._balancer.renew_lock()

    def choose(self, tried: Collection[str], timeout: float) -> str:
        """Return the address for an attempt. Waits up to `timeout` s for the first list."""
        self.wait(timeout)
        return self._balancer.choose(tried)

    @property
    def known(self) -> bool:
        """Whether there is a list, so that `choose` does not wait."""
        self._keep_refreshing()
        return bool(self._balancer)

    @property
    def size(self) -> int:
        """The number of instances."""
        return len(self._balancer.weights)

    def wait(self, timeout: float) -> None:
        """
        Wait for the first list. Raises `TimedOut`, which says why there is none.

        Raises `Refused` as soon as the server refuses.
        """
        if self.known:
            return
        deadline = time.monotonic() + timeout
        with self._answered:
            before = self._asked
            self._ask_now()
            while not self._balancer:
                # An earlier refusal may be outdated, because the service may have started since.
                if self._asked > before and isinstance(self._failure, Refused):
                    raise _again(self._failure)
                left = deadline - time.monotonic()
                if left <= 0 or not self._answered.wait(left):
                    break
        if not self._balancer:
            why = self._failure.message if self._failure else "no answer yet"
            raise TimedOut(
                NO_ANSWER, f"no list of instances within {timeout:.3g} s (see set_timeout): {why}"
            )

    def done(self, address: str, failure: BaseException | None) -> bool:
        """Note the end of an attempt; return whether another instance can take one."""
        failed: bool | None = isinstance(failure, (ConnectionLost, TimedOut, BadResponse))
        if isinstance(failure, PredictException):
            if failure.status is not None:
                failed = failure.status in _INSTANCE_FAILED
        elif failure is not None:
            failed = None
        return self._balancer.done(address, failed=failed)

    def refresh(self) -> None:
        """Fetch the list once. A failure keeps the present list."""
        gone: list[str] = []
        failure: PredictException | None = None
        try:
            gone = self._balancer.update(self._fetch())
        except PredictException as error:
            failure = error
            logger.debug("discovery failed, the present list is kept: %s", failure)
        with self._answered:
            self._failure = failure
            self._asked += 1
            self._answered.notify_all()
        # Connections to removed instances close after their requests are answered.
        for address in gone:
            self._forget(address)

    def close(self) -> None:
        """Stop the thread. A later `choose` starts another."""
        with self._starting:
            if self._refresher is not None:
                self._refresher.end()
                self._refresher = None

    def _keep_refreshing(self) -> None:
        # Threads do not survive in a forked child.
        if self._pid != os.getpid():
            self._start_afresh()
        if self._refresher is None:
            with self._starting:
                if self._refresher is None:
                    refresher = self._refresher = _Refresher()
                    threading.Thread(
                        target=_keep_fresh,
                        args=(weakref.ref(self), refresher, self._pause),
                        name="eas-discovery",
                        daemon=True,
                    ).start()

    def _ask_now(self) -> None:
        refresher = self._refresher
        if refresher is not None:
            refresher.wake()


class _Refresher:
    """Controls the thread that refreshes the list."""

    def __init__(self) -> None:
        self.over = False
        self._woken = threading.Event()

    def end(self) -> None:
        """Make the thread end."""
        self.over = True
        self._woken.set()

    def wake(self) -> None:
        """Make the thread fetch the list now."""
        self._woken.set()

    def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until `end` or `wake` is called."""
        self._woken.wait(seconds)
        self._woken.clear()


def _again(failure: PredictException) -> PredictException:
    """Return a copy of a failure, so that each waiting thread raises its own exception."""
    made = type(failure)(failure.code, f"no list of instances: {failure.message}")
    made.status = failure.status
    return made


def _keep_fresh(reference: weakref.ref[Upstreams], refresher: _Refresher, pause: float) -> None:
    """Refresh until `refresher` is over, or until the upstreams have been garbage-collected."""
    first_pause = min(_FIRST_PAUSE_S, pause)
    while not refresher.over:
        upstreams = reference()
        if upstreams is None:
            return
        try:
            upstreams.refresh()
        except Exception:  # if the thread died, the list would become outdated
            logger.exception("discovery failed, the present list is kept")
        if bool(upstreams._balancer):  # noqa: SLF001 - of the class that this thread serves
            wait = pause
        else:
            wait, first_pause = first_pause, min(2 * first_pause, pause)
        del upstreams
        refresher.pause(wait)
