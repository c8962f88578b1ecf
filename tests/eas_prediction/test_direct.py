from __future__ import annotations

import asyncio
import gc
import os
import threading
import time

import pytest
from fleet import NEWER, OLDER, Fleet, Instance, eventually
from relay import Relay

from eas_prediction import (
    ENDPOINT_TYPE_DIRECT,
    AsyncPredictClient,
    InvalidRequest,
    PredictClient,
    Refused,
    StringRequest,
    TimedOut,
    Unauthorized,
    _discovery,
)

pytestmark = pytest.mark.medium


@pytest.fixture
def make_fleet(monkeypatch):
    monkeypatch.setattr(_discovery, "REFRESH_S", 0.05)
    made = []

    def make(*forms):
        made.append(Fleet(forms or (NEWER, OLDER)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def fleet(make_fleet):
    return make_fleet()


def client_of(fleet, **settings):
    return PredictClient(
        fleet.address, "svc/deeper", endpoint_type=ENDPOINT_TYPE_DIRECT, **settings
    )


def send(client, count):
    for number in range(count):
        text = str(number)
        assert str(client.predict(StringRequest(text))) == text


def test_requests_are_shared_by_weight(fleet):
    one, two = fleet.add(100), fleet.add(300)
    with client_of(fleet, token="t") as client:
        send(client, 400)
    assert (one.count, two.count) == (pytest.approx(100, abs=3), pytest.approx(300, abs=3))
    assert one.mixed + two.mixed == 0


@pytest.mark.parametrize(
    ("form", "asked"), [(NEWER, [NEWER] * 3), (OLDER, [NEWER, OLDER, OLDER, OLDER])]
)
def test_the_newer_form_is_tried_first_and_the_choice_remembered(make_fleet, form, asked):
    fleet = make_fleet(form)
    fleet.add()
    with client_of(fleet) as client:
        send(client, 1)
        eventually(lambda: len(fleet.asked) >= len(asked))
    assert fleet.asked[: len(asked)] == [each + "svc" for each in asked]


def test_a_server_that_changes_its_form_is_followed(make_fleet):
    fleet = make_fleet(NEWER)
    fleet.add()
    with client_of(fleet) as client:
        send(client, 1)
        fleet.forms = (OLDER,)
        second = fleet.add()
        eventually(lambda: send(client, 4) or second.count)


def test_inside_the_cluster_it_says_so(fleet, monkeypatch):
    monkeypatch.setenv("NAMESPACE", "n")
    monkeypatch.setenv("POD_NAME", "p")
    fleet.add()
    with client_of(fleet) as client:
        send(client, 1)
    assert fleet.asked[0].endswith("/svc?internal=true")


@pytest.mark.parametrize(
    "answer",
    [
        (200, b'{"correlative":["svc"],"endpoints":{"items":[]}}'),
        (200, b'{"endpoints":{"items":null}}'),
        (200, b'{"endpoints":{"items":[{"ip":"h"}]}}'),
        (200, b"<html>"),
        (200, b"[]"),
        (500, b"broken"),
        (404, b"unknown"),
    ],
)
def test_what_is_no_list_keeps_the_old_one(fleet, answer):
    fleet.add()
    with client_of(fleet) as client:
        send(client, 1)
        fleet.broken = answer
        before = len(fleet.asked)
        eventually(lambda: len(fleet.asked) > before + 2)
        send(client, 3)


def test_a_discovery_server_that_is_gone_keeps_the_old_list(fleet):
    fleet.add()
    with client_of(fleet) as client:
        send(client, 1)
        fleet.kill(fleet.discovery)
        eventually(lambda: client.endpoint._upstreams._failure)
        send(client, 3)


def test_the_first_list_is_waited_for(fleet):
    with client_of(fleet) as client:
        threading.Timer(0.3, fleet.add).start()
        send(client, 1)


def test_without_any_list_the_error_says_why(fleet):
    with client_of(fleet, timeout=200) as client:
        start = time.monotonic()
        with pytest.raises(TimedOut, match=r"no list of instances .* list of instances is empty"):
            client.predict(StringRequest("x"))
        assert 0.1 < time.monotonic() - start < 10
        fleet.broken = (500, b"out of order")
        eventually(lambda: "out of order" in str(client.endpoint._upstreams._failure))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((404, b"there is no service svc"), Refused),
        ((401, b"no token"), Unauthorized),
        ((302, b"elsewhere"), Refused),
    ],
)
def test_a_refusal_is_not_waited_for(fleet, answer, kind):
    fleet.broken = answer
    with client_of(fleet, timeout=20_000) as client:
        for _ in range(3):
            start = time.monotonic()
            with pytest.raises(kind, match=f"no list of instances: .*svc: {answer[1].decode()}"):
                client.predict(StringRequest("x"))
            assert time.monotonic() - start < 10
        assert len(fleet.asked) >= 3


