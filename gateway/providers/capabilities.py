"""What the big families of models can do and how long their answers may be, as their makers' pages say.

A row is a pattern over the provider's id, in lower case, for some catalogs (`models.CATALOGS`). The first that matches
counts; what no row says is unknown, and what is unknown is never held against a model. Each row names the page it was
read from and the day. A model that deserves better is described in router.yaml, which outranks these rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

# The words of `supports`, and what each means of a model.
SUPPORTS: Final[Mapping[str, str]] = {
    "tools": "calls tools that a request declares",
    "vision": "reads images",
    "audio": "hears sound in the prompt",
    "video": "watches video in the prompt",
    "documents": "reads files such as PDF",
    "json_schema": "keeps to a JSON schema",
    "json_object": "answers with any JSON object",
    "reasoning": "thinks before it answers",
    "prefill": "goes on from the beginning of an answer",
}


class Capable(msgspec.Struct, frozen=True):
    """One row without its pattern; None is unknown."""

    context: int | None = None
    max_output: int | None = None
    supports: frozenset[str] | None = None


class Row(msgspec.Struct, frozen=True):
    """`pattern` must match the whole id."""

    catalogs: tuple[str, ...]
    pattern: re.Pattern[str]
    known: Capable
    source: str
    read: str


ROWS: Final[tuple[Row, ...]] = ()


def capable(catalog: str, upstream: str) -> Capable:
    """What the rows say of a model."""
    wanted = upstream.lower()
    for row in ROWS:
        if catalog in row.catalogs and row.pattern.fullmatch(wanted):
            return row.known
    return Capable()
