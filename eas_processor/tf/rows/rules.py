"""
The rules for ops whose inputs depend on rows.

A rule gets a node and what is known of its inputs, at least one of which is not `Plain`. It returns
what is known of the output, or a list with what is known of each output; None means nothing. An op
without a rule mixes rows, or has a number of rows that depends on values (`Unique`, `Where`,
`NonMaxSuppression`), or is unknown. So a rule may be missing, but must not be wrong.
"""

from typing import Any, Callable, Dict, List, Optional

from eas_processor.tf.rows.examples import parsed
from eas_processor.tf.rows.loops import LOOP_RULES, Round, Slots, Until
from eas_processor.tf.rows.plain import PLAIN_RULES, multiplied
from eas_processor.tf.rows.shapes import SHAPE_RULES
from eas_processor.tf.rows.values import (
    ONE,
    SIZED,
    Dim,
    Plain,
    Rows,
    Shape,
    Value,
    fixed,
    join,
    number,
    size_of,
    sizes_of,
)

Rule = Callable[[Any, List[Value]], Value]

# Exceptions that rules raise for graphs that TensorFlow would refuse, and for unknown forms of ops.
_UNFIT = (AttributeError, IndexError, KeyError, TypeError, ValueError)

# Ops that compute each element of the output from the same element of the first input.
_SAME = """
Abs Acos Acosh AsString Asin Asinh Atan Atanh Bucketize Cast Ceil CheckNumerics Conj Cos Cosh
DebugGradientIdentity Digamma Elu EncodeBase64 DecodeBase64 EnsureShape Erf Erfc Erfinv Exp Expm1
FakeQuantWithMinMaxArgs Floor Identity Imag Inv Invert IsFinite IsInf IsNan LeakyRelu Lgamma Log
Log1p LogicalNot Ndtri Neg OnesLike PlaceholderWithDefault PreventGradient Real Reciprocal
RegexFullMatch RegexReplace Relu Relu6 Rint Round Rsqrt Selu Sigmoid Sign Sin Sinh Snapshot Softplus
Softsign Sqrt Square StaticRegexFullMatch StaticRegexReplace StopGradient StringLength StringLower
StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber
StringUpper Tan Tanh ZerosLike
"""

# Ops that compute each element from the same elements of several inputs, with broadcasting.
_BROADCAST = """
Add AddN AddV2 ApproximateEqual Atan2 BitwiseAnd BitwiseOr BitwiseXor ClipByValue Complex Div
DivNoNan Equal FloorDiv FloorMod Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr Maximum
Minimum Mod Mul MulNoNan NotEqual Pow RealDiv SelectV2 SquaredDifference StringJoin Sub TruncateDiv
TruncateMod Xdivy Xlog1py Xlogy
"""


# Ops that may pass on a variable itself, and not its value.
_PASSES = ("Enter", "Merge", "RefEnter", "RefIdentity", "RefMerge", "RefSwitch", "Switch")


def _same(_: Any, ins: List[Value]) -> Value:
    others_fixed = all(fixed(each) for each in ins[1:])
    return ins[0] if others_fixed else None


def _broadcast(_: Any, ins: List[Value]) -> Value:
    rows = [each for each in ins if isinstance(each, Rows)]
    others = [each for each in ins if not isinstance(each, Rows)]
    if SIZED in others:
        return SIZED if not rows and sum(not fixed(each) for each in others) == 1 else None
    first = rows[0].shape if rows else ()
    alike = all(len(each.shape) == len(first) and each.shape[0] == first[0] for each in rows)
    if not rows or not alike or not all(fixed(each) for each in others):
        return None
    shape = list(first)
    for each in ins:
        if each.shape is None:
            return SIZED
        if len(each.shape) > len(first):
            return None
        if len(each.shape) == len(first) and not isinstance(each, Rows) and each.shape[0] != ONE:
            return SIZED if each.shape[0] is None else None
        for at in range(1, min(len(each.shape), len(first) - 1) + 1):
            shape[-at] = _merged(shape[-at], each.shape[-at])
    return Rows(tuple(shape))


def _merged(one: Dim, other: Dim) -> Dim:
    if one == ONE:
        return other
    return one if other in (ONE, one) else None


def _select(node: Any, ins: List[Value]) -> Value:
    condition, *sides = ins
    rows = all(isinstance(each, Rows) for each in sides)
    if not rows or len(sides[0].shape) != len(sides[1].shape):
        return None
    if fixed(condition) and condition.shape == ():
        return _broadcast(node, sides)
    if not isinstance(condition, Rows):
        return None
    if len(condition.shape) == 1 and condition.shape[0] == sides[0].shape[0]:
        return _broadcast(node, sides)
    return _broadcast(node, ins) if len(condition.shape) == len(sides[0].shape) else None


def _switch(_: Any, ins: List[Value]) -> Value:
    return ins[0] if fixed(ins[1]) else None


