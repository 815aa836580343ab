"""The names that a configuration may use and that come from elsewhere: presets, protocols, failure kinds.

`config` imports none of the rooms that own them; it is handed this value.
"""

from __future__ import annotations

from typing import Final

from gateway.config.known import Known, PresetFacts
from gateway.failure import RULES, Falls, Kind
from gateway.protocols import PROTOCOLS
from gateway.protocols.surfaces import OPERATIONS, SURFACES
from gateway.providers.auth import AUTH
from gateway.providers.catalog import PRESETS
from gateway.providers.endpoints import PLACES
from gateway.providers.signing import SIGNERS, MissingExtra
from gateway.routing.policies.parameters import PARAMETERS

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


KNOWN: Final = Known(
    presets={
        row.name: PresetFacts(
            protocol=row.protocol,
            needs_key=row.needs_key,
            has_base_url=row.base_url is not None,
            auth=row.auth,
            needs=tuple(word for word in PLACES if f"{{{word}}}" in (row.base_url or "")),
        )
        for row in PRESETS.values()
    },
    protocols=frozenset(PROTOCOLS),
    auths=frozenset(AUTH) | frozenset(SIGNERS),
    judge=_judge,
    failure_kinds=tuple(kind.value for kind in Kind if kind not in _NOT_FALLING),
    client_protocols=frozenset(surface.protocol for surface in SURFACES),
    operations=OPERATIONS,
    parameters=PARAMETERS,
    falling_kinds=tuple(kind.value for kind, rule in RULES.items() if rule.falls is Falls.YES),
)
