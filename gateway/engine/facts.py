"""What a target is known to be: what router.yaml says of a model, field by field over what the catalog says.

`price`, `context`, `max_output` and `supports` come to a target here and nowhere else. A pattern model's targets are
filled when its id is known, so they keep what the file says and the name of the catalog until then.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from gateway.config import model as words
from gateway.ir.cost import FIELDS, Price, Tier
from gateway.providers.models import facts, known_words
from gateway.routing.node import Target

_NONE: Final = Price(source="")


def described(target: Target, model: words.Model, catalog: str) -> Target:
    """The target with what is known of its model; `catalog` is the one of its provider (providers.models)."""
    said = msgspec.structs.replace(
        target,
        catalog=catalog,
        price=price_of(model.price) if model.price is not None else None,
        context=model.context,
        max_output=model.max_output,
        supports=known_words(model.supports) if model.supports is not None else None,
    )
    return said if "*" in target.upstream else filled(said)


def filled(target: Target) -> Target:
    """The target with the catalog's facts wherever the file says nothing."""
    known = facts(target.catalog, target.upstream)
    return msgspec.structs.replace(
        target,
        price=merged(target.price, known.price),
        context=target.context if target.context is not None else known.context,
        max_output=target.max_output if target.max_output is not None else known.max_output,
        supports=target.supports if target.supports is not None else known.supports,
    )


def price_of(said: words.Price) -> Price:
    """A price of the file as the program has it."""
    tiers = tuple(Tier(**tier.model_dump()) for tier in said.tiers or ())
    return Price(tiers=tiers, source="file", **{name: getattr(said, name) for name in FIELDS})


@lru_cache(1024)  # a pattern model is filled at every request
def merged(said: Price | None, known: Price | None) -> Price | None:
    """The file's price over the catalog's; None where neither says what a prompt or an answer costs.

    What the file says holds for every size of prompt, unless it has tiers of its own.
    """
    if said is None:
        return known
    known = known or _NONE
    fixed = {name: value for name in FIELDS if (value := getattr(said, name)) is not None}
    tiers = said.tiers or tuple(msgspec.structs.replace(tier, **dict.fromkeys(fixed)) for tier in known.tiers)
    both = msgspec.structs.replace(known, tiers=tiers, source="both" if known.source else "file", **fixed)
    return both if both.input is not None or both.output is not None else None
