"""`tensorflow_model_server` with flags that cannot be, which end it before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from eas_processor.cli.model_server import main

pytestmark = pytest.mark.medium


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 255
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--rest_api_port=1"],
            "Both server_options.model_base_path and server_options.model_conf",
        ),
        (["--model_base_path=/m", "--port=0"], "At least one of server_options.grpc_port"),
        (["--model_base_path=/m", "--ssl_config_file=/missing"], "/missing: No such file"),
        (
            ["--model_base_path=/m", "--use_alts_credentials", "--ssl_config_file=/missing"],
            "use_alts_credentials and ssl_config_file exclude each other",
        ),
        (["--rest_api_port=x"], "--rest_api_port: expected a whole number, got 'x'"),
        (
            ["--rest_api_port=1", "--model_base_path=/m", "--batching_parameters_file=/b"],
            "without setting server_options.enable_batching to true",
        ),
        (["--rest_api_port=1", "--model_config_file=/missing"], "/missing: No such file"),
        (
            [
                "--rest_api_port=1",
                "--model_base_path=/m",
                "--tensorflow_session_parallelism=2",
                "--tensorflow_intra_op_parallelism=2",
            ],
            "sets both numbers of threads",
        ),
    ],
)
def test_what_cannot_be_served_is_said_at_once(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    said_there = refusal(capsys, *words)
    assert said_there.startswith("Failed to start server. Error: ") and said in said_there


def test_a_bad_configuration_is_told_in_their_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "models.config"
    path.write_text("improperly formatted file")
    said = refusal(capsys, "--rest_api_port=1", f"--model_config_file={path}")
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in said


def test_parameters_of_versions_need_batching(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--rest_api_port=1", "--model_config_file=/missing"]
    own = "--enable_per_model_batching_parameters"
    assert f"{own} has no effect without --enable_batching\n" in refusal(capsys, *words, own)
    assert "no effect" not in refusal(capsys, *words, own, "--enable_batching")


def test_its_version_and_help_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert "TensorFlow ModelServer" in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert "--model_config_file_poll_wait_seconds=0" in capsys.readouterr().out


def test_unknown_arguments_are_printed_and_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--nonsense=1", "--version"]) == 0
    assert capsys.readouterr().err == "unknown argument: --nonsense=1\n"
