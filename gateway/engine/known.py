"""The names that a configuration may use and that come from elsewhere: presets, protocols, failure kinds.

`config` imports none of the rooms that own them; it is handed this value.
"""

from __future__ import annotations

from typing import Final

from gateway.config.known import Known, ModelFacts, PresetFacts
from gateway.diagnostics.suggest import closest
from gateway.failure import RULES, Falls, Kind
from gateway.ir.cost import FIELDS
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect
from gateway.protocols.embedding import EMBEDDINGS
from gateway.protocols.surfaces import OPERATIONS, SURFACES
from gateway.providers.auth import AUTH
from gateway.providers.catalog import PRESETS
from gateway.providers.endpoints import PLACES
from gateway.providers.hosts import HOSTS, OWN
from gateway.providers.models import MAKERS, catalog_of, facts, ids
from gateway.providers.signing import SIGNERS, MissingExtra
from gateway.routing.policies.parameters import PARAMETERS
from gateway.store import folders
from gateway.store.ledger import address
from gateway.transport import authorities

_NOT_FALLING: Final = (Kind.CANCELLED, Kind.INTERRUPTED)


def _judge(scheme: str, secret: str, region: str | None) -> str | None:
    """Why a credential cannot be signed with; None where it can be, as far as can be told without asking anybody."""
    make = SIGNERS.get(scheme)
    if make is None:
        return None
    try:
        make(secret, region)
    except (MissingExtra, ValueError) as error:
        return f"{error}."
    return None


def _model(preset: str | None, base_url: str | None, upstream: str) -> ModelFacts:
    """What is known of a model without the file."""
    catalog = catalog_of(preset, base_url)
    known = facts(catalog, upstream)
    listed = (
        bool(known.id) or known.supports is not None or catalog not in MAKERS or preset is None or base_url is not None
    )
    price = known.price
    return ModelFacts(
        prices={name: v for name in FIELDS if (v := getattr(price, name)) is not None} if price is not None else None,
        context=known.context,
        max_output=known.max_output,
        supports=known.supports,
        near=None if listed else closest(upstream, ids(catalog)),
    )


def _continues(preset: str | None, protocol: str | None, upstream: str) -> bool:
    """Whether a model is known to go on with an answer that has begun."""
    row = PRESETS.get(preset) if preset is not None else None
    wire = PROTOCOLS.get(protocol or (row.protocol if row is not None else ""))
    quirks = frozenset(row.quirks) if row is not None else frozenset()
    return wire is not None and wire.continues(Dialect("", upstream, quirks))


KNOWN: Final = Known(
    presets={
        row.name: PresetFacts(
            protocol=row.protocol,
            needs_key=row.needs_key,
            has_base_url=row.base_url is not None,
            auth=row.auth,
            embeds=row.protocol in EMBEDDINGS and HOSTS[row.host] is OWN and row.auth != "google",
            needs=tuple(word for word in PLACES if f"{{{word}}}" in (row.base_url or "")),
        )
        for row in PRESETS.values()
    },
    protocols=frozenset(PROTOCOLS),
    embedding=frozenset(EMBEDDINGS),
    auths=frozenset(AUTH) | frozenset(SIGNERS),
    judge=_judge,
    ledger=address.problem,
    folder=folders.problem,
    authorities=authorities.problem,
    failure_kinds=tuple(kind.value for kind in Kind if kind not in _NOT_FALLING),
    client_protocols=frozenset(surface.protocol for surface in SURFACES),
    operations=OPERATIONS,
    parameters=PARAMETERS,
    falling_kinds=tuple(kind.value for kind, rule in RULES.items() if rule.falls is Falls.YES),
    model=_model,
    continues=_continues,
)
