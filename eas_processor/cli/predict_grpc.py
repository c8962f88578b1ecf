"""`eascmd predict` and `signature` of `grpc://HOST:PORT/NAME`."""

from __future__ import annotations

from argparse import Namespace
from typing import Any, NamedTuple

from eas_prediction import GrpcClient, PredictException, Signature
from eas_processor.cli.predict import errors, give, inputs, show, token_of
from eas_processor.errors import CallError


class Address(NamedTuple):
    """The address of a model over gRPC. Without version and label, it is the newest version."""

    endpoint: str
    name: str
    version: int | None = None
    label: str = ""

    @property
    def which(self) -> dict[str, Any]:
        """The version or label, as arguments of `GrpcClient`."""
        return {"version": self.version, "version_label": self.label}


def predict(arguments: Namespace) -> None:
    """Send the inputs to the model at a URL, and write or print the outputs."""
    if arguments.max_rows is not None:
        raise CallError("--max-rows: a grpc:// address takes a batch of any size, in one request")
    address = read_address(arguments.url)
    with _client(arguments, address) as client, errors():
        signature = _signature(client, address, arguments.signature)
        outputs = client.predict(
            inputs(arguments, signature),
            outputs=arguments.fetch,
            signature_name=arguments.signature,
            **address.which,
        )
    give(arguments, outputs)


def show_signature(arguments: Namespace) -> None:
    """Print the signature of the model at a URL."""
    address = read_address(arguments.url)
    with _client(arguments, address) as client, errors():
        signature = client.signature(arguments.signature, **address.which)
    show(arguments, signature)


def read_address(url: str) -> Address:
    """Parse `grpc://HOST:PORT/NAME[/versions/N|/labels/LABEL]`. Raises CallError."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    name, *which = path.strip("/").split("/")
    if host and name:
        endpoint = f"https://{host}" if scheme == "grpcs" else host
        if not which:
            return Address(endpoint, name)
        if len(which) == 2 and which[0] == "versions" and which[1].isdecimal():
            return Address(endpoint, name, version=int(which[1]))
        if len(which) == 2 and which[0] == "labels" and which[1]:
            return Address(endpoint, name, label=which[1])
    raise CallError(
        f"expected {scheme}://HOST:PORT/NAME, with /versions/N or /labels/LABEL after it where one "
        f"is meant, got {url}"
    )


def _client(arguments: Namespace, address: Address) -> GrpcClient:
    token, timeout = token_of(arguments), arguments.timeout * 1000
    with errors():
        return GrpcClient(address.endpoint, address.name, token=token, timeout=timeout)


def _signature(client: GrpcClient, address: Address, name: str) -> Signature | None:
    """Return the signature of the model, None if the server cannot tell it."""
    try:
        return client.signature(name, **address.which)
    except PredictException as error:
        if error.grpc_status != "UNIMPLEMENTED":
            raise
        return None