def _merge(_: Any, ins: List[Value]) -> Value:
    """Return the output of one of several branches; the second output tells which one."""
    value = ins[0]
    for each in ins[1:]:
        value = join(value, each)
    return {0: value, ("output", 0): value}


def _last_axis(_: Any, ins: List[Value]) -> Value:
    return ins[0] if isinstance(ins[0], Rows) and len(ins[0].shape) > 1 else None


def _bias(_: Any, ins: List[Value]) -> Value:
    return ins[0] if isinstance(ins[0], Rows) and len(ins[0].shape) > 1 and fixed(ins[1]) else None


def _top(_: Any, ins: List[Value]) -> Value:
    if not isinstance(ins[0], Rows) or len(ins[0].shape) < 2 or not fixed(ins[1]):
        return None
    return Rows(ins[0].shape[:-1] + (ins[1].ints[0] if ins[1].ints else None,))


def _matmul(node: Any, ins: List[Value]) -> Value:
    left, right = ins
    if not isinstance(left, Rows) or len(left.shape) != 2 or not fixed(right):
        return None
    if node.attr("transpose_a", False) or node.attr("adj_x", False):
        return None
    turned = node.attr("transpose_b", False) or node.attr("adj_y", False)
    return Rows((left.shape[0], _columns(right.shape, turned)))


def _columns(shape: Optional[Shape], turned: bool) -> Dim:
    return None if shape is None or len(shape) < 2 else shape[-2 if turned else -1]


def _batch_matmul(node: Any, ins: List[Value]) -> Value:
    left, right = ins
    if not isinstance(left, Rows):
        return None
    if len(left.shape) == 2:
        known = fixed(right) and right.shape is not None and len(right.shape) == 2
        return _matmul(node, ins) if known else None
    if isinstance(right, Rows):
        alike = len(right.shape) == len(left.shape) and right.shape[0] == left.shape[0]
    else:
        alike = fixed(right) and right.shape is not None and len(right.shape) == 2
    if not alike:
        return None
    height = left.shape[-1 if node.attr("adj_x", False) else -2]
    batch = left.shape[:-2]
    if isinstance(right, Rows):
        batch = batch[:1] + tuple(map(_merged, batch[1:], right.shape[1:-2]))
    return Rows(batch + (height, _columns(right.shape, node.attr("adj_y", False))))


def _einsum(node: Any, ins: List[Value]) -> Value:
    equation = node.attr("equation", b"").decode().replace(" ", "")
    sources, _, result = equation.partition("->")
    labels = sources.split(",")
    if not result or "." in equation or len(labels) != len(ins):
        return None
    sizes: Dict[str, Dim] = {}
    for label, each in zip(labels, ins):
        if isinstance(each, Rows):
            if label[:1] != result[:1] or label.count(result[0]) != 1:
                return None
            if (
                len(label) != len(each.shape)
                or sizes.get(result[0], each.shape[0]) != each.shape[0]
            ):
                return None
        elif not fixed(each) or result[0] in label:
            return None
        if each.shape is not None and len(each.shape) == len(label):
            sizes.update(zip(label, each.shape))
    return Rows(tuple(sizes.get(label) for label in result))


def _convolution(node: Any, ins: List[Value]) -> Value:
    """Return the output of a convolution or pooling, whose first dimension is the images."""
    image = ins[0]
    if not isinstance(image, Rows) or not all(fixed(each) for each in ins[1:]):
        return None
    rank = len(image.shape)
    strides = node.attr("strides", [1] * rank)
    dilations = node.attr("dilations", [1] * rank) or [1] * rank
    layout = node.attr("data_format", b"NHWC")
    first = layout in (b"NCHW", b"NCDHW")
    if not first and layout not in (b"NHWC", b"NDHWC"):
        return None
    places = range(2, rank) if first else range(1, rank - 1)
    channel = 1 if first else rank - 1
    if rank not in (4, 5) or len(strides) != rank or strides[0] != 1 or dilations[0] != 1:
        return None
    shape = list(image.shape)
    kernel: List[Optional[int]] = [None] * (rank - 2)
    if len(ins) > 1:
        window = ins[1].shape
        if window is not None and len(window) == rank:
            kernel = [size_of(dim) for dim in window[: rank - 2]]
            depth = size_of(window[-2]), size_of(window[-1])
            wide = node.type.startswith("Depthwise")
            shape[channel] = _depth(depth[0], depth[1]) if wide else window[-1]
        else:
            shape[channel] = None
    else:
        sizes = node.attr("ksize", [])
        if len(sizes) != rank or sizes[0] != 1:
            return None
        kernel = [sizes[place] for place in places]
        shape[channel] = image.shape[channel] if sizes[channel] == strides[channel] == 1 else None
    for place, window in zip(places, kernel):
        shape[place] = _slid(node, shape[place], window, strides[place], dilations[place])
    return Rows(tuple(shape))


def _depth(channels: Optional[int], each: Optional[int]) -> Dim:
    return None if channels is None or each is None else number(channels * each)


