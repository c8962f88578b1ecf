from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from eas_processor.frontends.eas.call import PredictRoute
from eas_processor.frontends.eas.routes import Router
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.refusals import HttpRefusal
from eas_processor.frontends.http.routes import Refused, Route
from eas_processor.link.codes import INVALID_ARGUMENT, UNAVAILABLE
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import registry_of
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
