"""Turn exceptions from a processor's code into sentences for clients."""

import re

_MAX_CHARACTERS = 2000
"""The longest sentence that is sent, because a message may quote a request of any size."""

# The directories of an absolute path. Slashes in URLs and content types follow a letter or colon.
_DIRECTORIES = re.compile(r"(?<![\w:/.~])/(?:[^\s/'\"]+/)+")

# TensorFlow's messages may include its stack, or the traceback of a Python function in the graph.
_STACK = re.compile(r"Traceback \(most recent call last\)|Original stack trace for")


def cut(sentence: str) -> str:
    """Return the sentence, shortened to 2,000 characters if it is longer."""
    if len(sentence) <= _MAX_CHARACTERS:
        return sentence
    return sentence[: _MAX_CHARACTERS - 3] + "..."


def message_of(error: BaseException) -> str:
    """Return the message of an exception, or a substitute if its `__str__` fails."""
    try:
        return str(error)
    except Exception as failure:
        return f"its message cannot be shown: __str__ raised {type(failure).__name__}"


def describe_error(error: BaseException) -> str:
    """Return the type and message of an exception, without paths and stacks of this machine."""
    # The message may be of any size, so it is cut before the search.
    message = _DIRECTORIES.sub("", _STACK.split(cut(message_of(error)), 1)[0].strip())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
