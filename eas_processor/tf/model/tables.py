"""
Filling the lookup tables of a graph that brings no op to do so.

A SavedModel names the op that fills its tables. A frozen graph names none, so what fills tables is
found by the types of its ops.
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

# Tables that refuse every look-up until they are filled. Others begin empty.
_TABLES = ("HashTable", "HashTableV2")

_NOTHING_FILLS = (
    "nothing in the graph fills it, as freezing leaves out what no output depends on; keep its "
    "initializer when the graph is frozen, or export a SavedModel whose main op fills it"
)


def fill_tables(session: Any, directory: str) -> Dict[str, str]:
    """
    Run what fills tables with constants or with a file; return the tables that stay empty.

    The result has the name of each one's node, and why: a clause. A file that is not where the
    graph says is looked for by its name in `directory`, and in `assets` there.
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
        table: f"its table {quote(table)} is empty: {failed.get(table, _NOTHING_FILLS)}"
        for table in empty
        if table not in filled
    }


def _source(tensor: Any) -> Any:
    op = tensor.op
    while op.type == "Identity":
        op = op.inputs[0].op
    return op


def _fill(session: Any, op: Any, directory: str) -> str:
    """Run an op that fills a table; return why that cannot be done, or nothing."""
    missing = _not_constant(op)
    if missing is not None:
        return f"what fills it depends on the op {quote(missing.name)} ({missing.type})"
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
    """Return an op that the values for a table come from and that is no constant; None without."""
    pending = [tensor.op for tensor in op.inputs[1:]] + list(op.control_inputs)
    seen = set(pending)
    while pending:
        source = pending.pop()
        # Also variables, iterators and what reads checkpoints.
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
    """Return what to feed so that the file is found. Raises FileNotFoundError."""
    path = os.fsdecode(session.run(tensor))
    name = os.path.basename(path)
    if os.path.exists(path):
        return {}
    for beside in (directory, os.path.join(directory, "assets")):
        if name and os.path.exists(os.path.join(beside, name)):
            return {tensor: os.path.join(beside, name)}
    raise FileNotFoundError(
        f"the file {quote(name)} that fills it is not there; put it beside the model, or freeze "
        "the graph with the values in it"
    )
