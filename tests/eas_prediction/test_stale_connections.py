"""Kept connections that a NAT or a balancer has dropped without a word."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
from relay import Relay

from eas_prediction import (
    AsyncPooledTransport,
    AsyncPredictClient,
    PooledTransport,
    PredictClient,
    RetryPolicy,
    StringRequest,
    TimedOut,
    _kept,
)

pytestmark = [pytest.mark.medium, pytest.mark.usefixtures("doubted_soon")]

TIMEOUT_MS = 20_000


@pytest.fixture
def relay(service):
    made = Relay(service.server.server_address)
    yield made
    made.close()


class Blocking:
    """A client, and a loop that has nothing to do."""

    def __init__(self, address, **settings):
        settings.setdefault("timeout", TIMEOUT_MS)
        self.client = PredictClient(address, "svc", **settings)

    def ask(self, text="x"):
        return str(self.client.predict(StringRequest(text)))

    def ask_at_once(self, texts):
        return list(map(str, self.client.predict_many(map(StringRequest, texts), concurrency=32)))

    def sockets(self):
        (host,) = self.client.transport._hosts.values()
        return [each.sock for each in host._idle._waiting]

    def close(self):
        self.client.close()


class Tasks(Blocking):
    """The client for asyncio, in a loop of its own."""

    def __init__(self, address, **settings):
        settings.setdefault("timeout", TIMEOUT_MS)
        self.client = AsyncPredictClient(address, "svc", **settings)
        self._loop = asyncio.new_event_loop()

    def ask(self, text="x"):
        return str(self._loop.run_until_complete(self.client.predict(StringRequest(text))))

    def ask_at_once(self, texts):
        many = self.client.predict_many(map(StringRequest, texts), concurrency=32)
        return list(map(str, self._loop.run_until_complete(many)))

    def sockets(self):
        (host,) = self.client.transport._hosts.values()
        return [each._transport.get_extra_info("socket") for each in host._idle._waiting]

    def close(self):
        self._loop.run_until_complete(self.client.close())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


KINDS = {Blocking: PooledTransport, Tasks: AsyncPooledTransport}


@pytest.fixture(params=list(KINDS))
def connect(request):
    made = []

    def connect(address, **settings):
        transport = {
            each: settings.pop(each) for each in ("max_idle", "max_age") if each in settings
        }
        if transport:
            settings["transport"] = KINDS[request.param](**transport)
        made.append(request.param(address, **settings))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def test_a_dropped_connection_does_not_use_up_the_time_of_the_call(relay, connect):
    client = connect(relay.address)
    assert client.ask() == "fine"
    relay.freeze()
    assert client.ask() == "fine"
    # The new one is kept, and not doubted: nothing is sent on a third.
    assert client.ask() == "fine"
    assert relay.accepted == 2


def test_nor_does_each_of_several(service, relay, connect):
    client = connect(relay.address)
    together = threading.Barrier(6)

    def answer(handler):
        together.wait(30)
        service.status(200, b"fine")(handler)

    service.answers = [answer] * 6
    assert client.ask_at_once("abcdef") == ["fine"] * 6
    assert len(client.sockets()) == 6
    relay.freeze()
    assert [client.ask() for _ in range(6)] == ["fine"] * 6
    # One of them was waited for; the others have been idle for as long and are closed with it.
    assert relay.accepted == 7


def test_a_large_body_that_a_dropped_connection_does_not_take(service, relay, connect):
    client = connect(relay.address)
    client.ask()
    relay.freeze(reading=False)
    assert client.ask("x" * 20_000_000) == "fine"
    assert len(service.requests[-1].body) == 20_000_000


def test_connections_that_are_reset_when_they_are_used_cost_one_attempt(service, relay, connect):
    client = connect(relay.address, retry_policy=RetryPolicy(attempts=2, backoff=0))
    together = threading.Barrier(6)

    def answer(handler):
        together.wait(30)
        service.status(200, b"fine")(handler)

    service.answers = [answer] * 6
    client.ask_at_once("abcdef")
    relay.reset_when_used()
    assert client.ask() == "fine"


def slowly(service, seconds):
    def answer(handler):
        time.sleep(seconds)
        service.status(200, handler.received.body)(handler)

    return answer


def test_a_slow_service_is_doubted_once_and_its_first_answer_counts(service, connect):
    client = connect(service.address)
    client.ask("first")
    service.usual = slowly(service, 0.6)
    assert client.ask("slow") == "slow"
    sent = [each.body for each in service.requests].count(b"slow")
    assert sent == 2
    assert client.ask("again") == "again"
    assert [each.body for each in service.requests].count(b"again") == 1


@pytest.mark.parametrize(
    "policy", [RetryPolicy(attempts=1), RetryPolicy(lost_connections=False)], ids=["one", "lost"]
)
def test_what_may_be_sent_once_is_sent_once(service, relay, connect, policy, monkeypatch):
    monkeypatch.setattr(_kept, "ONCE_IDLE_S", 60.0)
    client = connect(relay.address, retry_policy=policy, timeout=1500)
    client.ask("first")
    relay.freeze()
    with pytest.raises(TimedOut):
        client.ask("once")
    assert [each.body for each in service.requests] == [b"first"]
    client.ask("second")
    service.usual = slowly(service, 0.4)
    assert client.ask("slow") == "slow"
    assert [each.body for each in service.requests] == [b"first", b"second", b"slow"]


def test_what_may_be_sent_once_goes_on_a_connection_that_was_used_just_now(
    relay, connect, monkeypatch
):
    monkeypatch.setattr(_kept, "ONCE_IDLE_S", 0.0)
    client = connect(relay.address, retry_policy=RetryPolicy(attempts=1))
    client.ask()
    relay.freeze()
    # On the frozen one it would time out.
    assert client.ask() == "fine"
    assert relay.accepted == 2


@pytest.mark.parametrize("limit", ["max_idle", "max_age"])
def test_a_connection_is_used_for_so_long(relay, connect, limit):
    client = connect(relay.address, **{limit: 60.0})
    client.ask()
    client.ask()
    assert relay.accepted == 1
    client = connect(relay.address, **{limit: 0.05})
    client.ask()
    time.sleep(0.1)
    client.ask()
    assert relay.accepted == 3


def test_the_system_probes_idle_connections(service, connect):
    client = connect(service.address)
    client.ask()
    (sock,) = client.sockets()
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
