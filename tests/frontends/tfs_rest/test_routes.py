"""The REST routes of TensorFlow Serving, in front of versions without workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fixtures.engine import FakeClient, TurnsWithoutLoop
from fixtures.tfs_models import ModelsWithoutWorkers

from eas_processor.contracts.refusals import DeadlineExceeded, QueueFull
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.tfs_counters import ModelCounters
from eas_processor.frontends.tfs_rest.metrics import exposition
from eas_processor.frontends.tfs_rest.routes import TfsRoutes
from eas_processor.link import codes
from eas_processor.link.frames import TFS_CLASSIFY_JSON, TFS_PREDICT_JSON, TFS_REGRESS_JSON
from eas_processor.serving.service import Service
from eas_processor.serving.version_states import Stage, VersionState

TFS = frozenset(["tfs"])
BODY = b'{"instances": [1.0]}'
METADATA = {"serving_default": {"method_name": "tensorflow/serving/predict"}}


class Front:
    """The routes over models whose versions have no workers, and a client of them."""

    def __init__(self, service: Callable[..., ServiceSettings], *, cors: bool = False) -> None:
        models = ModelsWithoutWorkers(service, METADATA, TFS)
        self.registry, self.budget = models.registry, models.budget
        self.model, self.version = models.model, models.version
        self.server = HttpServer(EngineSettings(), TfsRoutes(self.registry, cors=cors), self.budget)
        self.server.turns = TurnsWithoutLoop()

    def ask(self, method: str, path: str, body: bytes = b"", *lines: str) -> FakeClient:
        client = FakeClient(self.server)
        head = [f"{method} {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *lines]
        client.send("\r\n".join([*head, "", ""]).encode() + body)
        return client

    def refusal(self, method: str, path: str, body: bytes = b"", *lines: str) -> tuple[int, str]:
        response = self.ask(method, path, body, *lines).response
        assert response.headers["content-type"] == "application/json"
        error = json.loads(response.body)
        assert list(error) == ["error"]
        return response.status, error["error"]


@pytest.fixture
def front(service: Callable[..., ServiceSettings]) -> Front:
    return Front(service)


def asked(service: Service) -> list[Any]:
    found: list[Any] = service.admission.submitted  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize(
    ("verb", "codec"),
    [("predict", TFS_PREDICT_JSON), ("classify", TFS_CLASSIFY_JSON), ("regress", TFS_REGRESS_JSON)],
)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "x/y"])
def test_a_call_goes_to_the_latest_version_in_the_codec_of_its_verb(
    front: Front, verb: str, codec: int, kind: str
) -> None:
    entry = front.model("m", 123, 124)
    client = front.ask("POST", f"/v1/models/m:{verb}", BODY, f"Content-Type: {kind}")
    (call,) = asked(entry.versions[124])
    assert (call.codec, b"".join(call.body)) == (codec, BODY)
    call.answer(codes.OK, [b'{"predictions": [3.0]}'])
    assert client.response[::2] == (200, b'{"predictions": [3.0]}')
    assert client.response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "number"), [("versions/123", 123), ("labels/canary", 124)])
def test_a_call_may_name_a_version_or_a_label(front: Front, path: str, number: int) -> None:
    entry = front.model("m", 123, 124)
    entry.label({"canary": 124})
    front.ask("POST", f"/v1/models/m/{path}:predict", BODY)
    assert len(asked(entry.versions[number])) == 1


def test_version_0_means_the_latest_where_there_is_none(front: Front) -> None:
    entry = front.model("m", 123)
    front.ask("POST", "/v1/models/m/versions/0:predict", BODY)
    assert len(asked(entry.versions[123])) == 1


def test_a_connection_follows_a_label_that_is_moved_and_a_version_that_comes(front: Front) -> None:
    entry = front.model("m", 1)
    entry.label({"stable": 1})
    client = FakeClient(front.server)
    paths = ["/v1/models/m/labels/stable:predict", "/v1/models/m:predict"]
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        for path in paths
    ]
    for request in requests * 2:
        client.send(request)
    assert len(asked(entry.versions[1])) == 4
    entry.publish(2, front.version("m"))
    for request in requests:
        client.send(request)
    assert [len(asked(entry.versions[each])) for each in (1, 2)] == [5, 1]
    entry.label({"stable": 2})
    client.send(requests[0])
    assert [len(asked(entry.versions[each])) for each in (1, 2)] == [5, 2]


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("no:predict", BODY, 404, "Servable not found for request: Latest(no)"),
        ("m/versions/9:predict", BODY, 404, "Servable not found for request: Specific(m, 9)"),
        ("m/labels/x:predict", BODY, 400, "Unrecognized servable version label: x"),
        ("no:predict", b"", 400, "JSON Parse error"),
        ("no:predict", b"{}", 404, "Servable not found for request: Latest(no)"),
        ("no:predict", b"[]", 400, "not a JSON object"),
        ("no:predict", b"[" * 100_000, 404, "Servable not found for request: Latest(no)"),
        ("m:PREDICT", BODY, 400, "Malformed request: POST /v1/models/m:PREDICT"),
        ("m:predict?x=1", BODY, 400, "Malformed request: POST /v1/models/m:predict?x=1"),
        ("m/versions/99999999999999999999:predict", BODY, 400, "Failed to convert version"),
        ("eas_alone:predict", BODY, 404, "Servable not found for request: Latest(eas_alone)"),
    ],
)
def test_what_a_call_is_refused_with(
    front: Front, path: str, body: bytes, status: int, text: str
) -> None:
    front.model("m", 1)
    front.model("eas_alone", 1, frontends=frozenset(["eas"]))
    got, said = front.refusal("POST", f"/v1/models/{path}", body)
    assert got == status and text in said


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (codes.INVALID_ARGUMENT, 400),
        (codes.FAILED_PRECONDITION, 400),
        (codes.UNIMPLEMENTED, 501),
        (codes.MODEL_FAULT, 500),
        (codes.UNAVAILABLE, 503),
    ],
)
def test_what_the_worker_says_has_the_status_of_its_code(
    front: Front, code: int, status: int
) -> None:
    entry = front.model("m", 1)
    client = front.ask("POST", "/v1/models/m:predict", BODY)
    asked(entry.versions[1])[0].answer(code, [b"it ", b"failed"])
    assert client.response.status == status
    assert json.loads(client.response.body) == {"error": "it failed"}
    assert entry.versions[1].metrics.codes == {status: 1}


def test_the_status_of_version_0_is_that_of_all_where_none_has_that_number(front: Front) -> None:
    front.model("m", 1, 2)
    every = front.ask("GET", "/v1/models/m").response.body
    assert front.ask("GET", "/v1/models/m/versions/0").response.body == every
    front.model("with_0", 0, 1)
    body = front.ask("GET", "/v1/models/with_0/versions/0").response.body
    (shown,) = json.loads(body)["model_version_status"]
    assert shown["version"] == "0"


def test_a_model_that_has_gone_still_tells_of_its_versions(front: Front) -> None:
    entry = front.model("m", 1)
    front.model("other", 1)
    entry.states[1] = VersionState(Stage.END)
    front.registry.remove(entry)
    (shown,) = json.loads(front.ask("GET", "/v1/models/m").response.body)["model_version_status"]
    assert (shown["version"], shown["state"]) == ("1", "END")
    assert front.refusal("GET", "/v1/models/m/versions/2")[1] == (
        "Could not find version 2 of model m"
    )
    gone = (404, "Servable not found for request: Latest(m)")
    assert front.refusal("POST", "/v1/models/m:predict", BODY) == gone
    assert front.refusal("GET", "/v1/models/m/metadata") == gone


@pytest.mark.parametrize(
    ("refusal", "status", "text"),
    [
        (DeadlineExceeded("late"), 504, "Timed out waiting for notification"),
        (QueueFull("full"), 503, "The batch scheduling queue to which this task was submitted is"),
    ],
)
def test_the_engines_own_refusals_have_the_words_that_clients_match(
    front: Front, refusal: Any, status: int, text: str
) -> None:
    entry = front.model("m", 1)
    client = front.ask("POST", "/v1/models/m:predict", BODY)
    asked(entry.versions[1])[0].refuse(refusal)
    assert client.response.status == status
    assert json.loads(client.response.body)["error"].startswith(text)


def test_the_status_lists_every_version_the_newest_first(front: Front) -> None:
    entry = front.model("m", 123)
    entry.states[124] = VersionState(Stage.END, codes.NOT_FOUND, "no graph at /srv/models/m/124")
    body = json.loads(front.ask("GET", "/v1/models/m").response.body)
    ok = {"error_code": "OK", "error_message": ""}
    failed = {"error_code": "NOT_FOUND", "error_message": "no graph at 124"}
    assert body == {
        "model_version_status": [
            {"version": "124", "state": "END", "status": failed},
            {"version": "123", "state": "AVAILABLE", "status": ok},
        ]
    }
    one = json.loads(front.ask("GET", "/v1/models/m/versions/123").response.body)
    assert [each["version"] for each in one["model_version_status"]] == ["123"]


def test_the_metadata_is_what_the_worker_tells(front: Front) -> None:
    front.model("m", 1, 2)
    body = json.loads(front.ask("GET", "/v1/models/m/metadata").response.body)
    assert body == {
        "model_spec": {"name": "m", "signature_name": "", "version": "2"},
        "metadata": {"signature_def": {"signature_def": METADATA}},
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/models/no", 404, "Could not find any versions of model no"),
        ("GET", "/v1/models/m/versions/9", 404, "Could not find version 9 of model m"),
        ("GET", "/v1/models/m/versions/9/metadata", 404, "Specific(m, 9)"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/nothing", 400, "Malformed request: GET /v1/nothing"),
        ("DELETE", "/v1/models/m", 400, "Malformed request: DELETE /v1/models/m"),
    ],
)
def test_what_a_question_is_refused_with(
    front: Front, method: str, path: str, status: int, text: str
) -> None:
    front.model("m", 1)
    got, said = front.refusal(method, path)
    assert got == status and text in said


def test_a_model_with_a_token_asks_for_it(front: Front) -> None:
    entry = front.model("m", 1, token="secret")
    for method, path in [("POST", "/v1/models/m:predict"), ("GET", "/v1/models/m")]:
        assert front.refusal(method, path, BODY if method == "POST" else b"")[0] == 401
    front.ask("POST", "/v1/models/m:predict", BODY, "Authorization: Bearer secret")
    assert len(asked(entry.versions[1])) == 1


def test_browsers_may_call_only_where_that_is_switched_on(
    front: Front, service: Callable[..., ServiceSettings]
) -> None:
    open_front = Front(service, cors=True)
    origin = "Origin: http://example.com"
    for each, allowed in [(front, None), (open_front, "*")]:
        each.model("m", 1)
        preflight = each.ask("OPTIONS", "/v1/models/m:predict", b"", origin).response
        status = each.ask("GET", "/v1/models/m", b"", origin).response
        assert (preflight.status, status.status) == (200, 200)
        for response in (preflight, status):
            assert response.headers.get("access-control-allow-origin") == allowed
    assert open_front.refusal("OPTIONS", "/v1/models/m:predict")[0] == 400


def test_calls_go_on_while_their_page_of_metrics_is_made() -> None:
    counted = {"a": ModelCounters(), "b": ModelCounters()}
    counted["a"].succeeded("predict", "REST", 0.001)
    lines = exposition(counted, [], {}, "pool")
    shown = next(line for line in lines if "request_latency_bucket" in line)
    counted["a"].succeeded("classify", "REST", 0.001)
    counted["b"].succeeded("predict", "REST", 0.001)
    counted["c"] = ModelCounters()
    assert 'API="predict"' in shown and any("graph_runs" in line for line in lines)


def test_their_page_of_metrics_counts_calls_by_model_status_and_route(front: Front) -> None:
    entry = front.model("m", 1)
    assert "# TYPE :tensorflow:serving:request_count counter" in list(
        TfsRoutes(front.registry).metrics()
    ), "it answers before the first request"
    client = front.ask("POST", "/v1/models/m:predict", BODY)
    asked(entry.versions[1])[0].answer(codes.OK, [b"{}"])
    assert client.response.status == 200
    front.ask("POST", "/v1/models/m:regress", BODY)
    asked(entry.versions[1])[1].answer(codes.INVALID_ARGUMENT, [b"no"])
    routes: Any = front.server.routes
    lines = list(routes.metrics())
    name = ":tensorflow:serving:request_"
    assert f'{name}count{{model_name="m",status="OK"}} 1' in lines
    assert f'{name}count{{model_name="m",status="INVALID_ARGUMENT"}} 1' in lines
    labels = 'model_name="m",API="predict",entrypoint="REST"'
    assert f'{name}latency_bucket{{{labels},le="10"}} 0' in lines or any(
        each.startswith(f'{name}latency_bucket{{{labels},le="18"}}') for each in lines
    )
    assert f"{name}latency_count{{{labels}}} 1" in lines
    assert f'{name}latency_bucket{{{labels},le="+Inf"}} 1' in lines
    assert len([each for each in lines if each.startswith(f"{name}latency_bucket")]) == 34
