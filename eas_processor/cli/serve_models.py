"""`eascmd serve` for models with numbered versions: a model's directory, or a `models.config`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from eas_processor.app.engine import Offer
from eas_processor.app.models.plan import VersionPlan
from eas_processor.app.models.server import ModelOffer, ReadModels
from eas_processor.app.models.version import Loading
from eas_processor.cli.announce import announce_model
from eas_processor.config.models import ModelConfig
from eas_processor.errors import ServiceFileError
from eas_processor.model_store.numbered import find_versions

_FRONTENDS = frozenset(["eas", "tfs", "grpc"])
_POLL_S = 1.0


def models_offer(paths: Sequence[Path], *, watch: bool) -> Offer | None:
    """
    Return the offer if `paths` are models, or None if they are service files.

    Raises ServiceFileError for a path that could be both.
    """
    kinds = [_kind(each) for each in paths]
    if not any(kinds):
        return None
    if len(paths) > 1:
        raise ServiceFileError(
            f"{paths[kinds.index(True)]}: is a model and must be the only path; to serve several "
            "models, name them in one models.config"
        )
    (path,) = paths
    read = _reader(path)
    names = [each.name for each in read()]

    def on_listening(address: str) -> None:
        for name in names:
            announce_model(address, name)

    offer = ModelOffer(
        read,
        Loading(VersionPlan(session={"enable_model_warmup": True})),
        config_poll=_POLL_S if watch and path.is_file() else 0.0,
        frontends=_FRONTENDS,
    )
    return Offer(models=offer, on_listening=on_listening)


def _reader(path: Path) -> ReadModels:
    if path.is_dir():
        model = ModelConfig(path.resolve().name, path.resolve())
        return lambda: [model]
    from eas_processor.config.text_protos.models_config import read_models

    return partial(read_models, path)


def _kind(path: Path) -> bool:
    """Return whether `path` is of models. Raises ServiceFileError if it could be both."""
    if not path.is_dir():
        return path.is_file() and path.suffix != ".json" and not _begins_as_json(path)
    numbered, services = find_versions(path), sorted(path.glob("*.json"))
    if numbered and services:
        raise ServiceFileError(
            f"{path}: has both versions of a model ({next(iter(numbered.values())).name}/) and "
            f"service files ({services[0].name}); move one of them to another directory"
        )
    return bool(numbered)


def _begins_as_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"//", b"#"))
