from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from fixtures.engine import Response, http
from fixtures.registries import registry_of
from fixtures.several import SeveralDesk

from eas_processor.contracts.settings import Peer
from eas_processor.frontends.discovery import ROUTES
from eas_processor.frontends.eas.call import PredictRoute
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.refusals import HttpRefusal
from eas_processor.frontends.http.routes import Refused, Route, SlowRoute
from eas_processor.frontends.router import AnyPathRouter, Router
from eas_processor.link.codes import INVALID_ARGUMENT, UNAVAILABLE
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import Phase, Registry
from eas_processor.serving.service import Service
from eas_processor.serving.tokens import Tokens


@pytest.fixture
def served(service: Any) -> Any:
    admission: Any = Mock(ready=True)
    instances: Any = SimpleNamespace(info={})
    return Service(service(name="digits v2"), admission, instances, Budget(1, 1), 1)


@pytest.fixture
def router(served: Service) -> Router:
    return Router(registry_of(served))


def find(router: Router, method: bytes, target: bytes, **headers: bytes) -> Route:
    sent = {b"authorization": b"t", **{name.encode(): each for name, each in headers.items()}}
    return router.find(Head(method, target, sent, keep_alive=True, old=False), sent)


def refusal_of(route: Route) -> HttpRefusal:
    assert isinstance(route, Refused)
    refusal = route.open(Mock(since=0.0), 0.0).refusal
    assert isinstance(refusal, HttpRefusal)
    return refusal


@pytest.mark.parametrize(
    "path",
    [
        b"/api/predict/digits v2",
        b"/api/predict/digits%20v2",
        b"/api/predict/%64igits%20v2/",
        b"/api/predict/digits%20v2/deeper/still",
        b"/api/predict/digits%20v2?a=/",
    ],
)
@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_the_service_is_found(router: Router, served: Service, path: bytes, method: bytes) -> None:
    route = find(router, method, path)
    assert isinstance(route, PredictRoute) and route.service is served and route.holds()


@pytest.mark.parametrize(
    "path",
    [b"/", b"/api/predict", b"/api/predict/", b"/api/predict/digits", b"/API/predict/x", b"\xff"],
)
def test_anything_else_is_not(router: Router, path: bytes) -> None:
    refusal = refusal_of(find(router, b"POST", path))
    assert refusal.status == 404
    assert "digits v2" not in str(refusal)


def test_a_long_path_is_not_repeated_whole(router: Router) -> None:
    assert len(str(refusal_of(find(router, b"POST", b"/api/predict/" + b"x" * 10000)))) < 300


def test_other_methods_are_refused(router: Router) -> None:
    refusal = refusal_of(find(router, b"DELETE", b"/api/predict/digits%20v2"))
    assert refusal.status == 405 and "DELETE" in str(refusal)


def test_the_token_is_checked(router: Router, served: Service) -> None:
    served.tokens = Tokens("secret")
    assert refusal_of(find(router, b"POST", b"/api/predict/digits%20v2")).status == 401
    right = find(router, b"POST", b"/api/predict/digits%20v2", authorization=b"secret")
    assert isinstance(right, PredictRoute)
    served.tokens = Tokens("another")
    assert not right.holds()


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        (b"application/json; charset=utf-8", EAS_JSON),
        (b"application/octet-stream", ARRAY_PROTO),
        (b"", ARRAY_PROTO),
    ],
)
def test_the_codec_is_that_of_the_content_type(
    router: Router, content_type: bytes, codec: int
) -> None:
    route = find(router, b"POST", b"/api/predict/digits%20v2", **{"content-type": content_type})
    assert isinstance(route, PredictRoute) and route.codec == codec and not route.guesses


def test_the_signature_is_the_models(served: Any) -> None:
    assert served.describe()[0] == UNAVAILABLE
    served.instances.info = {"info_code": 3, "info_status": 0, "info": "a frozen graph has none"}
    assert served.describe() == (INVALID_ARGUMENT, b"a frozen graph has none")


def test_alive_and_ready_are_two_things(desk: Any, http: Any) -> None:
    asked = []

    def ask() -> None:
        desk.client.send(http("GET", "/readyz") + http("GET", "/healthz"))
        ready, alive = desk.client.responses[-2:]
        assert (alive.status, alive.body) == (200, b"alive")
        asked.append((ready.status, ready.body))

    ask()
    desk.admission.ready = False
    ask()
    desk.client, desk.server.draining = desk.new_client(), True
    desk.client.send(http("GET", "/readyz"))
    assert asked == [(200, b"ready"), (503, b"no instance is ready")]
    assert desk.client.response[::2] == (503, b"shutting down")


# Several services, whose names are secret


