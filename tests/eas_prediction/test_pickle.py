"""Clients, requests and responses go to other processes, as Spark, joblib and spawn send them."""

from __future__ import annotations

import asyncio
import copy
import pickle
import ssl
import subprocess
import sys

import pytest
import urllib3
from fleet import Fleet

from eas_prediction import (
    ENDPOINT_TYPE_DIRECT,
    AsyncPooledTransport,
    AsyncPredictClient,
    PooledTransport,
    PredictClient,
    RetryPolicy,
    StringRequest,
    TFRequest,
    TFResponse,
)
from eas_prediction.testing import tf_answer

WAYS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "the oldest pickle": lambda value: pickle.loads(pickle.dumps(value, 2)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
MOMENTS = ["new", "after init()", "after predict()"]
CLIENTS = [PredictClient, AsyncPredictClient]


def ask(client, text="x"):
    if isinstance(client, PredictClient):
        return str(client.predict(StringRequest(text)))
    return str(asyncio.run(client.predict(StringRequest(text))))


def close(client):
    if isinstance(client, PredictClient):
        client.close()
    else:
        asyncio.run(client.close())


def bring_to(client, moment):
    if moment != "new":
        client.init()
    if moment == "after predict()":
        assert ask(client) == "fine"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("make", CLIENTS)
def test_a_client(service, make, moment, way):
    client = make(
        service.address,
        "svc",
        token="tok",
        timeout=4000,
        headers={"X-Mine": "1"},
        max_connection_count=7,
        retry_policy=RetryPolicy(attempts=3),
    )
    client.set_read_timeout(3000)
    bring_to(client, moment)
    other = WAYS[way](client)
    assert type(other) is make
    assert (other.token, other.timeout, other.retry_count) == ("tok", 4000, 3)
    assert (other.transport.max_connections, other.transport.read_timeout) == (7, 3)
    assert other.logger is client.logger
    assert ask(other, "from the copy") == "fine"
    received = service.requests[-1]
    assert (received.body, received.headers["x-mine"]) == (b"from the copy", "1")
    assert received.headers["authorization"].startswith("EAS ")
    assert ask(client) == "fine"
    if way == "copy":
        return
    assert other.transport is not client.transport
    other.set_token("another")
    other.add_extra_headers({"X-Mine": "2"})
    assert (client.token, client.headers) == ("tok", {"X-Mine": "1"})
    close(client)
    assert ask(other) == "fine"
    close(other)


@pytest.mark.parametrize("make", CLIENTS)
def test_a_client_in_another_process(service, make):
    client = make(service.address, "svc", token="tok")
    bring_to(client, "after predict()")
    script = """
import asyncio, pickle, sys
client = pickle.load(sys.stdin.buffer)
from eas_prediction import PredictClient, StringRequest
answer = client.predict(StringRequest("x"))
print(answer if isinstance(client, PredictClient) else asyncio.run(answer))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(client),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout == b"fine\n"
    close(client)


@pytest.mark.parametrize("make", CLIENTS)
def test_a_direct_client_asks_for_its_own_list(make):
    fleet = Fleet()
    fleet.add()
    client = make(fleet.address, "svc", endpoint_type=ENDPOINT_TYPE_DIRECT)
    client.init()
    assert ask(client, "one") == "one"
    for other in (pickle.loads(pickle.dumps(client)), copy.deepcopy(client)):
        assert ask(other, "two") == "two"
        assert other.endpoint is not client.endpoint
        close(other)
    close(client)
    fleet.close()


def test_a_client_keeps_what_a_subclass_adds(service):
    client = Named(service.address, "svc")
    client.called = "mine"
    assert copy.deepcopy(client).called == "mine"


class Named(PredictClient):
    called = ""


@pytest.mark.parametrize("make", [PooledTransport, AsyncPooledTransport])
def test_a_context_of_tls_is_shared_by_copies_and_not_pickled(make):
    context = ssl.create_default_context()
    transport = make(ssl_context=context)
    assert copy.deepcopy(transport).ssl_context is context
    assert copy.copy(transport).ssl_context is context
    with pytest.raises(TypeError, match="ssl_context: a client with an ssl_context cannot be pick"):
        pickle.dumps(transport)


def test_a_pool_of_urllib3_stays_where_it_is():
    client = PredictClient("h", "svc")
    client.connection_pool = urllib3.PoolManager()
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="connection_pool: a client with a PoolManager of url"):
            way(client)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("with_message", [False, True])
def test_requests_and_responses(way, with_message):
    request = TFRequest("s")
    request.add_feed("x", [2], TFRequest.DT_FLOAT, [1.0, 2.0])
    response = TFResponse(tf_answer({"y": [0.5]}))
    before = request.to_string()
    if with_message:
        assert request.request_data.signature_name == "s"
        assert response.response.outputs["y"].double_val == [0.5]
    assert WAYS[way](request).to_string() == before
    other = WAYS[way](response)
    assert other.get_values("y") == [0.5]
    assert other.response.outputs["y"].double_val == [0.5]
    text = WAYS[way](StringRequest("text"))
    assert (text.to_string(), str(text)) == ("text", "text")
