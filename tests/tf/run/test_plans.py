import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf.model.signatures import TensorSpec
from eas_processor.tf.run.plans import Plan


@pytest.mark.parametrize(
    "feeds, fetches, batchable",
    [
        ([(-1, 784)], [(-1, 10)], True),
        ([(-1, 784), ()], [(-1, 10), (-1,)], True),
        ([None], [None], True),
        ([(1, 784)], [(-1, 10)], False),
        ([(-1, 784), (3,)], [(-1, 10)], False),
        ([()], [(-1, 10)], False),
        ([], [(-1, 10)], False),
        ([(-1, 784)], [(1, 10)], False),
        ([(-1, 784)], [(-1, 10), ()], False),
    ],
)
def test_rows_can_be_joined_only_where_the_signature_lets_them_vary(feeds, fetches, batchable):
    plan = Plan(
        [TensorSpec("x", "x:0", 1, shape) for shape in feeds],
        [TensorSpec("y", "y:0", 1, shape) for shape in fetches],
        None,
        None,
        True,
    )
    assert plan.batchable is batchable