def _slid(node: Any, dim: Dim, window: Optional[int], stride: int, dilation: int) -> Dim:
    """Return the number of positions of a window along a dimension."""
    size = size_of(dim)
    padding = node.attr("padding", b"")
    if size is None or padding not in (b"SAME", b"VALID"):
        return None
    if padding == b"SAME":
        return number(-(-size // stride))
    if window is None:
        return None
    return number(max(0, -(-(size - (window - 1) * dilation) // stride)))


def _normalised(node: Any, ins: List[Value]) -> Value:
    trains = node.attr("is_training", True)
    if trains or not isinstance(ins[0], Rows) or not all(fixed(each) for each in ins[1:]):
        return None
    return {0: ins[0], ("y", 0): ins[0]}


def _resized(node: Any, ins: List[Value]) -> Value:
    if not isinstance(ins[0], Rows) or len(ins[0].shape) != 4 or not fixed(ins[1]):
        return None
    sizes = sizes_of(ins[1].ints)
    height, width = map(number, sizes) if sizes and len(sizes) == 2 else (None, None)
    return Rows((ins[0].shape[0], height, width, ins[0].shape[3]))


def _looked_up(_: Any, ins: List[Value]) -> Value:
    table, keys, default = ins
    if not isinstance(keys, Rows) or not fixed(table) or not fixed(default):
        return None
    return SIZED if default.shape is None else Rows(keys.shape + default.shape)


def _one_hot(node: Any, ins: List[Value]) -> Value:
    indices, depth = ins[0], ins[1]
    if not isinstance(indices, Rows) or not all(fixed(each) for each in ins[1:]):
        return None
    axis = node.attr("axis", -1)
    at = len(indices.shape) if axis == -1 else axis
    if at < 1:
        return None
    size = depth.ints[0] if depth.ints else None
    return Rows(indices.shape[:at] + (size,) + indices.shape[at:])


RULES: Dict[str, Rule] = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_BROADCAST.split(), _broadcast),
    **dict.fromkeys(["Softmax", "LogSoftmax"], _last_axis),
    **dict.fromkeys(["BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"], _batch_matmul),
    **dict.fromkeys(
        [
            "Conv2D",
            "Conv3D",
            "DepthwiseConv2dNative",
            "MaxPool",
            "AvgPool",
            "MaxPool3D",
            "AvgPool3D",
        ],
        _convolution,
    ),
    **dict.fromkeys(["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"], _normalised),
    **dict.fromkeys(["ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic"], _resized),
    **dict.fromkeys(["LookupTableFind", "LookupTableFindV2"], _looked_up),
    **dict.fromkeys(["ParseExample", "ParseExampleV2"], parsed),
    "BiasAdd": _bias,
    "Einsum": _einsum,
    "FakeQuantWithMinMaxVars": _same,
    "FakeQuantWithMinMaxVarsPerChannel": _bias,
    "LRN": _last_axis,
    "MatMul": _matmul,
    "Merge": _merge,
    "OneHot": _one_hot,
    "Select": _select,
    "Switch": _switch,
    "TopKV2": _top,
    **SHAPE_RULES,
}


def apply(node: Any, ins: List[Value]) -> Value:
    """Return what is known of the outputs of `node`, from what is known of its inputs."""
    if all(isinstance(each, Plain) for each in ins):
        return _plain(node, ins)
    in_loop = any(isinstance(each, (Round, Slots, Until)) for each in ins)
    rule = (LOOP_RULES if in_loop else RULES).get(node.type)
    if rule is None or any(each is None for each in ins):
        return None
    try:
        return rule(node, ins)
    except _UNFIT:
        return None


def _plain(node: Any, ins: List[Value]) -> Value:
    rule = _PLAIN_RULES.get(node.type)
    value: Optional[Value] = None
    if rule is not None:
        try:
            value = rule(node, ins)
        except _UNFIT:
            value = None
    if value is not None:
        return value
    counts = any(each.counts for each in ins)
    state = node.type in _PASSES and any(each.state for each in ins)
    return Plain(None if counts else node.shape(), None, counts, state)


def _plain_same(_: Any, ins: List[Value]) -> Value:
    return Plain(ins[0].shape, None, any(each.counts for each in ins))


def _plain_broadcast(node: Any, ins: List[Value]) -> Value:
    if node.type == "Mul" and all(each.ints and each.shape == () for each in ins):
        return multiplied(ins)
    shape: Shape = ()
    for each in ins:
        longer, shorter = sorted((shape, each.shape), key=len, reverse=True)
        start = len(longer) - len(shorter)
        shape = longer[:start] + tuple(map(_merged, longer[start:], shorter))
    return Plain(shape, None, any(each.counts for each in ins))


_PLAIN_RULES: Dict[str, Rule] = {
    **dict.fromkeys(_SAME.split(), _plain_same),
    **dict.fromkeys(_BROADCAST.split(), _plain_broadcast),
    **PLAIN_RULES,
}
