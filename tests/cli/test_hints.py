from __future__ import annotations

from pathlib import Path

from eas_processor.cli.hints import ready_lines
from eas_processor.service import Token

DATA = Path(__file__).parents[1] / "tf" / "data"
ADDRESS = "http://127.0.0.1:8080"
TOKEN_FILE = Path("/home/someone/to ken")


def lines(token: Token, model: str = "tf1_saved_model", *, terminal: bool = False) -> list[str]:
    return ready_lines(ADDRESS, "pets", token, DATA / model, terminal=terminal)


def test_off_a_terminal_the_token_is_a_path() -> None:
    printed = lines(Token("secret", TOKEN_FILE))
    assert printed[0] == "Serving at: http://127.0.0.1:8080/api/predict/pets"
    assert printed[1] == f"Token: {TOKEN_FILE}"
    assert printed[2] == (
        """curl -H "Authorization: $(cat '/home/someone/to ken')" """
        "http://127.0.0.1:8080/api/predict/pets"
    )
    assert "secret" not in "\n".join(printed)


def test_on_a_terminal_the_token_is_shown() -> None:
    assert lines(Token("secret", TOKEN_FILE), terminal=True)[1] == "Token: secret"


def test_a_public_service_needs_none() -> None:
    printed = lines(Token(""))
    assert printed[1] == "Token: none, this service is public"
    assert printed[2] == "curl http://127.0.0.1:8080/api/predict/pets"
    assert not any("set_token" in line for line in printed)


def test_the_snippet_feeds_every_input_of_the_default_signature() -> None:
    assert "request = TFRequest('find_words')" in lines(Token(""))
    assert "request.add_feed('words', [1], TFRequest.DT_STRING, [''])" in lines(Token(""))


def test_the_snippet_of_a_frozen_graph_fetches_its_last_likely_output() -> None:
    printed = lines(Token(""), "tf1_frozen.pb")
    assert "request.add_feed('images', [1, 4], TFRequest.DT_FLOAT, [0] * 4)" in printed
    assert "request.add_fetch('scores')" in printed
