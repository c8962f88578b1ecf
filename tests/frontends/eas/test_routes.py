from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from eas_processor.contracts.refusals import NotFound
from eas_processor.frontends.eas.routes import Router
from eas_processor.frontends.http.refusals import MethodNotAllowed
from eas_processor.link.codes import INVALID_ARGUMENT, UNAVAILABLE
from eas_processor.serving.budget import Budget
from eas_processor.serving.service import Service


@pytest.fixture
def served(service: Any) -> Any:
    admission: Any = Mock(ready=True)
    instances: Any = SimpleNamespace(info={})
    return Service(service(name="digits v2"), admission, instances, Budget(1, 1), 1)


@pytest.fixture
def router(served: Service) -> Router:
    return Router([served])


@pytest.mark.parametrize(
    "path",
    [
        b"/api/predict/digits v2",
        b"/api/predict/digits%20v2",
        b"/api/predict/%64igits%20v2/",
        b"/api/predict/digits%20v2/deeper/still",
    ],
)
@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_the_service_is_found(router: Router, served: Service, path: bytes, method: bytes) -> None:
    assert router.find(method, path) is served


@pytest.mark.parametrize(
    "path",
    [b"/", b"/api/predict", b"/api/predict/", b"/api/predict/digits", b"/API/predict/x", b"\xff"],
)
def test_anything_else_is_not(router: Router, path: bytes) -> None:
    refusal = router.find(b"POST", path)
    assert isinstance(refusal, NotFound)
    assert "digits v2" not in str(refusal)


def test_a_long_path_is_not_repeated_whole(router: Router) -> None:
    assert len(str(router.find(b"POST", b"/api/predict/" + b"x" * 10000))) < 300


def test_other_methods_are_refused(router: Router) -> None:
    refusal = router.find(b"DELETE", b"/api/predict/digits%20v2")
    assert isinstance(refusal, MethodNotAllowed) and "DELETE" in str(refusal)


def test_the_signature_is_the_models(served: Any) -> None:
    assert served.describe()[0] == UNAVAILABLE
    served.instances.info = {"info_code": 3, "info_status": 0, "info": "a frozen graph has none"}
    assert served.describe() == (INVALID_ARGUMENT, b"a frozen graph has none")


def test_alive_and_ready_are_two_things(router: Router, served: Any) -> None:
    assert router.health(b"/elsewhere") is None
    assert router.health(b"/readyz") == (200, b"ready")
    served.admission.ready = False
    assert router.health(b"/readyz") == (503, b"no instance is ready")
    served.admission.ready = True
    router.draining = True
    assert router.health(b"/readyz") == (503, b"shutting down")
    assert router.health(b"/healthz") == (200, b"alive")
