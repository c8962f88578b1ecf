"""
Makes the descriptors of `.proto` files from a compact text.

    file PATH PACKAGE
        import PATH
        message NAME             and its fields:  [repeated|optional] TYPE NAME NUMBER [ONEOF]
                                                  map KEY VALUE NAME NUMBER
        enum NAME                and its values:  NAME NUMBER
        service NAME             and its methods: NAME [stream] REQUEST [stream] ANSWER

The name of a nested message or enum begins with the name of the outer message and a dot. A TYPE is
looked up in the package of its file first. All files have the syntax proto3.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from eas_processor.frontends.grpc.wire import length_field, number_field, text_field

_TYPES = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "uint32": 13,
}
_MESSAGE, _ENUM = 11, 14
_OPTIONAL, _REPEATED = 1, 3
_INDENT = "    "


class _Block(NamedTuple):
    """A message, an enum or a service of a file, and the words of each of its lines."""

    kind: str
    name: str
    lines: list[list[str]]


class _File(NamedTuple):
    path: str
    package: str
    imports: list[str]
    blocks: list[_Block]


class Descriptors:
    """
    Serialized `FileDescriptorProto`s, by path.

    `services` contains the full names of all services. `symbols` maps each message, enum, service
    and method to the path of its file.
    """

    def __init__(self, text: str) -> None:
        files = list(_read(text))
        self._imports = {each.path: each.imports for each in files}
        self.services: list[str] = []
        self.symbols: dict[str, str] = {}
        enums: set[str] = set()
        for file in files:
            for block in file.blocks:
                name = f"{file.package}.{block.name}"
                self.symbols[name] = file.path
                if block.kind == "enum":
                    enums.add(name)
                elif block.kind == "service":
                    self.services.append(name)
                    self.symbols.update({f"{name}.{line[0]}": file.path for line in block.lines})
        self._written = {
            each.path: _Writer(each.package, self.symbols.keys(), enums).file(each)
            for each in files
        }

    def files(self, path: str) -> list[bytes]:
        """Return the file with this path and the files that it imports. Raises KeyError."""
        found = {path: self._written[path]}
        waiting = [*self._imports[path]]
        while waiting:
            path = waiting.pop(0)
            if path not in found:
                found[path] = self._written[path]
                waiting += self._imports[path]
        return list(found.values())


def _read(text: str) -> Iterator[_File]:
    file: _File | None = None
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // len(_INDENT)
        words = line.split()
        if depth == 0:
            if file is not None:
                yield file
            file = _File(words[1], words[2], [], [])
            continue
        assert file is not None, line
        if words[0] == "import" and depth == 1:
            file.imports.append(words[1])
        elif depth == 1:
            file.blocks.append(_Block(words[0], words[1], []))
        else:
            file.blocks[-1].lines.append(words)
    if file is not None:
        yield file


class _Writer:
    """Writes the descriptors of one file."""

    def __init__(self, package: str, symbols: Container[str], enums: set[str]) -> None:
        self._package = package
        self._symbols = symbols
        self._enums = enums

    def file(self, file: _File) -> bytes:
        parts = [text_field(1, file.path), text_field(2, file.package)]
        parts += [text_field(3, each) for each in file.imports]
        numbers = {"message": 4, "enum": 5, "service": 6}
        writers = {"message": self._message, "enum": self._enum, "service": self._service}
        for block in file.blocks:
            if "." not in block.name:
                written = writers[block.kind](block, file.blocks)
                parts.append(length_field(numbers[block.kind], written))
        return b"".join([*parts, text_field(12, "proto3")])

    def _message(self, block: _Block, blocks: list[_Block]) -> bytes:
        oneofs = list(dict.fromkeys(line[-1] for line in block.lines if _in_oneof(line)))
        # An optional field has a oneof of its own. Those follow the other oneofs.
        oneofs += [f"_{line[2]}" for line in block.lines if line[0] == "optional"]
        parts = [text_field(1, _last(block.name))]
        for line in block.lines:
            if line[0] == "map":
                entry = _entry_name(line[3])
                parts.append(length_field(3, self._map_entry(line, entry)))
                parts.append(length_field(2, self._map_field(line, block.name, entry)))
            else:
                parts.append(length_field(2, self._field(line, oneofs)))
        numbers = {"message": 3, "enum": 4}
        writers = {"message": self._message, "enum": self._enum}
        for inner in blocks:
            if inner.name.rpartition(".")[0] == block.name:
                written = writers[inner.kind](inner, blocks)
                parts.append(length_field(numbers[inner.kind], written))
        return b"".join([*parts, *(length_field(8, text_field(1, each)) for each in oneofs)])

    def _field(self, line: list[str], oneofs: list[str]) -> bytes:
        label = _OPTIONAL
        optional = line[0] == "optional"
        if line[0] in ("repeated", "optional"):
            label = _REPEATED if line[0] == "repeated" else _OPTIONAL
            line = line[1:]
        kind, name, number, *oneof = line
        written = self._plain_field(kind, name, int(number), label)
        if optional:
            oneof = [f"_{name}"]
        if oneof:
            # Index 0 is written too, because a field without an index is in no oneof.
            written += _present(9, oneofs.index(oneof[0]))
        return written + number_field(17, optional)

    def _plain_field(self, kind: str, name: str, number: int, label: int) -> bytes:
        written = text_field(1, name) + number_field(3, number) + number_field(4, label)
        if kind in _TYPES:
            return written + number_field(5, _TYPES[kind])
        full = self._resolve(kind)
        is_enum = full in self._enums
        return written + number_field(5, _ENUM if is_enum else _MESSAGE) + text_field(6, f".{full}")

    def _map_entry(self, line: list[str], name: str) -> bytes:
        key = self._plain_field(line[1], "key", 1, _OPTIONAL)
        value = self._plain_field(line[2], "value", 2, _OPTIONAL)
        options = length_field(7, number_field(7, 1))
        return text_field(1, name) + length_field(2, key) + length_field(2, value) + options

    def _map_field(self, line: list[str], message: str, entry: str) -> bytes:
        written = text_field(1, line[3]) + number_field(3, int(line[4]))
        written += number_field(4, _REPEATED) + number_field(5, _MESSAGE)
        return written + text_field(6, f".{self._package}.{message}.{entry}")

    def _enum(self, block: _Block, _: list[_Block]) -> bytes:
        values = (
            length_field(2, text_field(1, name) + _present(2, int(number)))
            for name, number in block.lines
        )
        return text_field(1, _last(block.name)) + b"".join(values)

    def _service(self, block: _Block, _: list[_Block]) -> bytes:
        methods = (length_field(2, self._method(line)) for line in block.lines)
        return text_field(1, block.name) + b"".join(methods)

    def _method(self, line: list[str]) -> bytes:
        name, *words = line
        client = words[0] == "stream"
        if client:
            words = words[1:]
        server = words[1] == "stream"
        request, answer = self._resolve(words[0]), self._resolve(words[-1])
        types = text_field(2, f".{request}") + text_field(3, f".{answer}")
        return text_field(1, name) + types + number_field(5, client) + number_field(6, server)

    def _resolve(self, name: str) -> str:
        """Return the full name of a type."""
        inside = f"{self._package}.{name}"
        found = inside if inside in self._symbols else name
        assert found in self._symbols, name
        return found


def _in_oneof(line: list[str]) -> bool:
    return line[0] not in ("repeated", "optional", "map") and len(line) == 4


def _present(number: int, value: int) -> bytes:
    """Return a field with a number, which is written even if it is 0."""
    return number_field(number, value) or bytes([number << 3, 0])


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _entry_name(field: str) -> str:
    return "".join(part.capitalize() for part in field.split("_")) + "Entry"
