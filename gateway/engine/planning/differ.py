"""Two pictures → differences: paths, kinds, what was and what is. Nothing here knows what a difference means.

Mappings are compared name by name. Targets of a split are found again by what they name (`to`), so that one more is
one addition; whether those that stay are in another order is a difference of its own. Everything else is a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec

from gateway.engine.planning.picture import SINGLE, Picture

Kind: TypeAlias = Literal["add", "change", "remove", "rename"]
NamePath: TypeAlias = tuple[str, ...]

ORDER: Final = "order"  # the last word of the path of a difference that is only one of order
WHOLE: Final = ("price", "wire")  # mappings that are one value: their parts change together


class Difference(msgspec.Struct, frozen=True):
    """`before` and `after` are plain values; None where there is nothing."""

    path: NamePath
    kind: Kind
    before: Any = None
    after: Any = None


def differences(old: Picture, new: Picture) -> list[Difference]:
    """All of them, by section in the order of the pictures, by name in the order of the new one."""
    found: list[Difference] = []
    for section, entries in new.items():
        before = old[section]
        if section in SINGLE:
            found += _inside((section,), before, entries)
            continue
        for name, entry in entries.items():
            if name in before:
                found += _inside((section, name), before[name], entry)
            else:
                found.append(Difference((section, name), "add", None, entry))
        found += (Difference((section, name), "remove", entry) for name, entry in before.items() if name not in entries)
        if section in ("policies", "guardrails"):
            found += _order((section,), list(before), list(entries))
    return found


def _inside(path: NamePath, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if path[-1] == "fingerprint" and "" in (before, after):
        return  # of one of the two secrets nothing is known here
    if isinstance(before, dict) and isinstance(after, dict) and path[-1] not in WHOLE:
        for name in dict.fromkeys((*after, *before)):
            here = (*path, name)
            if name not in before:
                if name != "fingerprint":
                    yield Difference(here, "add", None, after[name])
            elif name not in after:
                if name != "fingerprint":
                    yield Difference(here, "remove", before[name])
            else:
                yield from _inside(here, before[name], after[name])
    elif path[-1] == "targets":
        yield from _targets(path, before, after)
    else:
        yield Difference(path, "change", before, after)


def _targets(path: NamePath, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[Difference]:
    was, now = _by_name(before), _by_name(after)
    for place, (name, entry) in enumerate(now.items(), 1):
        if name in was:
            yield from _inside((*path, name), was[name], entry)
        else:
            yield Difference((*path, name), "add", None, {**entry, "place": f"{place} of {len(now)}"})
    for place, (name, entry) in enumerate(was.items(), 1):
        if name not in now:
            yield Difference((*path, name), "remove", {**entry, "place": f"{place} of {len(was)}"})
    yield from _order(path, list(was), list(now))


def _by_name(targets: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Targets by what they name; a second one of a name is `name (2)`."""
    found: dict[str, dict[str, Any]] = {}
    for entry in targets:
        name, count = entry["to"], 1
        while (name if count == 1 else f"{name} ({count})") in found:
            count += 1
        found[name if count == 1 else f"{name} ({count})"] = entry
    return found


def _order(path: NamePath, before: list[str], after: list[str]) -> Iterator[Difference]:
    stayed = set(before) & set(after)
    was, now = [name for name in before if name in stayed], [name for name in after if name in stayed]
    if was != now:
        yield Difference((*path, ORDER), "change", was, now)
