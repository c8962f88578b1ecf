"""Arguments of gRPC's own servers, as far as they mean something here."""

from __future__ import annotations

import logging

import pytest

from eas_processor.app.channel_arguments import channel_settings
from eas_processor.contracts.settings import EngineSettings

DEFAULTS = EngineSettings()


def test_an_idle_time_and_a_largest_message_are_taken() -> None:
    text = "grpc.max_connection_idle_ms=2000, grpc.max_receive_message_length=1000"
    settings = channel_settings(text, DEFAULTS)
    assert (settings.idle_timeout, settings.max_body) == (2.0, 1000)


@pytest.mark.parametrize(
    "text", ["", "grpc.so_reuseaddr=1", "grpc.max_receive_message_length=-1", ",,"]
)
def test_what_is_so_already_changes_nothing(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert channel_settings(text, DEFAULTS) == DEFAULTS
    assert caplog.records == []


@pytest.mark.parametrize(
    "text",
    [
        "grpc.http2.hpack=1",
        "nonsense",
        "grpc.max_connection_idle_ms=x",
        "grpc.max_connection_idle_ms=--5",
    ],
)
def test_what_has_no_effect_is_said(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert channel_settings(text, DEFAULTS) == DEFAULTS
    assert text in caplog.text


def test_a_message_above_the_memory_for_messages_is_never_taken() -> None:
    settings = channel_settings(f"grpc.max_receive_message_length={2**31 - 1}", DEFAULTS)
    assert settings.max_body == DEFAULTS.max_body
