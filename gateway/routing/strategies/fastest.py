"""`fastest`: the faster of two that are drawn at random; the others follow, fastest first.

How fast is the peak-EWMA of the time to the first token, or of whole answers for a request that wants one
(state/latency.py). With three targets the fastest thus serves two thirds and the slowest nothing, and not every worker
runs after the same one. A target that was not measured for five minutes is tried first, but by one request at a time:
the others take it for the slowest meanwhile. Only targets that are well are drawn, as long as there is one; those whose
every credential rests come last.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """Two choices."""
    children = [branch.node for branch in split.branches]
    keyed = [
        ((signals.health(child, moment) == signals.OPEN, signals.pace(child, moment), moment.random.random()), child)
        for child in children
    ]
    keyed.sort(key=lambda item: item[0])
    ranked = [node for _, node in keyed]
    well = sum(not resting for (resting, _, _), _ in keyed) or len(ranked)
    if well > 2:
        first = min(moment.random.sample(range(well), 2))
        ranked.insert(0, ranked.pop(first))
    return signals.chosen(ranked, moment) if keyed[0][0][1] == signals.UNTRIED else ranked
