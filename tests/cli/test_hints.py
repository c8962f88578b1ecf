from __future__ import annotations

import json
from pathlib import Path

from eas_processor.cli.hints import frozen_graph_signature, ready_lines
from eas_processor.config import Token
from eas_processor.tf.model.schema import SavedModel

DATA = Path(__file__).parents[1] / "tf" / "data"
ADDRESS = "http://127.0.0.1:8080"
TOKEN_FILE = Path("/home/someone/to ken")


SIGNATURE = {
    "signature_name": "find",
    "inputs": [
        {"name": "words", "shape": [-1], "type": "DT_STRING"},
        {"name": "images", "shape": [-1, 4], "type": "DT_FLOAT"},
        {"name": "any", "shape": None, "type": "DT_INT64"},
    ],
    "outputs": [
        {"name": "ids", "shape": [-1], "type": "DT_INT64"},
        {"name": "count", "shape": [], "type": "DT_UINT32"},
    ],
}


def lines(token: Token, signature: str = "", *, terminal: bool = False) -> list[str]:
    signature = signature or json.dumps(SIGNATURE)
    return ready_lines(ADDRESS, "pets", token, signature, terminal=terminal)


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


def test_the_snippet_feeds_every_input_and_fetches_what_can_be_answered() -> None:
    assert lines(Token(""))[-7:] == [
        "client.init()",
        "request = TFRequest('find')",
        "request.add_feed('words', [1], TFRequest.DT_STRING, [''])",
        "request.add_feed('images', [1, 4], TFRequest.DT_FLOAT, [0] * 4)",
        "request.add_feed('any', [], TFRequest.DT_INT64, [0])",
        "request.add_fetch('ids')",
        "print(client.predict(request))",
    ]


def test_the_snippet_of_a_frozen_graph_fetches_its_last_likely_output() -> None:
    printed = lines(Token(""), frozen_graph_signature(DATA / "tf1_frozen.pb"))
    assert "request.add_feed('images', [1, 4], TFRequest.DT_FLOAT, [0] * 4)" in printed
    assert "request.add_fetch('scores')" in printed


def test_a_large_frozen_graph_is_not_parsed_for_a_hint(tmp_path: Path) -> None:
    with (tmp_path / "large.pb").open("wb") as file:
        file.truncate(33 * 1024 * 1024)
    assert frozen_graph_signature(tmp_path / "large.pb") == ""
    printed = ready_lines(ADDRESS, "pets", Token(""), "", terminal=False)
    assert printed[-1] == "curl http://127.0.0.1:8080/api/predict/pets"


def test_a_saved_model_without_signatures_is_shown_by_the_names_of_its_tensors(
    tmp_path: Path,
) -> None:
    message = SavedModel()
    graph = message.meta_graphs.add().graph_def
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    graph.node.add(name="y", op="Relu", input=["x"])
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    printed = lines(Token(""), frozen_graph_signature(tmp_path))
    assert "request.add_feed('x', [], TFRequest.DT_FLOAT, [0])" in printed
    assert "request.add_fetch('y')" in printed


def test_a_saved_model_that_says_nothing_has_no_example(tmp_path: Path) -> None:
    message = SavedModel()
    message.meta_graphs.add()
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert frozen_graph_signature(tmp_path) == ""
    (tmp_path / "saved_model.pb").unlink()
    assert frozen_graph_signature(tmp_path / "saved_model.pb") == ""
