"""`eascmd serve`: run an engine that serves service files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from eas_processor.app.directories import Directories
from eas_processor.app.engine import Offer, run
from eas_processor.app.hosting import Source
from eas_processor.app.plan import ServiceFile
from eas_processor.app.running import Entries
from eas_processor.app.sighup import prepare_for_sighup
from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.find import is_own
from eas_processor.cli.announce import announce
from eas_processor.cli.hints import frozen_graph_signature
from eas_processor.cli.serve_models import models_offer
from eas_processor.config import load_service
from eas_processor.config.token import engine_admin_token, metrics_token
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.errors import BuildError, ServiceFileError, StartError
from eas_processor.home import have_temporary_directory
from eas_processor.worker.hooks import HooksError, Processor, import_hooks

_UNCHANGEABLE = "a service that runs with --inline cannot be changed while it runs"


def serve(
    paths: Sequence[Path], settings: EngineSettings, *, watch: bool = False, inline: bool = False
) -> None:
    """
    Serve service files, and those in directories, until SIGTERM or Ctrl-C. Raises SetupError.

    With `watch`, a service is reloaded when its file or model changes, and services are added and
    removed with the files in the directories. With `inline`, the model of the only service runs in
    this process, and nothing can be changed meanwhile.
    """
    on_sighup = prepare_for_sighup()
    have_temporary_directory()
    models = models_offer(paths, watch=watch)
    if models is not None and inline:
        raise StartError("--inline runs the model of one service file; leave it out for models")
    offer = models or _offer(paths, watch=watch)
    if inline:
        _check_inline(offer, watch=watch)
        offer = replace(offer, sources=[ServiceFile(paths[0], _UNCHANGEABLE)])
    settings = replace(settings, admin_token=engine_admin_token().value)
    if not offer.alone and models is None:
        settings = replace(settings, metrics_token=metrics_token().value)
    with Entries() as entries:
        load_inline = _load_inline if inline else None
        run(settings, offer, partial(_announce, offer), entries, load_inline, on_sighup)


def _offer(paths: Sequence[Path], *, watch: bool) -> Offer:
    """Return the offer for these arguments. Raises SetupError if they cannot be meant."""
    directories = [each for each in paths if each.is_dir()]
    files = [each for each in paths if each not in directories]
    if not directories and len(files) == 1:
        return Offer([ServiceFile(files[0])], watches=watch)
    for each in files:
        if not each.exists():
            raise ServiceFileError(f"{each}: no such file")
    followed = Directories(directories)
    found = [*files, *(each for each in followed.look()[0] if each not in files)]
    if not found and not watch:
        raise ServiceFileError(
            f"{directories[0]}: has no service file (*.json); add one, or wait for one with --watch"
        )
    _check_names(found)
    sources = [ServiceFile(each) for each in found]
    return Offer(sources, followed if directories else None, watches=watch)


def _check_names(files: Iterable[Path]) -> None:
    """Refuse two services with the same name. Files that cannot be read are reported later."""
    names: dict[str, Path] = {}
    for each in files:
        try:
            name = load_service(each).service.name
        except ServiceFileError:
            continue
        if name in names:
            raise ServiceFileError(
                f"{each}: name: {name!r} is the name in {names[name]} too; "
                "give each service a name of its own"
            )
        names[name] = each


def _announce(
    offer: Offer, address: str, source: Source, settings: ServiceSettings, signature: str
) -> None:
    """Print the address of a service, and an example request if it is the only service."""
    assert isinstance(source, ServiceFile)
    shown = ""
    if offer.alone and settings.worker.directory is None:
        shown = signature or frozen_graph_signature(settings.worker.model_entry)
    announce(address, settings.name, source.token(), shown)


def _check_inline(offer: Offer, *, watch: bool) -> None:
    """Refuse services that cannot run inline, before anything is built."""
    if not offer.alone:
        raise StartError("--inline: one service runs in the engine's process; name one file")
    if watch:
        raise StartError(f"--watch: {_UNCHANGEABLE}; leave one of the two out")
    path = Path(offer.sources[0].label)
    service = load_service(path).service
    if service.processor_path:
        raise BuildError(f"{path}: --inline runs no custom processor; leave --inline out")
    entry = find_entry(service.processor)
    if not is_own(entry):
        raise BuildError(
            f"{path}: --inline runs the model in this interpreter, {sys.executable}, and "
            f"{entry.name} needs one of its own; leave --inline out"
        )


def _load_inline(settings: ServiceSettings) -> Processor:
    worker = settings.worker
    try:
        hooks = import_hooks(worker.hooks)
        return Processor(hooks, str(worker.model_entry), worker.model_config)
    except HooksError as error:
        raise StartError(str(error)) from error
