"""
The functions that run each command.

Each function imports its modules itself. So `eascmd --help` answers in 0.1 s, and a command needs
only the packages of its own extra.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def run_serve(arguments: argparse.Namespace) -> None:
    """Run `eascmd serve`."""
    # numpy reads this on import. It would start a thread per core, which the engine never uses.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from eas_processor.cli.logs import set_up
    from eas_processor.cli.serve import serve
    from eas_processor.contracts.settings import ENVELOPE, MIB, EngineSettings, GrpcSettings
    from eas_processor.errors import StartError

    if arguments.tls_key and not arguments.tls_cert:
        raise StartError("--tls-key needs the certificate of the key; give it with --tls-cert")
    if arguments.max_buffered <= arguments.max_body:
        raise StartError(
            f"--max-buffered {arguments.max_buffered} must be above --max-body "
            f"{arguments.max_body} (MiB); raise --max-buffered or lower --max-body"
        )
    set_up(verbose=arguments.verbose)
    settings = EngineSettings(
        host=arguments.host,
        port=arguments.port,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        max_body=arguments.max_body * MIB + ENVELOPE,
        max_buffered=arguments.max_buffered * MIB,
        max_connections=arguments.max_connections,
        idle_timeout=arguments.idle_timeout,
        grpc=GrpcSettings(beside_http=True, health=True),
        access_log=arguments.access_log,
        traces=arguments.traces or "",
        admin_port=arguments.admin_port,
        peers=arguments.peers,
    )
    serve(arguments.services, settings, watch=arguments.watch, inline=arguments.inline)


def run_change(arguments: argparse.Namespace) -> None:
    """Run `eascmd reload` and `eascmd rollback`."""
    from eas_processor.cli.admin import change

    change(arguments.service, arguments.what)


def run_instances(arguments: argparse.Namespace) -> None:
    """Run `eascmd w`."""
    from eas_processor.cli.admin import instances, services

    if arguments.service is None:
        services(as_json=arguments.json)
    else:
        instances(arguments.service, as_json=arguments.json)


def run_inspect(arguments: argparse.Namespace) -> None:
    """Run `eascmd inspect`."""
    from eas_processor.cli.inspect import inspect
    from eas_processor.cli.saved_model_options import refuse_stray_show_options
    from eas_processor.errors import CallError

    if arguments.dir is not None:
        from eas_processor.cli.inspect_show import show

        # `show` is the command of `saved_model_cli` that `inspect --dir` replaces.
        if arguments.path not in (None, Path("show")) or arguments.json:
            given = "--json" if arguments.json else arguments.path
            raise CallError(f"--dir names the model; {given} goes with `eascmd inspect PATH`")
        show(arguments)
        return
    refuse_stray_show_options(arguments)
    if arguments.path is None:
        arguments.usage_error("the following arguments are required: PATH, or --dir DIR")
    if arguments.path == Path("show") and not arguments.path.exists():
        raise CallError("`eascmd inspect show` needs --dir DIR, which names the model")
    inspect(arguments.path, as_json=arguments.json)


def run_builds(arguments: argparse.Namespace) -> None:
    """Run `eascmd builds`."""
    from eas_processor.cli.builds import print_builds

    print_builds(as_json=arguments.json)


def run_build(arguments: argparse.Namespace) -> None:
    """Run `eascmd build`."""
    from eas_processor.cli.build import build
    from eas_processor.home import have_temporary_directory

    have_temporary_directory()
    build(arguments)


def run_bench(arguments: argparse.Namespace) -> None:
    """Run `eascmd bench`."""
    from eas_processor.bench.load import Plan
    from eas_processor.cli.bench import Options, bench
    from eas_processor.home import have_temporary_directory

    have_temporary_directory()
    duration = arguments.duration
    if duration is None:
        duration = float("inf") if arguments.requests else 10.0
    plan = Plan(
        connections=arguments.connections,
        concurrency=arguments.concurrency,
        duration=duration,
        requests=arguments.requests,
        warm_up=arguments.warm_up,
        rate=arguments.rate,
        timeout=arguments.timeout or 30.0,
    )
    options = Options(
        body=arguments.body,
        rows=arguments.rows,
        token=arguments.token,
        content_type=arguments.content_type,
        inputs=arguments.inputs,
        as_json=arguments.json,
    )
    bench(arguments.endpoint, plan, options)


def run_schema(_: argparse.Namespace) -> None:
    """Run `eascmd schema`."""
    from eas_processor.cli.schema import print_schema

    print_schema()


def run_completion(arguments: argparse.Namespace) -> None:
    """Run `eascmd completion`."""
    from eas_processor.cli import completion

    shell = arguments.shell or completion.shell_of_user()
    if not shell:
        arguments.usage_error(f"name the shell: {', '.join(completion.SHELLS)}")
    if arguments.install:
        completion.install_completion(shell)
    else:
        completion.print_completion(shell)
