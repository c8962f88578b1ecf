from __future__ import annotations

import json
from typing import Any

import pytest

from eas_processor.contracts.settings import Peer
from eas_processor.frontends.discovery import ROUTES, asked_for, own_peer, upstreams

OWN = {"app": "echo", "ip": "127.0.0.1", "port": 8080, "weight": 100}


def items(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(body)["endpoints"]["items"]
    return found


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("query", ["", "?internal=true"])
def test_both_routes_answer_with_the_documented_json(
    desk: Any, http: Any, route: bytes, query: str
) -> None:
    desk.client.send(http("GET", route.decode() + "echo" + query))
    response = desk.client.response
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.body) == {"correlative": ["echo"], "endpoints": {"items": [OWN]}}


def test_another_name_is_not_found(desk: Any, http: Any) -> None:
    desk.client.send(http("GET", ROUTES[0].decode() + "other"))
    assert desk.client.response.status == 404
    assert b"there is no service 'other'" in desk.client.response.body


def test_an_engine_that_takes_no_requests_leaves_itself_out(desk: Any, http: Any) -> None:
    desk.admission.ready = False
    desk.client.send(http("GET", ROUTES[0].decode() + "echo"))
    desk.admission.ready = True
    desk.server.draining = True
    desk.client.send(http("GET", ROUTES[0].decode() + "echo"))
    assert [items(each.body) for each in desk.client.responses] == [[], []]


def test_peers_follow_and_nobody_is_listed_twice() -> None:
    peers = [Peer("10.0.0.2", 80, 50), Peer("10.0.0.1", 80, 25), Peer("10.0.0.2", 80, 50)]
    listed = items(upstreams("a_b", Peer("10.0.0.1", 80), peers))
    assert [(each["ip"], each["weight"]) for each in listed] == [("10.0.0.2", 50), ("10.0.0.1", 25)]
    assert {each["app"] for each in listed} == {"a-b"}
    without = items(upstreams("a_b", Peer("10.0.0.1", 80), peers, serving=False))
    assert [each["ip"] for each in without] == ["10.0.0.2"]


def test_an_address_of_ipv6_can_stand_before_a_colon() -> None:
    assert own_peer(("::1", 8080, 0, 0)) == Peer("[::1]", 8080)
    assert own_peer(("127.0.0.1", 8080)) == Peer("127.0.0.1", 8080)


def test_no_other_path_is_one_of_discovery() -> None:
    assert asked_for(b"/api/v1/servicediscovery/upstreams") is None
    assert asked_for(ROUTES[1] + b"echo") == b"echo"
