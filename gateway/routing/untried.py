"""What the client is told where no target of a route may be tried for its request: why, and whose word it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.failure import Kind, Refusal, Refused
from gateway.routing.moment import Moment
from gateway.routing.needs import unable
from gateway.routing.node import Node, Target, targets
from gateway.routing.sending import Job

_SHOWN: Final = 20  # reasons in one message


def nothing(node: Node, moment: Moment) -> Refused:
    """403 `policy_violation` where a policy forbids every target that the route has; 404 `no_provider` where none is
    what the request's hints ask for; else 400: `context_length_exceeded`, `unsupported`, or `no_target` where reasons
    differ."""
    constraints = moment.job.constraints
    if constraints is not None:
        broken = [constraints.broken(target) for target in targets(node)]
        names = dict.fromkeys(each[0] for each in broken if each is not None)
        if broken and None not in broken:
            forbid = "forbids" if len(names) == 1 else "forbid"
            message = f"No target of this model may be used for this request: {' and '.join(names)} {forbid} them all."
            return Refused(
                Refusal(
                    status=403,
                    type="permission_error",
                    code="policy_violation",
                    message=message,
                    param="model",
                    should_retry=False,
                )
            )
    reasons = list(dict.fromkeys(f"{each.target}: {each.why}" for each in moment.skipped))
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    status, type_, code = _told(targets(node), moment.job)
    return Refused(
        Refusal(
            status=status,
            type=type_,
            code=code,
            message=f"No target of this model takes this request ({'; '.join(reasons[:_SHOWN])}{more}).",
            param="model",
            should_retry=False,
        )
    )


def _told(reached: Sequence[Target], job: Job) -> tuple[int, str, str]:
    """Status, type and code: of what the request asked for, of what no target has, else `no_target`."""
    hints = job.hints
    if hints is not None and all(hints.credential or hints.objection(target, False) for target in reached):
        return 404, "not_found_error", "no_provider"
    lacks = {None if (cannot := unable(target, job)) is None else cannot.kind for target in reached}
    if lacks == {Kind.CONTEXT_WINDOW}:
        return 400, "invalid_request_error", "context_length_exceeded"
    if lacks and None not in lacks:
        return 400, "invalid_request_error", "unsupported"
    return 400, "invalid_request_error", "no_target"
