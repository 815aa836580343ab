"""`consistent`: rendezvous hashing. What belongs together comes to the same target, without anything being remembered.

`by` says what belongs together: a `session` (routing/sessions.py), a `user`, a `key`, or the beginning of the `prompt`,
which keeps a provider's prompt cache warm. Each target's place is drawn from its name and that identity alone, so all
workers and hosts agree, a target that is added takes an equal share from each of the others and moves nothing else, and
what belonged to a target that goes is spread evenly over the rest. A request without a user counts by its session.
"""

from __future__ import annotations

from hashlib import blake2b

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split
from gateway.routing.sessions import identity_of


def order(split: Split, moment: Moment) -> list[Node]:
    """By the hash of identity and child, highest first."""
    identity = identity_of(moment.job, split.ordering.by) or identity_of(moment.job, "session")
    key = blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    children = [branch.node for branch in split.branches]
    children.sort(key=lambda child: blake2b(child.name.encode(), digest_size=8, key=key).digest(), reverse=True)
    return children
