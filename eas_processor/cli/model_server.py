"""`tensorflow_model_server`: models of numbered versions, with TensorFlow Serving's flags."""

from __future__ import annotations

import logging
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eas_processor import __version__
from eas_processor.cli.model_server_flags import FLAGS, Flags, read_flags
from eas_processor.cli.stopping import end_as_process_one
from eas_processor.errors import EasError, StartError

log = logging.getLogger("eas_processor")

_FAILED = 255
"""The exit status of a server that cannot start: TensorFlow Serving returns -1."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit status."""
    if sys.version_info < (3, 11):
        version = sys.version.split()[0]
        print(
            f"tensorflow_model_server needs Python 3.11 or newer; this is {version}. "
            "Install it with a newer Python",
            file=sys.stderr,
        )
        return _FAILED
    end_as_process_one()
    words = list(sys.argv[1:] if argv is None else argv)
    if any(each in words for each in ("--help", "-h", "-help", "--helpfull")):
        try:
            print(_usage(), flush=True)
        except BrokenPipeError:  # otherwise the interpreter writes the rest when it exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    try:
        flags = read_flags(words)
        for each in flags.unknown:
            print(f"unknown argument: {each}", file=sys.stderr)
        if flags.version:
            print(f"TensorFlow ModelServer: {__version__} of eas-processor")
            return 0
        _serve(flags)
    except EasError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(flags: Flags) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from eas_processor.app.engine import Offer, run
    from eas_processor.app.running import Entries
    from eas_processor.app.sighup import prepare_for_sighup
    from eas_processor.cli.logs import set_up
    from eas_processor.config.token import engine_admin_token

    on_sighup = prepare_for_sighup()
    models = _models(flags)
    settings = _engine_settings(flags, engine_admin_token().value)
    set_up(verbose=False, readable=True)
    for note in flags.notes():
        log.warning("%s", note)

    def announce(_: str) -> None:
        if flags.grpc_socket_path:
            log.info("Running gRPC ModelServer at UDS: %s ...", flags.grpc_socket_path)
        if flags.port:
            log.info("Running gRPC ModelServer at 0.0.0.0:%d ...", flags.port)
        if settings.listens_for_http:
            log.info("Exporting HTTP/REST API at:localhost:%d ...", flags.rest_api_port)

    with Entries() as entries:
        offer = Offer(models=models, on_listening=announce)
        run(settings, offer, lambda *_: None, entries, on_sighup=on_sighup)


def _models(flags: Flags) -> Any:
    from eas_processor.app.models.plan import VersionPlan
    from eas_processor.app.models.server import ModelOffer
    from eas_processor.app.models.version import Loading

    plan = VersionPlan(
        timeout=flags.rest_api_timeout_in_ms / 1000,
        session=_session(flags),
        batching=_batching(flags),
        batching_of_version=flags.enable_per_model_batching_parameters,
    )
    read = _reader(flags)
    read()
    return ModelOffer(
        read,
        Loading(plan, flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6),
        config_poll=flags.model_config_file_poll_wait_seconds if flags.model_config_file else 0,
        directory_poll=flags.file_system_poll_wait_seconds,
        any_label=flags.allow_version_labels_for_unavailable_models,
    )


def _reader(flags: Flags) -> Any:
    """Return the function that reads the configuration of models."""
    from eas_processor.config.models import ModelConfig

    if flags.model_config_file:
        from eas_processor.config.text_protos.models_config import read_models

        path = Path(flags.model_config_file)
        return lambda: read_models(path)
    if not flags.model_base_path:
        raise StartError(
            "Both server_options.model_base_path and server_options.model_config_file are empty! "
            "Name the directory of a model with --model_base_path, or a file with "
            "--model_config_file"
        )
    base = Path(os.path.abspath(flags.model_base_path.removeprefix("file://")))
    model = ModelConfig(flags.model_name, base)
    return lambda: [model]


def _batching(flags: Flags) -> Any:
    from eas_processor.config.batching import BatchingParameters

    if not flags.enable_batching:
        if flags.batching_parameters_file:
            raise StartError(
                "server_options.batching_parameters_file is set without setting "
                "server_options.enable_batching to true."
            )
        if flags.enable_per_model_batching_parameters:
            name = "--enable_per_model_batching_parameters"
            print(f"{name} has no effect without --enable_batching", file=sys.stderr)
        return None
    if not flags.batching_parameters_file:
        return BatchingParameters()
    from eas_processor.config.text_protos.batching_config import read_batching

    return read_batching(Path(flags.batching_parameters_file))


