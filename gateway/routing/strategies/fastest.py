"""`fastest`: the faster of two that are drawn at random; the others follow, fastest first.

How fast is the peak-EWMA of the time to the first token, or of whole answers for a request that wants one
(state/latency.py). With three targets the fastest thus serves two thirds and the slowest nothing, and not every worker
runs after the same one. A target that was not measured for ten minutes is tried first, but by one request at a time:
while it is busy with another it comes last. Only targets that are well are drawn, as long as there is one; those whose
every credential rests come last.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split, leaves


def order(split: Split, moment: Moment) -> list[Node]:
    """Two choices."""
    loads = moment.runtime.loads

    def pace(node: Node) -> tuple[bool, float, float]:
        seconds = signals.latency(node, moment)
        if seconds is None:
            busy = any(loads[leaf.lanes].count for leaf in leaves(node))
            seconds = float("inf") if busy else 0.0
        return signals.health(node, moment) == signals.OPEN, seconds, moment.random.random()

    keyed = [(pace(branch.node), branch.node) for branch in split.branches]
    keyed.sort(key=lambda item: item[0])
    ranked = [node for _, node in keyed]
    well = sum(not resting for (resting, _, _), _ in keyed) or len(ranked)
    if well > 2:
        first = min(moment.random.sample(range(well), 2))
        ranked.insert(0, ranked.pop(first))
    return ranked
