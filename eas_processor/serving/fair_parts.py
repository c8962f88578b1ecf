"""The part of the budget that is guaranteed to each of several services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from eas_processor.contracts.account import Account


class FairParts:
    """
    Guarantees each service a part of the budget that others' large bodies and answers cannot use.

    `each` is the size of a part in bytes. All parts together are at most half of `limit`, so that
    one busy service among idle ones still has the other half. They also leave `largest` bytes in
    addition to `reserve`, so that the largest allowed body fits while nothing else is held. A
    single service needs no part.

    `lacking` is the number of bytes that all services together do not use of their parts.
    """

    __slots__ = ("_members", "_most", "_others_most", "each", "lacking")

    def __init__(self, limit: int, reserve: int, largest: int) -> None:
        self.each = self.lacking = 0
        self._most = limit // 2
        self._others_most = max(0, limit - reserve - largest)
        self._members: Counter[Account] = Counter()

    def join(self, account: Account) -> None:
        """Keep a part for this account from now on. Versions of one service share an account."""
        self._members[account] += 1
        self._share_out()

    def leave(self, account: Account) -> None:
        """Keep no part for this account any more. Bytes held for it are still released as usual."""
        self._members[account] -= 1
        if not self._members[account]:
            del self._members[account]
        self._share_out()

    def hold(self, account: Account, more: int) -> None:
        """Note that `more` bytes are held for an account; a negative number releases bytes."""
        before = self._lack(account)
        account.held += more
        self.lacking += self._lack(account) - before

    def kept_from(
        self,
        account: Account | None,
        size: int,
        returned: Mapping[Account | None, int] | None = None,
    ) -> int:
        """
        Return how many bytes must stay free for others when an account takes `size` more bytes.

        This is 0 while the account stays within its own part, and for calls without an account,
        such as a warm-up. `returned` are the bytes that each account would release before.
        """
        if account is None or not self.each:
            return 0
        after = returned or {}
        if size <= self._lack(account, after.get(account, 0)):
            return 0
        kept = self.lacking - self._lack(account)
        for other, given in after.items():
            if other is not None and other is not account:
                kept += self._lack(other, given) - self._lack(other)
        return kept

    def most_kept_from(self, account: Account | None) -> int:
        """Return the parts of all other services together, in bytes."""
        if account is None:
            return 0
        return self.each * (len(self._members) - (account in self._members))

    def covers(self, account: Account | None) -> bool:
        """Whether an account holds no more than its part."""
        return account in self._members and account is not None and account.held <= self.each

    def _lack(self, account: Account, returned: int = 0) -> int:
        if account not in self._members:
            return 0
        return max(0, self.each - account.held + returned)

    def _share_out(self) -> None:
        count = len(self._members)
        self.each = min(self._most // count, self._others_most // (count - 1)) if count > 1 else 0
        self.lacking = sum(map(self._lack, self._members))
