"""HTTPS: real handshakes against the server, the SDK and curl as its clients, and bad files."""

from __future__ import annotations

import asyncio
import logging
import math
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures import need
from fixtures.certificates import Pair, make_pair
from fixtures.engine import FakeAdmission, make_server

from eas_prediction import PooledTransport, PredictClient, StringRequest
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.errors import StartError
from eas_processor.frontends.http.tls import Tls

pytestmark = need.tool("openssl")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("tls"), "first")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("tls"), "second")


class AnswersAtOnce(FakeAdmission):
    def submit(self, request: Any, now: float) -> None:
        super().submit(request, now)
        request.answer(0, [b"".join(request.body)])


class Served:
    """A server of the service `echo` with a certificate, while the `with` lasts."""

    def __init__(self, service: ServiceSettings, cert: Path, key: Path | None) -> None:
        settings = EngineSettings(port=0, tls_cert=cert, tls_key=key, head_timeout=2.0)
        self.server = make_server(service, AnswersAtOnce(), settings, {})

    async def __aenter__(self) -> str:
        address = self.server.bind()
        await self.server.listen()
        return address

    async def __aexit__(self, *_: object) -> None:
        self.server.close()


def predict(address: str, cert: Path, body: bytes) -> bytes:
    with PredictClient(address, "echo", transport=PooledTransport(ca_certs=str(cert))) as client:
        client.set_token("t")
        return client.predict(StringRequest(body)).response_data


