"""The parser of `eascmd`, whose errors suggest the nearest option or command."""

from __future__ import annotations

import argparse
import difflib
import shutil
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class _Formatter(argparse.HelpFormatter):
    """Uses up to 100 columns, and keeps a command and its text on one line."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, 100) - 2
        super().__init__(prog, max_help_position=26, width=width)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            # argparse ignores the indent of commands, and would break the line after a long one.
            longest = max(map(len, action.choices))
            self._action_max_length = max(self._action_max_length, longest + 6)


class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """The commands of a parser. The help of a command is its description too."""

    def add_parser(self, name: str, **options: Any) -> Any:
        if text := options.get("help"):
            options.setdefault("description", f"{text[0].upper()}{text[1:]}.")
        return super().add_parser(name, **options)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors name the nearest option or command."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", _Formatter)
        super().__init__(**options)
        self.register("action", "parsers", _Commands)
        self.words: Sequence[str] = ()

    @property
    def commands(self) -> dict[str, Parser]:
        """The parsers of commands, by name."""
        return {
            name: parser
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for name, parser in action.choices.items()
        }

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Return the namespace of a command line. Exits with 2 on wrong usage."""
        chosen: Parser = self
        for word in words:
            if word in self.commands:
                chosen = self.commands[word]
                break
        chosen.words = words
        arguments, left = self.parse_known_args(words)
        if left:
            chosen.error(f"unrecognized arguments: {' '.join(left)}")
        return arguments

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message with a suggestion, and exit with 2."""
        meant = [f"{word}: did you mean {near}?" for word, near in self._misspelt()]
        super().error("; ".join([message, *meant]))

    def _misspelt(self) -> Iterable[tuple[str, str]]:
        known = [each for each in self._option_string_actions if each.startswith("--")]
        for word in self.words:
            if word == "--":
                return
            name = word.partition("=")[0]
            # argparse accepts unambiguous prefixes of options.
            if name.startswith("--") and not any(each.startswith(name) for each in known):
                near = nearest(name, known)
                if near:
                    yield name, near


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the word in `known` that is nearest to `word`, '' if none is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""
