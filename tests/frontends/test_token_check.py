"""The token in its three forms; the EAS signatures are the ones that the official SDK makes."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from eas_processor.frontends.token_check import token_refusal
from eas_processor.serving.tokens import Tokens

DATE = b"Fri, 20 Nov 2026 10:32:34 GMT"
SIGNED = {
    b"content-md5": b"900150983cd24fb0d6963f7d28e17f72",
    b"content-type": b"application/octet-stream",
    b"date": DATE,
}
TARGET = b"/api/predict/svc"


def refusal(
    authorization: bytes | None, headers: dict[bytes, bytes] = SIGNED, target: bytes = TARGET
) -> str | None:
    """Return the refusal of a POST to the service `svc` with the token `tok`."""
    given = {} if authorization is None else {b"authorization": authorization}
    refused = token_refusal(Tokens("tok"), "svc", b"POST", target, {**headers, **given})
    return None if refused is None else str(refused)


def sign(
    path: bytes, token: bytes = b"tok", content_type: bytes = SIGNED[b"content-type"]
) -> bytes:
    text = b"\n".join([b"POST", SIGNED[b"content-md5"], content_type, DATE, path])
    return b"EAS " + base64.b64encode(hmac.new(token, text, hashlib.sha1).digest())


@pytest.mark.parametrize("authorization", [b"tok", b"Bearer tok", b"bearer tok"])
def test_the_token_lets_in(authorization: bytes) -> None:
    assert refusal(authorization) is None


@pytest.mark.parametrize(
    "authorization",
    [b"", b"to", b"tok2", b"Tok", b"Bearer", b"Bearer ", b"Basic tok", b"EAS", b"\xff"],
)
def test_anything_else_does_not(authorization: bytes) -> None:
    assert refusal(authorization) == (
        "wrong token: the token in `Authorization` is not the token of this service"
    )


def test_a_missing_token_is_refused_with_the_way_to_send_it() -> None:
    assert "`Authorization: <token>`" in str(refusal(None))


def test_a_token_may_look_like_a_scheme() -> None:
    tokens = Tokens("Bearer tok")
    for given in (b"Bearer tok", b"Bearer Bearer tok"):
        assert token_refusal(tokens, "svc", b"POST", TARGET, {b"authorization": given}) is None


def test_an_empty_token_is_a_public_service() -> None:
    tokens = Tokens("")
    assert token_refusal(tokens, "svc", b"POST", TARGET, {}) is None
    assert token_refusal(tokens, "svc", b"POST", TARGET, {b"authorization": b"any"}) is None


@pytest.mark.parametrize(
    ("md5", "signature"),
    [
        (b"900150983cd24fb0d6963f7d28e17f72", b"Rk/lrQMl/zcP3UFmYV6sT89ThEo="),
        (b"d41d8cd98f00b204e9800998ecf8427e", b"aVF3U+FQc5R3LWNtwyllzpoqouc="),
    ],
)
def test_the_signatures_of_the_official_sdk_let_in(md5: bytes, signature: bytes) -> None:
    headers = {**SIGNED, b"content-md5": md5}
    assert refusal(b"EAS " + signature, headers) is None


@pytest.mark.parametrize(
    "path", [b"/api/predict/svc/model?x=1", b"/api/predict/svc/model", b"/api/predict/svc"]
)
def test_three_paths_may_be_signed(path: bytes) -> None:
    assert refusal(sign(path), target=b"/api/predict/svc/model?x=1") is None


def test_a_signature_without_headers_is_over_empty_lines() -> None:
    text = b"POST\n\n\n\n" + TARGET
    signature = base64.b64encode(hmac.new(b"tok", text, hashlib.sha1).digest())
    assert refusal(b"EAS " + signature, headers={}) is None


@pytest.mark.parametrize("name", SIGNED)
def test_a_signature_is_for_its_headers_only(name: bytes) -> None:
    changed = {**SIGNED, name: SIGNED[name] + b"x"}
    signature = sign(TARGET) if name != b"content-type" else sign(TARGET, content_type=b"a/b")
    assert "wrong token: the `EAS` signature" in str(refusal(signature, changed))


@pytest.mark.parametrize(
    "authorization", [b"EAS ", b"EAS !!", sign(b"/api/predict/other"), sign(TARGET, b"other")]
)
def test_a_wrong_signature_is_refused(authorization: bytes) -> None:
    assert "`EAS` signature" in str(refusal(authorization))


def test_during_a_change_two_tokens_are_let_in() -> None:
    tokens = Tokens("new", previous="old")
    for token in (b"new", b"old", b"Bearer old"):
        assert token_refusal(tokens, "svc", b"POST", b"/", {b"authorization": token}) is None
    assert token_refusal(tokens, "svc", b"POST", b"/", {b"authorization": b"other"}) is not None


def test_a_previous_token_does_not_close_a_public_service() -> None:
    assert token_refusal(Tokens("", previous="old"), "svc", b"POST", b"/", {}) is None


class TestGoAndJava:
    """
    Signatures that their SDKs make of other headers and paths than they send.

    Computed with `openssl dgst -sha1 -hmac tok -binary | base64`.
    """

    @pytest.mark.parametrize("content_type", [b"application/json", b"text/plain", b""])
    def test_a_content_type_of_ones_own_is_sent_and_another_signed(
        self, content_type: bytes
    ) -> None:
        headers = {**SIGNED, b"content-type": content_type}
        assert refusal(b"EAS Rk/lrQMl/zcP3UFmYV6sT89ThEo=", headers) is None

    @pytest.mark.parametrize(
        ("signed", "called"),
        [
            # SetServiceName("svc/"): the first call signs it so, and then trims it.
            (b"/api/predict/svc/", b"/api/predict/svc"),
            # With SetRequestPath("/v1"), and to a model of the service.
            (b"/api/predict/svc//v1", b"/api/predict/svc/v1"),
            (b"/api/predict/svc/model/", b"/api/predict/svc/model"),
        ],
    )
    def test_the_first_call_to_a_name_that_ends_in_a_slash(
        self, signed: bytes, called: bytes
    ) -> None:
        assert refusal(sign(signed), target=called) is None
        headers = {**SIGNED, b"content-type": b"application/json"}
        assert refusal(sign(signed), headers, target=called) is None

    def test_its_signature_as_go_makes_it(self) -> None:
        assert refusal(b"EAS DU2ZUDV7NXNTuvO24U571hKpfoc=") is None

    def test_an_md5_without_its_leading_zero(self) -> None:
        # Java: `new BigInteger(1, digest).toString(16)`; the MD5 of "jk8ssl" begins with 0000.
        headers = {**SIGNED, b"content-md5": b"18e6137ac2caab16074784a6"}
        assert refusal(b"EAS OCfsoERS2gDX654xgk1bvXhl1+g=", headers) is None

    @pytest.mark.parametrize("signed", [b"/api/predict/other/", b"/api/predict/svc//v2"])
    def test_another_path_is_refused_all_the_same(self, signed: bytes) -> None:
        assert "wrong token" in str(refusal(sign(signed), target=b"/api/predict/svc/v1"))