@pytest.mark.parametrize("size", [1, 100, 3_000_000])
async def test_the_sdk_gets_its_answers_over_tls(
    service: Callable[..., ServiceSettings], pair: Pair, size: int
) -> None:
    body = bytes(range(1, 251)) * (size // 250) or b"x"
    async with Served(service(token="t"), *pair) as address:
        assert address.startswith("https://")
        assert await asyncio.to_thread(predict, address, pair.cert, body) == body


async def test_curl_sees_answers_and_refusals_of_bodies_that_are_not_read(
    service: Callable[..., ServiceSettings], pair: Pair, tmp_path: Path
) -> None:
    curl = need.path_of("curl")
    large = tmp_path / "large"
    large.write_bytes(bytes(3_000_000))

    async def status(address: str, token: str, data: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(
                curl,
                "-sS",
                "--noproxy",
                "*",
                "--cacert",
                pair.cert,
                "-o",
                tmp_path / "out",
            ),
            *("-w", "%{http_code}", "-H", f"Authorization: {token}", "--data-binary", data),
            f"{address}/api/predict/echo",
            stdout=asyncio.subprocess.PIPE,
        )
        return (await process.communicate())[0].decode()

    async with Served(service(token="t"), *pair) as address:
        assert await status(address, "t", "hello") == "200"
        assert (tmp_path / "out").read_bytes() == b"hello"
        assert await status(address, "wrong", f"@{large}") == "401"


async def test_what_is_older_than_tls_1_2_is_refused(
    service: Callable[..., ServiceSettings], pair: Pair
) -> None:
    context = ssl.create_default_context(cafile=str(pair.cert))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with Served(service(token="t"), *pair) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def test_a_client_without_tls_is_hung_up_on_and_others_are_served(
    service: Callable[..., ServiceSettings], pair: Pair
) -> None:
    async with Served(service(token="t"), *pair) as address:
        port = int(address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"HTTP/1.1" not in await reader.read()
        writer.close()
        assert await asyncio.to_thread(predict, address, pair.cert, b"x") == b"x"


async def test_a_drain_ends_tls_connections_after_their_answers(
    service: Callable[..., ServiceSettings], pair: Pair, eventually_async: Any
) -> None:
    served = Served(service(token="t"), *pair)
    async with served as address:
        context = ssl.create_default_context(cafile=str(pair.cert))
        port = int(address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        drain = asyncio.create_task(served.server.drain(20.0, 0.5))
        await eventually_async(lambda: served.server.draining)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in head
        await asyncio.wait_for(reader.read(), 5.0)
        writer.close()
        await drain
        assert not served.server.connections


async def test_a_reload_renews_the_certificate_and_a_bad_one_changes_nothing(
    service: Callable[..., ServiceSettings], pair: Pair, other: Pair, tmp_path: Path
) -> None:
    mine = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")

    def install(files: Pair) -> None:
        for source, target in zip(files, mine, strict=True):
            shutil.copy(source, target)

    install(pair)
    served = Served(service(token="t"), *mine)
    tls = served.server.tls
    assert tls is not None
    async with served as address:
        install(Pair(other.cert, pair.key))
        with pytest.raises(StartError, match="does not belong to the certificate"):
            tls.renew()
        assert await asyncio.to_thread(predict, address, pair.cert, b"x") == b"x"
        install(other)
        tls.renew()
        assert await asyncio.to_thread(predict, address, other.cert, b"x") == b"x"


def test_one_file_may_hold_both(pair: Pair, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(pair.cert.read_bytes() + pair.key.read_bytes())
    Tls(both).renew()


def test_bad_files_are_named(pair: Pair, other: Pair, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", pair.key, "-aes128", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    for cert, key, says in (
        (nothing, None, f"--tls-cert: {nothing} cannot be read: No such file"),
        (pair.cert, nothing, f"--tls-key: {nothing} cannot be read: No such file"),
        (rubbish, pair.key, f"expected a PEM file with a certificate, got {rubbish}"),
        (pair.cert, rubbish, f"expected a PEM file with a private key, got {rubbish}"),
        (pair.cert, None, "--tls-key is not given"),
        (pair.cert, other.key, f"the key in {other.key} does not belong to the certificate"),
        (pair.cert, locked, f"the key in {locked} is encrypted"),
        (tmp_path, pair.key, f"{tmp_path} cannot be read: Is a directory"),
    ):
        with pytest.raises(StartError) as raised:
            Tls(cert, key)
        assert says in str(raised.value)


def dated(directory: Path, name: str, begin: float, end: float) -> Pair:
    """Make a certificate that is valid for these days from now."""
    dates = [time.gmtime(time.time() + days * 86400) for days in (begin, end)]
    return make_pair(directory, name, *(time.strftime("%Y%m%d%H%M%SZ", date) for date in dates))


@pytest.mark.parametrize(
    ("begin", "end", "says"),
    [
        (-20, -1, "has expired ("),
        (1, 20, "is not valid before "),
        (-20, 13.9, "expires soon ("),
        (-20, 14.1, ""),
    ],
)
def test_a_start_warns_of_dates(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begin: float, end: float, says: str
) -> None:
    files = dated(tmp_path, "mine", begin, end)
    tls = Tls(*files)
    assert abs(tls.not_after - time.time() - end * 86400) < 600
    warned = [record.getMessage() for record in caplog.records]
    if not says:
        assert warned == []
        return
    (message,) = warned
    assert message.startswith(f"the certificate in {files.cert} {says}")
    day = begin if "before" in says else end
    assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + day * 86400)) in message


def test_of_the_chain_above_it_is_warned_too(
    tmp_path: Path, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    above = dated(tmp_path, "above", -20, -1)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(pair.cert.read_bytes() + above.cert.read_bytes())
    tls = Tls(chain, pair.key)
    tls.renew()
    said = f"certificate 2 of the chain in {chain} has expired"
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [said] * 2


@pytest.mark.parametrize(("begin", "end"), [(-20, -1), (1, 20)])
async def test_a_renewal_to_one_that_is_not_valid_is_refused(
    service: Callable[..., ServiceSettings], pair: Pair, tmp_path: Path, begin: int, end: int
) -> None:
    mine = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")

    def install(files: Pair) -> None:
        for source, target in zip(files, mine, strict=True):
            shutil.copy(source, target)

    install(pair)
    served = Served(service(token="t"), *mine)
    tls = served.server.tls
    assert tls is not None
    before = tls.not_after
    async with served as address:
        install(dated(tmp_path, "bad", begin, end))
        with pytest.raises(StartError, match=f"the certificate in {mine.cert} .*20.* is kept"):
            tls.renew()
        assert tls.not_after == before
        assert await asyncio.to_thread(predict, address, pair.cert, b"x") == b"x"


def test_one_that_has_expired_while_it_was_shown_does_not_refuse_a_reload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = Tls(*dated(tmp_path, "old", -20, -1))
    tls.renew()
    assert ["has expired" in record.getMessage() for record in caplog.records] == [True, True]


def test_a_renewal_to_one_that_ends_soon_is_taken_with_a_warning(
    tmp_path: Path, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    mine = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")
    for source, target in zip(pair, mine, strict=True):
        shutil.copy(source, target)
    tls = Tls(*mine)
    assert not caplog.records
    for source, target in zip(dated(tmp_path, "soon", -20, 3), mine, strict=True):
        shutil.copy(source, target)
    tls.renew()
    assert "expires soon" in caplog.text
    assert abs(tls.not_after - time.time() - 3 * 86400) < 600
    (metric,) = tls.metrics()
    assert metric[:2] == ("tls_certificate_not_after_seconds", "gauge")
    assert metric.value == tls.not_after


def test_dates_that_cannot_be_read_are_no_reason_not_to_serve(
    pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pem: bytes) -> None:
        raise ValueError("a certificate with the time '?'")

    monkeypatch.setattr("eas_processor.frontends.http.tls.read_certificates", fail)
    tls = Tls(*pair)
    tls.renew()
    assert math.isnan(tls.not_after) and tls.metrics() == []
    assert caplog.records[0].levelno == logging.WARNING
    assert f"cannot tell when the certificate in {pair.cert} expires" in caplog.text
