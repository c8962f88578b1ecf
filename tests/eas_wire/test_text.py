"""Names and values of requests are cut before a message repeats them."""

import pytest

from eas_wire.text import LIMIT, NAMES, cut, cut_list


@pytest.mark.parametrize("text", ["", "x", "é" * LIMIT])
def test_what_is_short_stays(text):
    assert cut(text) == text


def test_what_is_long_is_cut_to_the_limit():
    assert cut("a" * (LIMIT + 1)) == "a" * (LIMIT - 3) + "..."
    assert len(cut("a" * 60_000_000)) == LIMIT
    assert cut("abcdefghij", 8) == "abcde..."


def test_few_names_are_all_listed():
    names = [str(number) for number in range(NAMES)]
    assert cut_list(names) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert cut_list([]) == ""


def test_of_many_names_the_first_are_listed():
    shown = cut_list((str(number) for number in range(100_000)), "<{}>".format)
    assert shown == "<0>, <1>, <2>, <3>, <4>, <5>, <6>, <7>, <8>, <9> and 99990 more"
