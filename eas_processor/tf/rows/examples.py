"""The rule for ops that parse `tf.train.Example`s, where each row is one example."""

from typing import Any, Dict, List

from eas_processor.tf.rows.values import ROWS, Rows, Value, fixed, number


def parsed(node: Any, ins: List[Value]) -> Value:
    """
    Return the features of fixed length, which come by row.

    Nothing is known of the others: features of variable length are padded to the longest in the
    batch, and sparse or ragged ones hold the values of all examples together.
    """
    examples, *others = ins
    if not isinstance(examples, Rows) or examples.shape != (ROWS,):
        return None
    if not all(fixed(each) for each in others):
        return None
    sparse = node.attr("Nsparse" if node.type == "ParseExample" else "num_sparse", 0)
    known: Dict[Any, Value] = {}
    for place, shape in enumerate(node.attr("dense_shapes", [])):
        sizes = [dim.size for dim in shape.dim]
        if shape.unknown_rank or any(size < 0 for size in sizes):
            continue
        value = Rows((ROWS, *map(number, sizes)))
        # Indices, values and shapes of the sparse features come first.
        known[3 * sparse + place] = known["dense_values", place] = value
    return known
