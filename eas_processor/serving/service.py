"""A service: what a client addresses, with its token, its limits, its queue and its instances."""

from __future__ import annotations

from eas_processor.contracts.account import Account
from eas_processor.contracts.backend import Instances, State
from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import BodyTooLarge, Refusal, TooManyRequests
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.link.codes import UNAVAILABLE, pack_status
from eas_processor.link.frames import BULK_SIZE
from eas_processor.serving.admission import Admission
from eas_processor.serving.budget import Budget
from eas_processor.serving.rate import GatewayPolicy, RateLimit
from eas_processor.serving.tokens import Tokens


class Service:
    """
    Takes the calls of one service.

    A frontend calls `admit` when the head of a request has arrived and `submit` when its body has.
    `Call.answer` is then called once, unless the call is withdrawn, and `end` follows each answer.
    The frontend checks the token itself, in the forms that its protocol has. `tokens` is replaced
    by a new object whenever remembered heads are no longer valid.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        admission: Admission,
        instances: Instances,
        budget: Budget,
        max_body: int,
    ) -> None:
        self.settings = settings
        self.key = settings.name.encode()
        self.admission = admission
        self.instances = instances
        self.metrics = admission.metrics
        self.tokens = Tokens(settings.token, settings.previous_token)
        self.account = Account()
        self._budget = budget
        self._max_body = max_body
        self._rate = RateLimit(settings.rate_limit) if settings.rate_limit else None
        self._gateway = GatewayPolicy.of(settings)
        # Bound methods, because every call uses them: a forwarding method would cost 0.1 us more.
        self.submit = admission.submit
        self.end = admission.end
        self.withdraw = admission.withdraw

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def ready(self) -> bool:
        """Whether an instance can take calls."""
        return self.admission.ready

    def configure(self, settings: ServiceSettings) -> None:
        """Use the tokens and limits of `settings` from now on."""
        before, self.settings = self.settings, settings
        self.admission.configure(settings)
        self.forget_heads()
        if (settings.gateway_rate, settings.gateway_concurrency) != (
            before.gateway_rate,
            before.gateway_concurrency,
        ):
            self._gateway = GatewayPolicy.of(settings)
        if settings.rate_limit != before.rate_limit:
            self._rate = RateLimit(settings.rate_limit) if settings.rate_limit else None

    def enter(self, sibling: Service | None) -> None:
        """Take calls from now on, and share the part of the budget with `sibling`, if given."""
        if sibling is not None:
            self.account = sibling.account
        self._budget.parts.join(self.account)

    def leave(self) -> None:
        """Take no more calls."""
        self.forget_heads()
        self._budget.parts.leave(self.account)

    def forget_heads(self) -> None:
        """
        Make connections look up the service of each head again.

        A connection remembers the service of a head for as long as `tokens` is the same object.
        """
        self.tokens = Tokens(self.settings.token, self.settings.previous_token)

    def admit(self, call: Call, size: int, now: float) -> Refusal | None:
        """
        Admit a call that began `now` with a body of `size` bytes, or return why it is refused.

        The frontend charges the budget for the body as it arrives.
        """
        if refusal := self._refusal(size):
            return refusal
        call.deadline = now + self.settings.keepalive
        self.admission.begin(call)
        return None

    def admit_own(self, call: Call, size: int, limit: float) -> Refusal | None:
        """Admit a call that brings its own deadline, `limit` seconds from now; 0.0 for none."""
        if refusal := self._refusal(size):
            return refusal
        self.admission.begin_own(call, limit)
        return None

    def _refusal(self, size: int) -> Refusal | None:
        if size > self._max_body:
            return too_large(self._max_body)
        if size > BULK_SIZE:
            if not self._budget.make_fit(size, self.account):
                return self._budget.body_refusal(size, self.account)
            if busy := self.admission.refusal(size):
                return busy
        elif size > self._budget.free and not self._budget.make_fit(size, small=True):
            return self._budget.body_refusal()
        if self._gateway is not None and (
            crowded := self._gateway.take(self.admission.outstanding)
        ):
            return crowded
        if self._rate is not None and not self._rate.take():
            return self._too_many()
        return None

    def describe(self) -> tuple[int, bytes]:
        """Return a status code, and the signature as JSON or why there is none."""
        info = self.instances.info
        if not info:
            return UNAVAILABLE, b"no instance is ready; try again in a moment"
        text = info["info"].encode()
        status = info["info_status"]
        return info["info_code"], pack_status(status, text) if status else text

    def states(self) -> dict[str, int]:
        """Return how many instances are in each state of their life."""
        counts = {state.value: 0 for state in State if state is not State.DEAD}
        for instance in self.instances.instances:
            counts[instance.state.value] += 1
        return counts

    def _too_many(self) -> TooManyRequests:
        limit, instances = self.settings.rate_limit, self.settings.instances
        each = f", {limit / instances:g} for each instance" if instances > 1 else ""
        return TooManyRequests(
            f"more than {limit:g} requests per second{each} (limit set by metadata.rpc.rate_limit);"
            " try again in a moment"
        )


def too_large(limit: int) -> BodyTooLarge:
    """Return the refusal of a body above `limit` bytes."""
    return BodyTooLarge(f"the body is larger than the engine's limit of {limit} bytes")
