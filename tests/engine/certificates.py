"""Certificates of any dates, made with `openssl ca`, which every OpenSSL has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

OPENSSL = shutil.which("openssl")

_CONFIG = """
[ca]
default_ca = own
[own]
database = {directory}/index
new_certs_dir = {directory}
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1
"""


class Pair(NamedTuple):
    cert: Path
    key: Path


def make_pair(
    directory: Path,
    name: str,
    begin: str = "20200101000000Z",
    end: str = "20491231235959Z",
    key: str = "ec",
) -> Pair:
    """Make a self-signed certificate that is valid from `begin` to `end`, and its key."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    request, config = directory / f"{name}.csr", directory / f"{name}.conf"
    config.write_text(_CONFIG.format(directory=directory))
    (directory / "index").write_text("")
    kind = ["rsa:2048"] if key == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    _openssl("req", "-newkey", *kind, "-noenc", "-subj", f"/CN={name}", *("-keyout", pair.key))
    _openssl("req", "-new", "-key", pair.key, "-subj", f"/CN={name}", "-out", request)
    _openssl(
        *("ca", "-batch", "-notext", "-config", config, "-selfsign", "-keyfile", pair.key),
        *("-startdate", begin, "-enddate", end, "-in", request, "-out", pair.cert),
    )
    return pair


def _openssl(*arguments: object) -> None:
    subprocess.run([OPENSSL or "openssl", *map(str, arguments)], check=True, capture_output=True)
