"""`ModelService`: states of versions, and another configuration."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from fixtures.serving_messages import new, parsed

from eas_processor.errors import NotAvailableError, ServiceFileError, StartError
from eas_processor.frontends.grpc.model_service import model_service_methods
from eas_processor.link import codes
from eas_processor.serving.version_states import Stage, VersionState

STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
Code = grpc.StatusCode


def request(**spec: Any) -> bytes:
    message = new("GetModelStatusRequest", model_spec=new("ModelSpec", **spec))
    return bytes(message.SerializeToString())


def tell(front: Any, reload: Any = None) -> None:
    front.services.add(model_service_methods(front.services.models, reload))


async def states(front: Any, **spec: Any) -> list[tuple[int, int, int, str]]:
    answer = parsed("GetModelStatusResponse", await front.ask(STATUS, request(**spec)))
    return [
        (each.version, each.state, each.status.error_code, each.status.error_message)
        for each in answer.model_version_status
    ]


async def test_the_states_of_all_versions_or_of_one_are_told(serve: Any) -> None:
    async with serve() as front:
        tell(front)
        entry = front.model("m", 0, 1, 2)
        entry.states[3] = VersionState(Stage.END, codes.INTERNAL, "broken")
        entry.states[4] = VersionState(Stage.LOADING)
        entry.label({"stable": 1})
        every = [(4, 20, 0, ""), (3, 50, 13, "broken"), (2, 30, 0, ""), (1, 30, 0, "")]
        assert await states(front, name="m") == [*every, (0, 30, 0, "")]
        assert await states(front, name="m", version=new("Int64Value", value=3)) == every[1:2]
        assert await states(front, name="m", version=new("Int64Value")) == [(0, 30, 0, "")]
        assert await states(front, name="m", version_label="stable") == every[3:]


async def test_version_0_is_all_where_none_has_that_number(serve: Any) -> None:
    async with serve() as front:
        tell(front)
        front.model("m", 1, 2)
        both = [(2, 30, 0, ""), (1, 30, 0, "")]
        assert await states(front, name="m", version=new("Int64Value")) == both


@pytest.mark.parametrize(
    ("spec", "status", "text"),
    [
        ({"name": "no"}, Code.NOT_FOUND, "Could not find any versions of model no"),
        (
            {"name": "m", "version": new("Int64Value", value=9)},
            Code.NOT_FOUND,
            "Could not find version 9 of model m",
        ),
        (
            {"name": "m", "version_label": "x"},
            Code.INVALID_ARGUMENT,
            "Unrecognized servable version label: x",
        ),
        ({"signature_name": "s"}, Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        ({}, Code.INVALID_ARGUMENT, "Missing ModelSpec"),
    ],
)
async def test_what_has_no_state_is_refused(
    serve: Any, spec: dict[str, Any], status: grpc.StatusCode, text: str
) -> None:
    async with serve() as front:
        tell(front)
        front.model("m", 1)
        assert await front.refusal(STATUS, request(**spec)) == (status, text)


async def test_another_configuration_is_handed_over_as_it_came(serve: Any) -> None:
    got = []

    async def reload(message: bytes) -> bytes:
        got.append(message)
        return b"\x12\x03\x0a\x01n"

    async with serve() as front:
        tell(front, reload)
        # `status` is there, and empty: the code OK is 0.
        assert await front.ask(RELOAD, b"\x0a\x00") == b"\x0a\x00\x12\x03\x0a\x01n"
    assert got == [b"\x0a\x00"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServiceFileError("why"), Code.INVALID_ARGUMENT),
        (NotAvailableError("why"), Code.FAILED_PRECONDITION),
        (StartError("why"), Code.INTERNAL),
    ],
)
async def test_a_configuration_that_is_not_taken_says_why(
    serve: Any, error: Exception, status: grpc.StatusCode
) -> None:
    async def reload(_: bytes) -> bytes:
        raise error

    async with serve() as front:
        tell(front, reload)
        assert await front.refusal(RELOAD, b"") == (status, "why")


async def test_services_of_files_take_no_configuration(serve: Any) -> None:
    async with serve() as front:
        tell(front)
        assert (await front.refusal(RELOAD, b""))[0] == Code.UNIMPLEMENTED
