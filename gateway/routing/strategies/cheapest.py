"""`cheapest`: the least estimated cost of this very request first; equals as written, unknown prices last.

The estimate is the prompt's tokens and the answer's: as many as the client allows, else 1,024, never more than the
model can give. So a model with a dear prompt and a cheap answer is first for short questions and long answers. A child
that is a combo costs what its dearest target does.
"""

from __future__ import annotations

from gateway.routing import signals
from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split


def order(split: Split, moment: Moment) -> list[Node]:
    """By nano-dollars."""
    keyed = []
    for branch in split.branches:
        cost = signals.price(branch.node, moment)
        keyed.append((float("inf") if cost is None else cost, branch.node))
    keyed.sort(key=lambda item: item[0])
    return [node for _, node in keyed]