@pytest.fixture
def several(service: Any) -> SeveralDesk:
    """The services `left` and `right` with tokens, and `open` without; all are ready."""
    own = (Peer("10.0.0.7", 80),)
    return SeveralDesk(
        service(name="left", token="of left", peers=own),
        service(name="right", token="of right", previous_token="old"),
        service(name="open"),
        metrics_token="of metrics",
        peers=(Peer("10.0.0.8", 80), *own),
    )


def ask(desk: SeveralDesk, target: str, token: str = "", method: str = "GET") -> Response:
    client = desk.new_client()
    client.send(http(method, target, *([f"Authorization: {token}"] if token else [])))
    return client.response


def fail(desk: SeveralDesk, name: str) -> None:
    """Have a service be one that could not start."""
    entry = desk.entry(name)
    entry.tokens_before = entry.tokens
    entry.withdraw(1)
    entry.phase, entry.reason = Phase.FAILED, "the disk is full"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("token", ["", "wrong", "of right", "EAS eA=="])
def test_a_name_is_not_told_from_none(several: SeveralDesk, method: str, token: str) -> None:
    fail(several, "left")
    there, nowhere = (
        ask(several, f"/api/predict/{name}", token, method) for name in ("left", "nobody")
    )
    assert there.status == nowhere.status == 401
    assert there.body == nowhere.body and there.headers.keys() == nowhere.headers.keys()


def test_who_has_the_token_is_told_of_methods_and_reasons(several: SeveralDesk) -> None:
    assert ask(several, "/api/predict/left", "of left", "DELETE").status == 405
    fail(several, "left")
    refused = ask(several, "/api/predict/left", "of left")
    assert refused.status == 503 and b"the disk is full" in refused.body
    several.registry.remove(several.entry("left"))
    assert ask(several, "/api/predict/left", "of left").status == 404
    assert ask(several, "/api/predict/left", "of right").status == 401


def test_metrics_ask_for_a_token(several: SeveralDesk) -> None:
    signature = several.entry("left").tokens.values[0]
    text = b"GET\n\n\n\n/metrics"
    signed = base64.b64encode(hmac.new(signature, text.strip(), hashlib.sha1).digest()).decode()
    for token in ("", "wrong", "EAS " + signed):
        refused = ask(several, "/metrics", token)
        assert refused.status == 401
        assert b"Authorization: Bearer" in refused.body and b"left" not in refused.body
    assert several.server.refused[401] == 3


def shown_in(text: bytes) -> set[str]:
    return set(re.findall(r'service="(\w+)"', text.decode()))


@pytest.mark.parametrize("token", ["of right", "Bearer of right", "bearer old"])
def test_metrics_of_one_are_for_who_has_its_token(several: SeveralDesk, token: str) -> None:
    shown = ask(several, "/metrics", token)
    assert shown.status == 200 and shown_in(shown.body) == {"right"}
    assert b"\neas_connections " in shown.body
    assert b'\neas_service_up{service="right"} 1\n' in shown.body


async def test_metrics_of_all_are_for_who_has_the_token_of_the_engine(
    several: SeveralDesk, eventually_async: Any
) -> None:
    fail(several, "left")
    for token in ("of metrics", "Bearer of metrics"):
        client = several.new_client()
        client.send(http("GET", "/metrics", f"Authorization: {token}"))
        await eventually_async(lambda client=client: client.responses)
        assert shown_in(client.response.body) == {"left", "right", "open"}
        assert b'\neas_service_up{service="left"} 0\n' in client.response.body
    assert shown_in(await several.router.metrics_text(several.server)) == {"left", "right", "open"}


async def test_metrics_of_many_give_way_to_other_requests(several: SeveralDesk) -> None:
    client = several.new_client()
    client.send(http("GET", "/metrics", "Authorization: of metrics"))
    turns = 0
    while not client.responses:
        await asyncio.sleep(0)
        turns += 1
    # What is rendered at once is answered at once; the slices are those of `in_slices`.
    assert turns > 0 and client.response.status == 200


async def test_services_that_go_while_metrics_are_rendered(several: SeveralDesk) -> None:
    rendering = asyncio.create_task(several.router.metrics_text(several.server))
    await asyncio.sleep(0)
    for entry in several.registry:
        several.registry.remove(entry)
    assert shown_in(await rendering) == {"left", "right", "open"}


def test_an_engine_without_a_metrics_token_has_none(service: Any) -> None:
    desk = SeveralDesk(service(name="a", token="t"), service(name="b", token="u"))
    for token in ("", " ", "Bearer", "Bearer "):
        assert ask(desk, "/metrics", token).status == 401


