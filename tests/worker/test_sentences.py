import pytest

from eas_processor.worker.sentences import cut, describe_error


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", "ValueError"),
        ("no labels", "ValueError: no labels"),
        ("'/srv/models/a b/labels.txt' is not there", "ValueError: 'a b/labels.txt' is not there"),
        ("cannot read /srv/models/labels.txt", "ValueError: cannot read labels.txt"),
        ("expected application/json", "ValueError: expected application/json"),
        ("see http://example.com/a/b/c", "ValueError: see http://example.com/a/b/c"),
        ("1/2/3 of it", "ValueError: 1/2/3 of it"),
    ],
)
def test_directories_are_left_out(message, said):
    assert describe_error(ValueError(message)) == said


def test_a_long_sentence_is_cut():
    assert cut("x" * 2000) == "x" * 2000
    assert cut("x" * 2001) == "x" * 1997 + "..."


def test_a_stack_within_the_message_is_not_sent():
    inner = 'Traceback (most recent call last):\n\n  File "/srv/a.py", line 2, in f\n'
    assert describe_error(ValueError("ValueError: bad\n" + inner)) == "ValueError: ValueError: bad"
    inner_2 = "Original stack trace for 'y':\n  File x"
    assert describe_error(ValueError("bad\n\n" + inner_2)) == "ValueError: bad"
    assert describe_error(ValueError(inner)) == "ValueError"