def test_nor_by_a_program_of_asyncio(fleet):
    fleet.broken = (404, b"there is no service svc")

    async def run():
        settings = {"endpoint_type": ENDPOINT_TYPE_DIRECT, "timeout": 20_000}
        async with AsyncPredictClient(fleet.address, "svc", **settings) as client:
            await client.predict(StringRequest("x"))

    start = time.monotonic()
    with pytest.raises(Refused, match="there is no service svc") as raised:
        asyncio.run(run())
    assert (raised.value.code, raised.value.status) == (404, 404)
    assert time.monotonic() - start < 10


def test_after_a_refusal_the_next_call_asks_anew(fleet, monkeypatch):
    monkeypatch.setattr(_discovery, "REFRESH_S", 3600.0)
    fleet.broken = (404, b"there is no service svc")
    with client_of(fleet) as client:
        with pytest.raises(Refused):
            client.predict(StringRequest("x"))
        fleet.broken = None
        fleet.add()
        send(client, 3)


def test_new_instances_and_weights_are_taken_over(fleet):
    one = fleet.add()
    with client_of(fleet) as client:
        send(client, 1)
        two = fleet.add(300)
        fleet.weights[one] = 0
        eventually(lambda: send(client, 4) or two.count > 40)
        before = one.count
        send(client, 20)
        assert one.count == before


@pytest.mark.parametrize("status", [450, 500, 503])
def test_a_retry_goes_to_a_different_instance(fleet, status):
    bad, good = fleet.add(), fleet.add()
    bad.status = status
    with client_of(fleet) as client:
        send(client, 10)
    assert good.count == 10
    assert bad.count <= (2 if status == 503 else 10)


def test_an_instance_that_is_killed_fails_no_call_and_comes_back(fleet):
    bad, good = fleet.add(), fleet.add()
    with client_of(fleet) as client:
        send(client, 10)
        fleet.kill(bad)
        send(client, 20)
        before, bad_before = good.count, bad.count
        fleet.revive(bad)
        eventually(lambda: send(client, 2) or bad.count > bad_before + 5)
        assert before >= 20


@pytest.mark.usefixtures("given_up_soon")
def test_an_instance_whose_machine_is_gone_without_a_word_fails_no_call(fleet):
    good = fleet.add()
    behind = Relay((good.ip, good.port))
    gone = Instance(("127.0.0.1", behind.port))
    fleet.weights[gone] = 100
    try:
        with client_of(fleet, timeout=20_000) as client:
            send(client, 6)
            assert behind.accepted
            behind.vanish()
            # Its connection is silent; then it is tried again now and then, and takes none.
            known = client.endpoint._upstreams._balancer._instances
            eventually(lambda: send(client, 1) or known[behind.address].failures > 1)
    finally:
        fleet.weights.pop(gone)
        behind.close()


def test_an_instance_that_vanishes_is_drained(fleet):
    going = fleet.add()
    going.delay = 0.4
    with client_of(fleet) as client:
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(str(client.predict(StringRequest("on its way"))))
        )
        thread.start()
        eventually(lambda: going.count)
        fleet.weights.pop(going)
        fleet.add()
        eventually(lambda: len(client.endpoint._upstreams._balancer.weights) == 1)
        eventually(
            lambda: (
                f"http://{going.ip}:{going.port}"
                not in client.endpoint._upstreams._balancer.weights
            )
        )
        thread.join()
        assert answers == ["on its way"]
        eventually(lambda: not going.writers)
        fleet.kill(going)


def discoverers():
    return [each for each in threading.enumerate() if each.name == "eas-discovery"]


def test_the_thread_is_a_daemon_and_ends_with_the_client(fleet):
    gc.collect()
    eventually(lambda: not discoverers())  # of clients of other tests
    fleet.add()
    client = client_of(fleet)
    send(client, 1)
    (thread,) = discoverers()
    assert thread.daemon
    client.close()
    eventually(lambda: not discoverers())
    send(client, 1)
    assert discoverers()
    del client
    gc.collect()
    eventually(lambda: not discoverers())


def test_a_forked_child_refreshes_too(fleet):
    fleet.add()
    with client_of(fleet) as client:
        send(client, 1)
        child = os.fork()
        if not child:
            try:
                upstreams, asked = client.endpoint._upstreams, []
                fetch, upstreams._fetch = upstreams._fetch, lambda: asked.append(1) or fetch()
                send(client, 1)
                eventually(lambda: len(asked) > 1)
                os._exit(0 if len(discoverers()) == 1 else 1)
            except BaseException:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0


def test_an_address_is_needed():
    client = PredictClient("", "svc", endpoint_type=ENDPOINT_TYPE_DIRECT)
    with pytest.raises(InvalidRequest, match="discovery server"):
        client.init()


@pytest.mark.parametrize("ip", ["::1", "[::1]"])
def test_ipv6(ip):
    found = _discovery._addresses(
        "u", b'{"endpoints":{"items":[{"ip":"%s","port":"80"}]}}' % ip.encode()
    )
    assert found == {"http://[::1]:80": 100.0}
