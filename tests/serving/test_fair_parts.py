"""What one service leaves to the others of the memory for bodies and answers."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from typing import Any

import pytest
from fixtures.engine import FakeClient, http
from fixtures.repeated import times
from fixtures.several import SeveralDesk
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eas_processor.contracts.account import Account
from eas_processor.instances.links import BulkLink
from eas_processor.link import codes
from eas_processor.link.frames import BULK_SIZE, HEAD, REPLY
from eas_processor.serving import budget as module
from eas_processor.serving.budget import Budget
from eas_processor.serving.fair_parts import FairParts

pytestmark = pytest.mark.medium

MiB = 1024 * 1024
MakeDesk = Callable[..., SeveralDesk]


@pytest.fixture(autouse=True)
def always_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEASURED_FOR_S", 0.0)


@pytest.fixture
def make_desk(service: Any) -> MakeDesk:
    """Makes a desk of public services, with 8 MiB for bodies of up to 1 MiB unless told."""

    def make(*names: str, max_buffered: int = 8 * MiB, max_body: int = MiB) -> SeveralDesk:
        services = [service(name=name) for name in names]
        return SeveralDesk(*services, max_buffered=max_buffered, max_body=max_body)

    return make


def post(name: str, body: bytes, *lines: str, size: int | None = None) -> bytes:
    length = f"Content-Length: {len(body) if size is None else size}"
    return http("POST", f"/api/predict/{name}", length, *lines) + body


def send(desk: SeveralDesk, name: str, count: int, body: bytes = bytes(MiB)) -> list[FakeClient]:
    """Return clients that have each sent a body."""
    clients = [desk.new_client() for _ in range(count)]
    for client in clients:
        client.send(post(name, body), piece=100_000)
    return clients


def statuses(clients: list[FakeClient]) -> list[int]:
    return [each.response.status for each in clients if each.responses]


def leave_unread(client: FakeClient) -> None:
    """Have the client read nothing of what it was answered."""
    client.transport.unsent = len(client.transport.written)
    client.connection.pause_writing()


# Bodies


def test_large_bodies_of_one_service_leave_the_part_of_the_other(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    assert desk.budget.parts.each == 2 * MiB
    sent = send(desk, "a", 7)
    assert statuses(sent) == [450, 450]
    says = sent[-1].response.body
    assert b"5242880 of 8388608 bytes" in says and b"2097152 are reserved for other" in says
    assert b"--max-buffered" in says
    # The part, and no more: an eighth is for small bodies.
    assert statuses(send(desk, "b", 3)) == [450]
    assert len(desk.admissions["b"].submitted) == 2
    for name in "ab":
        for call in desk.admissions[name].submitted:
            call.answer(0, [b"x"])
    assert desk.budget.free == 8 * MiB and desk.budget.parts.lacking == 4 * MiB


def test_a_lone_service_has_all_of_it(make_desk: MakeDesk) -> None:
    desk = make_desk("a")
    assert statuses(send(desk, "a", 8)) == [450]


def test_what_is_announced_blocks_nobody(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    for _ in range(50):
        desk.new_client().send(post("a", b"", size=MiB))
    assert statuses(send(desk, "b", 5)) == []
    assert len(desk.admissions["b"].submitted) == 5


def test_what_is_sent_but_for_a_byte_leaves_the_part_of_the_other(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    for _ in range(20):
        desk.new_client().send(post("a", bytes(MiB - 1), size=MiB), piece=50_000)
    assert statuses(send(desk, "b", 2)) == []


@pytest.mark.parametrize("line", ["Transfer-Encoding: chunked", "Content-Encoding: gzip"])
def test_a_body_of_unknown_length_is_charged_to_its_service(make_desk: MakeDesk, line: str) -> None:
    desk = make_desk("a", "b")
    body = bytes(MiB)
    if "chunked" in line:
        data = http("POST", "/api/predict/a", line) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        data = post("a", gzip.compress(body), line)
    for _ in range(3):
        desk.new_client().send(data, piece=10_000)
    account = desk.entry("a").versions[1].account
    assert account.held == 3 * MiB
    for call in desk.admissions["a"].submitted:
        call.answer(0, [b"x"])
    assert account.held == 0 and desk.budget.free == 8 * MiB


def test_a_known_head_with_a_large_body_in_one_piece(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    client = desk.new_client()
    account = desk.entry("a").versions[1].account
    for size in (BULK_SIZE, BULK_SIZE + 1):
        for _ in range(3):
            client.send(post("a", bytes(size)))
            assert account.held == (size if size > BULK_SIZE else 0)
            desk.admissions["a"].submitted.pop().answer(0, [b"x"])
            assert account.held == 0 and desk.budget.free == 8 * MiB


def test_the_largest_body_fits_whatever_the_number_of_services(make_desk: MakeDesk) -> None:
    desk = make_desk(*"abcdefghij", max_buffered=5 * MiB, max_body=4 * MiB)
    assert statuses(send(desk, "a", 1, bytes(4 * MiB))) == []
    assert len(desk.admissions["a"].submitted) == 1


def test_small_bodies_need_no_part(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    send(desk, "a", 6)
    assert statuses(send(desk, "a", 40, bytes(BULK_SIZE))) == []


def test_who_takes_of_its_own_part_need_not_leave_those_of_others() -> None:
    budget = Budget(8 * MiB, MiB)
    account = Account()
    for each in (account, Account(), Account()):
        budget.parts.join(each)
    budget.free -= 5 * MiB  # small bodies: what is left is less than all parts together
    assert budget.make_fit(budget.parts.each, account)
    assert not budget.make_fit(budget.parts.each + 1, account)


# Answers


def test_large_answers_of_one_service_leave_the_part_of_the_other(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    for name, expected in (("a", [200] * 4 + [450] * 2), ("b", [200, 200, 450])):
        clients = send(desk, name, len(expected), b"x")
        for client, call in zip(clients, desk.admissions[name].submitted, strict=True):
            call.answer(0, [bytes(MiB)])
            leave_unread(client)
        assert statuses(clients) == expected
    for client in [*desk.server.connections]:
        client.connection_lost(None)
    assert desk.budget.free == 8 * MiB and desk.budget.parts.lacking == 4 * MiB


def test_answers_that_wait_for_an_earlier_one_are_charged_to_their_service(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk("a", "b")
    client = desk.new_client()
    client.send(post("a", b"slow") + post("b", b"quick"))
    desk.admissions["b"].submitted[0].answer(0, [bytes(MiB)])
    account = desk.entry("b").versions[1].account
    assert account.held == MiB
    desk.admissions["a"].submitted[0].answer(0, [b"now"])
    assert account.held == 0 and desk.budget.free == 8 * MiB


def test_an_answer_above_what_is_ever_free_is_refused_with_the_limit(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    (client,) = send(desk, "a", 1, b"x")
    desk.admissions["a"].submitted[0].answer(0, [bytes(6 * MiB)])
    assert client.response.status == 413
    assert b"more than the limit of 5242880 " in client.response.body


def test_an_answer_on_its_way_leaves_the_part_of_another_service() -> None:
    budget = Budget(8 * MiB, MiB)
    accounts = [Account(), Account()]
    for each in accounts:
        budget.parts.join(each)
    frames: list[Any] = []

    def link(account: Account) -> BulkLink:
        return BulkLink(frames.extend, lambda: None, budget, lambda _: (0, account))

    def arrive(size: int) -> bytes:
        return HEAD.pack(size, REPLY, 0, codes.OK, 1, 0.0) + bytes(size - 1)

    first, second, other = link(accounts[0]), link(accounts[0]), link(accounts[1])
    first.data_received(arrive(4 * MiB))
    second.data_received(arrive(2 * MiB))
    second.data_received(b"\0")
    assert frames.pop()[2] == codes.QUEUE_FULL
    other.data_received(arrive(2 * MiB))
    assert [each.held for each in accounts] == [4 * MiB, 2 * MiB]
    first.data_received(b"\0")
    other.connection_lost(None)
    assert frames.pop()[2] == codes.OK
    assert budget.free == 8 * MiB and [each.held for each in accounts] == [0, 0]


# Who is dropped


def stalled_readers(desk: SeveralDesk, name: str, count: int) -> list[FakeClient]:
    clients = send(desk, name, count, b"x")
    for client in clients:
        desk.admissions[name].submitted.pop(0).answer(0, [bytes(MiB - 1000)])
        leave_unread(client)
        client.connection.flow.read_at -= module.STALLED_S + 1
    return clients


def test_who_has_stalled_is_dropped_for_another_service(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    stalled = stalled_readers(desk, "a", 4)
    assert statuses(send(desk, "b", 5)) == []
    # Two are within the part of their service.
    assert [each.transport.aborted for each in stalled] == [True, True, False, False]
    assert statuses(send(desk, "b", 1)) == [450]
    assert not stalled[2].transport.aborted


def test_who_is_within_its_part_is_dropped_last(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    (modest,) = stalled_readers(desk, "a", 1)
    greedy = stalled_readers(desk, "b", 4)
    for client in (modest, *greedy):
        client.connection.flow.read_at += module.STALLED_S  # a second ago: that is not stalled
    desk.budget.free -= 5 * MiB
    desk.budget.drop_unread()
    assert not modest.transport.aborted
    assert [each.transport.aborted for each in greedy] == [True, True, False, False]
    desk.budget.free -= 4 * MiB
    desk.budget.drop_unread()
    assert modest.transport.aborted


# Services that come and go


def test_a_service_that_goes_leaves_its_part(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    send(desk, "b", 2)
    desk.registry.remove(desk.entry("b"))
    assert desk.budget.parts.each == 0 and desk.budget.free == 6 * MiB
    assert statuses(send(desk, "a", 6)) == [450]
    for call in desk.admissions["b"].submitted:
        call.answer(0, [b"x"])
    assert desk.budget.free == 3 * MiB


def test_a_service_that_comes_has_a_part_of_what_is_left(make_desk: MakeDesk, service: Any) -> None:
    desk = make_desk("a")
    send(desk, "a", 7)
    desk.add(service(name="b"))
    assert statuses(send(desk, "b", 1)) == [450]
    desk.admissions["a"].submitted[0].answer(0, [b"x"])
    assert statuses(send(desk, "a", 1)) == [450], "it is kept for the one that has come"
    assert statuses(send(desk, "b", 1)) == []


def test_versions_of_one_service_have_one_part(make_desk: MakeDesk) -> None:
    desk = make_desk("a", "b")
    first, other = desk.entry("a"), desk.entry("b").versions[1]
    second = make_desk("a", "b").entry("a").versions[1]
    second._budget = desk.budget
    first.publish(2, second)
    assert second.account is first.versions[1].account is not other.account
    assert desk.budget.parts.each == 2 * MiB
    first.withdraw(1)
    assert desk.budget.parts.each == 2 * MiB
    first.withdraw(2)
    assert desk.budget.parts.each == 0


@pytest.mark.parametrize("count", [2, 3, 10, 100])
def test_all_parts_are_half_of_it(count: int) -> None:
    parts = FairParts(512 * MiB, 64 * MiB, 64 * MiB)
    for _ in range(count):
        parts.join(Account())
    assert 256 * MiB - count < parts.each * count <= 256 * MiB


# Anything that can happen, in any order


class Client:
    """A client that may read nothing."""

    account: Account | None = None
    read_at = 0.0
    dropped = False

    def measure(self, now: float) -> None:
        pass

    def drop(self, why: str) -> None:
        self.dropped = True


LIMIT = 32 * BULK_SIZE
LARGEST = 6 * BULK_SIZE
SIZES = st.integers(1, LARGEST) | st.integers(BULK_SIZE - 2, BULK_SIZE + 2)


class Services(RuleBasedStateMachine):
    """Services come, go, receive, answer, and have clients that do not read."""

    @initialize(count=st.integers(0, 4))
    def begin(self, count: int) -> None:
        self.budget = Budget(LIMIT, LARGEST)
        self.members: list[Account] = []
        self.gone: list[Account] = []
        self.charged: list[tuple[Account | None, int]] = []
        self.clients: list[Client] = []
        for _ in range(count):
            self.come()

    def debt(self) -> int:
        """How much less is free than what the services lack of their parts."""
        budget = self.budget
        return max(0, budget.reserve + budget.parts.lacking - budget.free)

    @rule()
    def come(self) -> None:
        self.members.append(Account())
        self.budget.parts.join(self.members[-1])

    @precondition(lambda self: self.members)
    @rule(choice=st.randoms(use_true_random=False))
    def go(self, choice: random.Random) -> None:
        account = self.members.pop(choice.randrange(len(self.members)))
        self.gone.append(account)
        self.budget.parts.leave(account)

    @precondition(lambda self: self.members or self.gone)
    @rule(choice=st.randoms(use_true_random=False), size=SIZES, grows=st.integers(0, LARGEST))
    def receive(self, choice: random.Random, size: int, grows: int) -> None:
        """A body arrives in two pieces, each of which may be refused."""
        account = choice.choice([*self.members, *self.gone])
        have = 0
        for total in (size, min(LARGEST, size + grows)):
            budget, debt = self.budget, self.debt()
            small = total <= BULK_SIZE
            own = account in self.members and account.held + total - have <= budget.parts.each
            if total == have or not budget.make_fit(total - have, account, small=small):
                assert small or total == have or not own or debt
                break
            budget.charge(account, have, total)
            if not small:
                assert self.debt() <= debt, "a large body took what is kept for others"
            have = total
        if have:
            self.charged.append((account, have))

    @precondition(lambda self: self.charged)
    @rule(choice=st.randoms(use_true_random=False))
    def give_back(self, choice: random.Random) -> None:
        debt = self.debt()
        account, size = self.charged.pop(choice.randrange(len(self.charged)))
        self.budget.charge(account, size, 0)
        assert self.debt() <= debt

    @precondition(lambda self: self.members or self.gone)
    @rule(choice=st.randoms(use_true_random=False), size=SIZES, stalls=st.booleans())
    def answer(self, choice: random.Random, size: int, stalls: bool) -> None:
        account = choice.choice([*self.members, *self.gone])
        debt = self.debt()
        if size > BULK_SIZE and not self.budget.make_fit(size, account):
            return
        client = Client()
        client.account = account
        client.read_at = 0.0 if stalls else float("inf")
        self.clients.append(client)
        self.budget.charge_unread(client, size)
        assert size <= BULK_SIZE or self.debt() <= debt

    @precondition(lambda self: self.clients)
    @rule(choice=st.randoms(use_true_random=False), share=st.floats(0, 1))
    def read(self, choice: random.Random, share: float) -> None:
        client = choice.choice(self.clients)
        unread, _ = self.budget.unread.get(client, (0, None))
        self.budget.note_unread(client, int(unread * share))

    @invariant()
    def everything_adds_up(self) -> None:
        budget = getattr(self, "budget", None)
        if budget is None:
            return
        unread = [size for size, _ in budget.unread.values()]
        assert budget.free == LIMIT - sum(size for _, size in self.charged) - sum(unread)
        held = dict.fromkeys([*self.members, *self.gone], 0)
        for account, size in self.charged:
            if account is not None and size > BULK_SIZE:
                held[account] += size
        for size, account in budget.unread.values():
            if account is not None:
                held[account] += size
        assert {each: each.held for each in held} == held
        each = budget.parts.each
        assert budget.parts.lacking == sum(max(0, each - held[one]) for one in self.members)
        assert each * len(self.members) <= LIMIT // 2
        assert budget.most(self.members[0] if self.members else None) >= LARGEST
        assert all(
            client.dropped == (client not in budget.unread)
            for client in self.clients
            if client.dropped
        )

    @invariant()
    def who_uses_nothing_finds_its_part(self) -> None:
        budget = getattr(self, "budget", None)
        if budget is None or self.debt():
            return
        for account in self.members:
            if not account.held and budget.parts.each:
                assert budget._wanted(budget.parts.each, account) <= budget.free

    def teardown(self) -> None:
        if not hasattr(self, "budget"):
            return
        for account, size in self.charged:
            self.budget.charge(account, size, 0)
        for client in list(self.budget.unread):
            self.budget.note_unread(client, 0)
        assert self.budget.free == LIMIT
        assert self.budget.parts.lacking == self.budget.parts.each * len(self.members)


TestServices = Services.TestCase
TestServices.settings = settings(max_examples=times(60), stateful_step_count=40, deadline=None)
