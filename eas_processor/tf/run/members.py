"""The requests of a joined run."""

from typing import List

from eas_processor.codecs.codec import Codec, Form
from eas_processor.tf.run.plans import Arrays, Plan


class Member:
    """
    One request, or several similar ones with joined arrays.

    `indexes` are their places among the answers. `rows` is the number of rows of each request, or 0
    for a request that cannot be joined. `codec` encodes their answers in `form`.
    """

    __slots__ = ("arrays", "codec", "form", "indexes", "plan", "rows")

    def __init__(
        self,
        indexes: List[int],
        codec: Codec,
        form: Form,
        plan: Plan,
        arrays: Arrays,
        rows: int,
    ) -> None:
        self.indexes = indexes
        self.codec = codec
        self.form = form
        self.plan = plan
        self.arrays = arrays
        self.rows = rows

    @property
    def total(self) -> int:
        """The number of rows of all its requests."""
        return self.rows * len(self.indexes)

    def alone(self) -> "List[Member]":
        """Return one member for each request."""
        if len(self.indexes) == 1:
            return [self]
        starts = range(0, self.total, self.rows)
        return [
            self._one(index, [array[at : at + self.rows] for array in self.arrays])
            for index, at in zip(self.indexes, starts)
        ]

    def with_arrays(self, arrays: Arrays) -> "Member":
        """Return a member with other arrays, which must have the same number of rows."""
        return Member(self.indexes, self.codec, self.form, self.plan, arrays, self.rows)

    def _one(self, index: int, arrays: Arrays) -> "Member":
        return Member([index], self.codec, self.form, self.plan, arrays, self.rows)

    def is_answered_like(self, other: "Member") -> bool:
        """Return whether the answers of both can be encoded together."""
        return (
            self.plan is other.plan
            and self.codec is other.codec
            and self.rows == other.rows
            and self.form == other.form
        )


def alone(members: List[Member]) -> List[Member]:
    """Return one member for each request of `members`."""
    return [each for member in members for each in member.alone()]
