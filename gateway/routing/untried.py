"""What the client is told where no target of a route may be tried for its request: why, and whose word it is."""

from __future__ import annotations

from typing import Final

from gateway.failure import Refusal, Refused
from gateway.routing.moment import Moment
from gateway.routing.node import Node, targets

_SHOWN: Final = 3  # reasons in one message


def nothing(node: Node, moment: Moment) -> Refused:
    """403 `policy_violation` where a policy forbids every target that the route has, else 400 `no_target`."""
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
    more = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return Refused(
        Refusal(
            status=400,
            type="invalid_request_error",
            code="no_target",
            message=f"No target of this model takes this request ({'; '.join(reasons[:_SHOWN])}{more}).",
            param="model",
            should_retry=False,
        )
    )
