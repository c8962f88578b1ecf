"""What a worker may know of the engine's environment."""

from __future__ import annotations

import pytest

from eas_processor.instances.environment import worker_environment


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "LC_ALL", "TF_CPP_MIN_LOG_LEVEL", "NVIDIA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"],
)
def test_what_programs_and_tensorflow_need_is_passed_on(name: str) -> None:
    assert worker_environment({name: "x"}) == {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        "EAS_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "OSS_ACCESS_KEY_SECRET",
        "GITHUB_TOKEN",
        "http_proxy",
        "EAS_WORKER_ENV",
        "PYTHONSTARTUP",
        "SSH_AUTH_SOCK",
        "PATHS",
        "TF_TOKEN_app_terraform_io",
        "TF_VAR_db_password",
        "NVIDIA_API_KEY",
    ],
)
def test_what_may_be_a_secret_is_not(name: str) -> None:
    assert worker_environment({name: "x"}) == {}


def test_more_can_be_named() -> None:
    environment = {"EAS_WORKER_ENV": "MINE, OURS_*,", "MINE": "1", "OURS_A": "2", "MINE_TOO": "3"}
    assert worker_environment(environment) == {"MINE": "1", "OURS_A": "2"}
