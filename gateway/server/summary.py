"""What a change of the running configuration amounts to, in one line, as `gateway plan` counts and grades it.

It is for the record and the log: their readers see at once whether a comment or a provider changed. Both sides are
compiled anew from what was handed to the workers, in a thread; nothing waits for it but the record.
"""

from __future__ import annotations

import asyncio

from gateway.config.handoff import restore
from gateway.engine.build import build
from gateway.server.crew import Offer


async def summary(old: Offer, new: Offer) -> str:
    """Such as "1 added, 2 changed; risk medium"."""
    try:
        return await asyncio.to_thread(_summary, old, new)
    except Exception as error:  # the change has come into force: whatever it is, it must not be told as one that failed
        return f"not known: {type(error).__name__}"


def _summary(old: Offer, new: Offer) -> str:
    from gateway.engine.planning.picture import Side  # what only a change needs
    from gateway.engine.planning.plan import plan
    from gateway.engine.published import marks_of

    def side(offer: Offer) -> Side:
        config, secrets = restore(offer.payload)
        engine = build(config, secrets, revision=offer.revision)
        return Side(offer.revision, config, engine, marks_of(config, secrets))

    return plan(side(old), side(new)).summary()
