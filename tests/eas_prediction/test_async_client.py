from __future__ import annotations

import asyncio

import pytest
from fleet import Fleet, Instance
from relay import Relay

from eas_prediction import (
    ENDPOINT_TYPE_DIRECT,
    AsyncPredictClient,
    BadResponse,
    ConnectionLost,
    InvalidRequest,
    Refused,
    StringRequest,
    TimedOut,
)

pytestmark = pytest.mark.medium


def ask(service, body="abc", **settings):
    async def run():
        async with AsyncPredictClient(service.address, "svc", **settings) as client:
            return str(await client.predict(StringRequest(body)))

    return asyncio.run(run())


def test_a_prediction(service):
    assert ask(service, token="t") == "fine"
    (received,) = service.requests
    assert received.path == "/api/predict/svc"
    assert received.body == b"abc"
    assert received.headers["authorization"].startswith("EAS ")


def test_a_large_body(service):
    assert ask(service, "x" * 3_000_000) == "fine"
    assert len(service.requests[0].body) == 3_000_000


def test_failures_are_tried_again_like_those_of_the_other_client(service):
    service.answers = [service.status(503), service.reset, service.status(450)]
    assert ask(service) == "fine"
    assert len(service.requests) == 4


def test_a_refusal_is_not(service):
    service.usual = service.status(400, b"wrong shape")
    with pytest.raises(Refused, match="wrong shape"):
        ask(service)
    assert len(service.requests) == 1


def test_nobody_listens():
    async def run():
        async with AsyncPredictClient("http://127.0.0.1:1", "svc") as client:
            client.set_retry_count(1)
            await client.predict(StringRequest("x"))

    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:1"):
        asyncio.run(run())


def test_no_answer_in_time(fleet):
    fleet.add().delay = 5.0
    with pytest.raises(TimedOut, match=r"no answer within 0\.\d+ s"):
        asyncio.run(ask_fleet(fleet, ["x"], timeout=200))


def test_silence_is_bounded_by_the_read_timeout(fleet):
    fleet.add().delay = 5.0

    async def run():
        async with AsyncPredictClient(
            fleet.address, "svc", endpoint_type=ENDPOINT_TYPE_DIRECT
        ) as client:
            client.set_read_timeout(100)
            client.set_retry_count(1)
            await client.predict(StringRequest("x"))

    with pytest.raises(TimedOut, match="within its timeout"):
        asyncio.run(run())


def test_what_is_not_http(service):
    def answer(handler):
        handler.wfile.write(b"SSH-2.0\r\n\r\n")
        handler.close_connection = True

    service.usual = answer
    with pytest.raises(BadResponse, match="not HTTP"):
        ask(service)


@pytest.fixture
def fleet():
    made = Fleet()
    yield made
    made.close()


async def ask_fleet(fleet, bodies, **settings):
    async with AsyncPredictClient(
        fleet.address, "svc", token="t", endpoint_type=ENDPOINT_TYPE_DIRECT, **settings
    ) as client:
        requests = [StringRequest(each) for each in bodies]
        return [str(each) for each in await asyncio.gather(*map(client.predict, requests))]


def test_a_thousand_tasks_share_one_client(fleet):
    one, two = fleet.add(100), fleet.add(300)
    bodies = list(map(str, range(1000)))
    assert asyncio.run(ask_fleet(fleet, bodies, timeout=30000)) == bodies
    assert one.count == pytest.approx(250, rel=0.05)
    assert one.mixed + two.mixed == 0
    assert len(fleet.asked) >= 1


def test_one_client_in_one_loop_after_another(service):
    client = AsyncPredictClient(service.address, "svc")

    async def run():
        return str(await client.predict(StringRequest("x")))

    assert asyncio.run(run()) == asyncio.run(run()) == "fine"


def test_a_task_that_is_cancelled_gives_its_connection_up(fleet):
    instance = fleet.add()

    async def run():
        async with AsyncPredictClient(
            fleet.address, "svc", endpoint_type=ENDPOINT_TYPE_DIRECT, max_connection_count=1
        ) as client:
            await client.predict(StringRequest("x"))
            instance.delay = 5.0
            count = instance.count
            task = asyncio.ensure_future(client.predict(StringRequest("slow")))
            while instance.count == count:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.sleep(0)
            instance.delay = 0.0
            return str(await client.predict(StringRequest("quick")))

    assert asyncio.run(run()) == "quick"


@pytest.mark.usefixtures("given_up_soon")
def test_an_instance_whose_machine_is_gone_without_a_word_fails_no_call(fleet):
    good = fleet.add()
    behind = Relay((good.ip, good.port))
    gone = Instance(("127.0.0.1", behind.port))
    fleet.weights[gone] = 100

    async def run():
        async with AsyncPredictClient(
            fleet.address, "svc", endpoint_type=ENDPOINT_TYPE_DIRECT, timeout=20_000
        ) as client:
            for _ in range(6):
                await client.predict(StringRequest("x"))
            behind.vanish()
            known = client.endpoint._upstreams._balancer._instances
            while known[behind.address].failures < 2:
                await client.predict(StringRequest("x"))
                await asyncio.sleep(0.01)

    try:
        asyncio.run(run())
    finally:
        fleet.weights.pop(gone)
        behind.close()


def test_settings_are_those_of_the_other_client():
    client = AsyncPredictClient("h", "svc")
    client.set_max_connection_count(3)
    assert client.transport.max_connections == 3
    client.set_connect_timeout(100)
    assert client.transport.connect_timeout == 0.1
    with pytest.raises(InvalidRequest):
        client.set_timeout(0)


def test_a_connection_cut_right_after_it_was_opened_is_not_waited_for():
    from eas_prediction._async_transport import _Connection
    from eas_prediction._http import ConnectionCut, Patience

    async def run():
        connection = _Connection()
        connection.connection_lost(None)
        await connection.exchange(b"head", b"", Patience(1e12))

    with pytest.raises(ConnectionCut):
        asyncio.run(run())
