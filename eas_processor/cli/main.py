"""`eascmd`: the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from eas_processor.cli.encoding import run_in_utf8_mode
from eas_processor.cli.extras import missing_sentence
from eas_processor.cli.parser import make_parser
from eas_processor.cli.stopping import end_as_process_one
from eas_processor.cli.usage import Parser, nearest
from eas_processor.cli.vendor_commands import NAMES, advice
from eas_processor.cli.version import print_version
from eas_processor.errors import EasError
from eas_processor.process_limit import advised, is_shortage


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command and return its exit status.

    0 is success, and 1 is a failure, with one sentence on stderr. Wrong usage exits with 2.
    """
    if sys.version_info < (3, 11):
        print(
            f"eascmd needs Python 3.11 or newer; this is {sys.version.split()[0]}. "
            "Install it with a newer Python. The client `eas_prediction` works in this one too",
            file=sys.stderr,
        )
        return 1
    end_as_process_one()
    if argv is None:
        run_in_utf8_mode()
    words = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    status = _answered(parser, words) if words else None
    return _run(parser, words) if status is None else status


def _run(parser: Parser, words: list[str]) -> int:
    """Run the command in `words`, and return the exit status."""
    try:
        arguments = parser.parse(words)
        arguments.run(arguments)
    except EasError as error:
        print(f"eascmd: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        sentence = missing_sentence(error, f"eascmd {words[0]}")
        if not sentence:
            raise
        print(sentence, file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not is_shortage(str(error)):
            raise
        print(f"eascmd: {advised(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Otherwise the interpreter writes the rest when it exits, fails, and prints a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _answered(parser: Parser, words: list[str]) -> int | None:
    """Answer `help`, `version`, the vendor's commands and misspelt ones; None for any other."""
    first = words[0]
    if first == "help":
        asked = parser.commands.get(words[1]) if len(words) > 1 else parser
        if asked is not None:
            asked.print_help()
            return 0
        first, *_ = words = words[1:]
    said = advice(words)
    if said:
        print(f"eascmd: {said}", file=sys.stderr)
        return 2
    if first == "version":
        print_version()
        return 0
    if first.startswith("-") or first in parser.commands:
        return None
    near = nearest(first, [*parser.commands, *NAMES, "help", "version"])
    meant = f"did you mean {near}? " if near else ""
    return parser.error(f"there is no command {first!r}; {meant}`eascmd help` lists all")
