"""What a status means where a provider's own words have decided nothing: the end of every wire's reading of errors."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.failure import Kind


def kind_of(status: int | None, known: Mapping[int, Kind]) -> Kind:
    """The kind of a status: as the wire's own table has it, else by its class; None is an error inside a 200."""
    if status is None or status < 400:
        return Kind.BAD_RESPONSE
    return known.get(status) or (Kind.SERVER_ERROR if status >= 500 else Kind.INVALID_REQUEST)