def test_readiness_of_several_tells_numbers_alone(several: SeveralDesk) -> None:
    for target in ("/readyz", "/readyz?all"):
        assert ask(several, target)[::2] == (200, b"3 of 3 services are ready")
    several.admissions["left"].ready = False
    assert ask(several, "/readyz")[::2] == (200, b"2 of 3 services are ready")
    assert ask(several, "/readyz?all")[::2] == (503, b"2 of 3 services are ready")
    several.entry("left").phase = Phase.STARTING
    assert ask(several, "/readyz").status == 503, "it has not been tried yet"
    several.entry("left").phase = Phase.FAILED
    assert ask(several, "/readyz").status == 200
    for each in several.admissions.values():
        each.ready = False
    assert ask(several, "/readyz")[::2] == (503, b"0 of 3 services are ready")


def test_readiness_of_one_is_for_who_has_its_token(several: SeveralDesk) -> None:
    assert ask(several, "/readyz?service=left", "of left")[::2] == (200, b"ready")
    assert ask(several, "/readyz?service=open")[::2] == (200, b"ready")
    for token in ("", "of right"):
        there = ask(several, "/readyz?service=left", token)
        nowhere = ask(several, "/readyz?service=nobody", token)
        assert there[::2] == nowhere[::2] and there.status == 401
    several.admissions["left"].ready = False
    refused = ask(several, "/readyz?service=left", "of left")
    assert refused[::2] == (503, b"no instance is ready")
    fail(several, "left")
    assert b"the disk is full" in ask(several, "/readyz?service=left", "of left").body
    several.server.draining = True
    assert ask(several, "/readyz?service=nobody")[::2] == (503, b"shutting down")


@pytest.mark.parametrize("query", ["service=%E6%A8%A1", "all&service=%e6%a8%a1"])
def test_readiness_of_a_name_that_is_not_ascii(service: Any, query: str) -> None:
    desk = SeveralDesk(service(name="\u6a21", token="t"), service(name="b"))
    assert ask(desk, "/readyz?" + query, "t").status == 200


def test_readiness_of_a_lone_service(service: Any) -> None:
    desk = SeveralDesk(service(name="a", token="t"))
    assert ask(desk, "/readyz?all")[::2] == (200, b"ready")
    assert ask(desk, "/readyz?service=a")[::2] == (200, b"ready")
    assert ask(desk, "/readyz?service=b").status == 404
    fail(desk, "a")
    assert ask(desk, "/readyz")[::2] == (503, b"no instance is ready")
    assert ask(desk, "/readyz?service=a")[::2] == (503, b"no instance is ready")
    assert b"the disk is full" in ask(desk, "/readyz?service=a", "t").body


def test_an_engine_that_has_no_service_yet_is_not_ready() -> None:
    desk = SeveralDesk()
    for target in ("/readyz", "/readyz?all"):
        assert ask(desk, target)[::2] == (503, b"no instance is ready")


@pytest.mark.parametrize("route", ROUTES)
def test_discovery_without_the_token_tells_of_this_engine_alone(
    several: SeveralDesk, route: bytes
) -> None:
    def items(name: str, token: str = "") -> list[str]:
        response = ask(several, route.decode() + name, token)
        content = json.loads(response.body)
        assert response.status == 200 and content["correlative"] == [name.replace("_", "-")]
        return [each["ip"] for each in content["endpoints"]["items"]]

    fail(several, "left")
    everybody = ["10.0.0.8", "10.0.0.7", "127.0.0.1"]
    for token in ("", "wrong", "of right"):
        assert items("left", token) == items("no_body", token) == everybody
    assert items("open") == everybody
    assert items("left", "of left") == ["10.0.0.8", "10.0.0.7"], "it takes no calls here"
    assert items("right", "of right") == everybody
    several.server.draining = True
    assert items("nobody") == ["10.0.0.8", "10.0.0.7"]


@pytest.mark.parametrize("target", ["/", "/healthz", "/readyz", "/readyz?all", "/metrics", "/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
def test_no_other_route_tells_a_name(several: SeveralDesk, target: str, method: str) -> None:
    fail(several, "left")
    client = several.new_client()
    client.send(http(method, target, "Accept: application/json"))
    assert not [name for name in several.admissions if name.encode() in client.transport.written]


@pytest.mark.parametrize("path", [b"/", b"/test", b"/api/predict/other", b"/v1/models/other"])
def test_with_any_path_what_is_not_the_engines_own_is_the_service(
    served: Service, path: bytes
) -> None:
    router = AnyPathRouter(registry_of(served))
    route = find(router, b"POST", path)
    assert isinstance(route, PredictRoute) and route.service is served
    assert isinstance(find(router, b"GET", b"/healthz"), SlowRoute)
    assert refusal_of(find(router, b"PUT", path)).status == 405
    assert refusal_of(find(AnyPathRouter(Registry()), b"POST", path)).status == 404