def _session(flags: Flags) -> dict[str, Any]:
    """Return the keys of `model_config` that the session flags mean."""
    config: dict[str, Any] = {}
    if flags.tensorflow_session_config_file:
        from eas_processor.config.text_protos.server_config import read_session

        config, without_effect = read_session(Path(flags.tensorflow_session_config_file))
        for name in without_effect:
            print(f"{flags.tensorflow_session_config_file}: {name} has no effect", file=sys.stderr)
    both = flags.tensorflow_session_parallelism
    intra, inter = flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism
    if both and (intra or inter):
        raise StartError(
            "tensorflow_session_parallelism sets both numbers of threads: leave out "
            "tensorflow_intra_op_parallelism and tensorflow_inter_op_parallelism"
        )
    threads = {
        "intra_op_parallelism_threads": intra or both,
        "inter_op_parallelism_threads": inter or both,
    }
    config |= {name: count for name, count in threads.items() if count > 0}
    if flags.per_process_gpu_memory_fraction:
        config["gpu_memory_fraction"] = flags.per_process_gpu_memory_fraction
    config["enable_model_warmup"] = flags.enable_model_warmup
    config["num_request_iterations_for_warmup"] = max(0, flags.num_request_iterations_for_warmup)
    config["prefer_tflite_model"] = flags.prefer_tflite_model
    config["enable_signature_method_name_check"] = flags.enable_signature_method_name_check
    config["tags"] = [each for each in flags.saved_model_tags.split(",") if each]
    return config


def _engine_settings(flags: Flags, admin_token: str) -> Any:
    from eas_processor.app.channel_arguments import channel_settings
    from eas_processor.contracts.settings import EngineSettings, GrpcSettings

    if flags.use_alts_credentials and flags.ssl_config_file:
        raise StartError(
            "use_alts_credentials and ssl_config_file exclude each other; ALTS is not built into "
            "this server"
        )
    if not flags.port and not flags.grpc_socket_path and not flags.rest_api_port:
        raise StartError(
            "At least one of server_options.grpc_port, server_options.grpc_socket_path or "
            "server_options.http_port must be set."
        )
    same = bool(flags.port) and flags.rest_api_port == flags.port
    if same and flags.ssl_config_file:
        log.error("--rest_api_port is that of gRPC, which has TLS: skipped exporting HTTP/REST API")
    elif same:
        log.warning("--rest_api_port equals --port: this port serves both REST and gRPC")
    beside_http = same and not flags.ssl_config_file
    defaults = EngineSettings()
    return channel_settings(
        flags.grpc_channel_arguments,
        EngineSettings(
            host="0.0.0.0",  # noqa: S104 - as TensorFlow Serving
            port=flags.rest_api_port,
            port_option="--rest_api_port",
            listens_for_http=bool(flags.rest_api_port) and (beside_http or not same),
            max_body=defaults.max_buffered,
            grpc=GrpcSettings(
                beside_http=beside_http,
                port=None if beside_http else flags.port or None,
                socket_path=flags.grpc_socket_path,
                context=_tls(flags),
                as_content=flags.enable_serialization_as_tensor_content,
                health=flags.enable_grpc_healthcheck_service,
                profiler=flags.enable_profiler,
            ),
            cors=flags.rest_api_enable_cors_support,
            monitoring_path=_monitoring_path(flags),
            admin_token=admin_token,
        ),
    )


def _tls(flags: Flags) -> Any:
    """Return the TLS context of gRPC, if it is to have one."""
    if not flags.ssl_config_file:
        return None
    from eas_processor.app.certificates import tls_context

    return tls_context(Path(flags.ssl_config_file))


def _monitoring_path(flags: Flags) -> str:
    if not flags.monitoring_config_file:
        return ""
    from eas_processor.config.text_protos.server_config import read_monitoring

    return read_monitoring(Path(flags.monitoring_config_file))


def _usage() -> str:
    lines = ["usage: tensorflow_model_server --flag=value ...", "Flags:"]
    for name, flag in FLAGS.items():
        default = str(flag.default).lower() if isinstance(flag.default, bool) else flag.default
        does = f"no effect: {flag.no_effect}" if flag.no_effect else flag.help
        lines += [f"  --{name}={default!s}", textwrap.indent(textwrap.fill(does, 72), " " * 8)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
