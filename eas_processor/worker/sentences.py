"""What clients are told of an exception in a processor's own code."""

import re

_LONGEST = 2000
"""Characters that are sent: messages may quote a request of any size."""

# The directories of an absolute path. Not what follows a letter or a colon: types of content, URLs.
_DIRECTORIES = re.compile(r"(?<![\w:/.~])/(?:[^\s/'\"]+/)+")

# TensorFlow has stacks in its messages, and the traceback of a Python function that it has called.
_STACK = re.compile(r"Traceback \(most recent call last\)|Original stack trace for")


def cut(sentence: str) -> str:
    """Return the sentence, or the first 2,000 characters of it."""
    return sentence if len(sentence) <= _LONGEST else sentence[: _LONGEST - 3] + "..."


def text_of(error: BaseException) -> str:
    """Return the message of an exception, also of one whose own `__str__` fails."""
    try:
        return str(error)
    except Exception as failure:
        return f"its message cannot be had: {type(failure).__name__}"


def said_by(error: BaseException) -> str:
    """Return the type and message of an exception, without the directories of this machine."""
    # Cut before it is searched: it may be of any size.
    message = _DIRECTORIES.sub("", _STACK.split(cut(text_of(error)), 1)[0].strip())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
