"""
Fill the lookup tables of a graph that does not name an op for that.

A SavedModel names the op that fills its tables. A frozen graph does not, so the ops that fill
tables are found by their types.
"""

import logging
import os
from typing import Any, Dict, List

from eas_processor.tf.run.run_errors import clean, clean_for_clients
from eas_processor.tf.runtime import tf
from eas_wire.text import list_names, quote

log = logging.getLogger(__name__)

_FROM_FILE = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")
_FILLS = (
    *("InitializeTable", "InitializeTableV2", "InitializeTableFromDataset"),
    *("LookupTableImport", "LookupTableImportV2"),
    *_FROM_FILE,
)

# Tables that refuse look-ups until they are filled. Other kinds start empty.
_TABLES = ("HashTable", "HashTableV2")

_NO_INITIALIZER = (
    "no op in the graph fills it, because freezing removes ops on which no output depends; keep "
    "its initializer when the graph is frozen, or export a SavedModel whose main op fills it"
)


def fill_tables(session: Any, directory: str) -> Dict[str, str]:
    """
    Run the ops that fill tables with constants or from a file; return the tables that stay empty.

    The result has a clause with the reason, by the name of the table's node. A file that is missing
    at the graph's path is looked up by name in `directory` and its `assets`.
    """
    failed: Dict[str, str] = {}
    filled: List[str] = []
    empty: List[str] = []
    for op in session.graph.get_operations():
        if op.type in _TABLES:
            empty.append(op.name)
        elif op.type in _FILLS:
            table = _source(op.inputs[0]).name
            why = _fill(session, op, directory)
            if why:
                log.warning("the table %s cannot be filled: %s", quote(table), why)
                failed[table] = why
            else:
                filled.append(table)
    if filled:
        log.info("filled the tables %s", list_names(filled))
    return {
        table: f"its table {quote(table)} is empty: {failed.get(table, _NO_INITIALIZER)}"
        for table in empty
        if table not in filled
    }


def _source(tensor: Any) -> Any:
    op = tensor.op
    while op.type == "Identity":
        op = op.inputs[0].op
    return op


def _fill(session: Any, op: Any, directory: str) -> str:
    """Run an op that fills a table; return the reason if that is impossible, else ""."""
    missing = _not_constant(op)
    if missing is not None:
        return f"its initializer depends on the op {quote(missing.name)} ({missing.type})"
    try:
        feeds = _find_file(session, op.inputs[1], directory) if op.type in _FROM_FILE else {}
        session.run(op, feeds)
    except FileNotFoundError as error:
        return str(error)
    except tf.errors.OpError as error:
        log.warning("%s: %s", quote(op.name), clean(error.message))
        return clean_for_clients(error.message)
    return ""


def _not_constant(op: Any) -> Any:
    """Return an op that makes the values of a table depend on more than constants, or None."""
    pending = [tensor.op for tensor in op.inputs[1:]] + list(op.control_inputs)
    seen = set(pending)
    while pending:
        source = pending.pop()
        # The second condition finds variables, iterators and ops that read checkpoints.
        if source.type.startswith("Placeholder") and source.type != "PlaceholderWithDefault":
            return source
        if source.type.startswith("Restore") or (
            source.op_def.is_stateful and source.type not in _TABLES
        ):
            return source
        more = {tensor.op for tensor in source.inputs}.union(source.control_inputs) - seen
        seen |= more
        pending.extend(more)
    return None


def _find_file(session: Any, tensor: Any, directory: str) -> Dict[Any, Any]:
    """Return the feeds with which the op finds its file. Raises FileNotFoundError."""
    path = os.fsdecode(session.run(tensor))
    name = os.path.basename(path)
    if os.path.exists(path):
        return {}
    for beside in (directory, os.path.join(directory, "assets")):
        if name and os.path.exists(os.path.join(beside, name)):
            return {tensor: os.path.join(beside, name)}
    raise FileNotFoundError(
        f"the file {quote(name)} that fills it does not exist; put it beside the model, or freeze "
        "the graph with the values in it"
    )
