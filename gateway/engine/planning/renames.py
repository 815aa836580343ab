"""What only has another name: an entry that went and one that came, and that are equal but for it.

Found from the ground up (providers, then models, then what refers to them), each found name being put into the old
picture before the next section is looked at. What is left to compare is then a difference of more than names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.engine.planning.differ import Difference
from gateway.engine.planning.picture import Picture

# Sections whose entries may be renamed, in this order, and the fields elsewhere that hold their names.
_ROUTES: Final = frozenset(("to", "allow", "judge", "model", "models", "route", "targets"))
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "providers": frozenset(("provider", "providers", "to")),
    "teams": frozenset(("team",)),
    "keys": frozenset(("key",)),
    "models": _ROUTES,
    "combos": _ROUTES,
    "aliases": _ROUTES,
    "budgets": frozenset(),
    "policies": frozenset(),
    "guardrails": frozenset(),
}
_LISTS: Final = ("keys", "teams")  # an old name that still means something stays in their allow-lists
_KEYED: Final = {"models": ("fallbacks",), "combos": ("fallbacks",), "aliases": ()}


def renamed(old: Picture, new: Picture) -> tuple[Picture, list[Difference]]:
    """The old picture in the new one's names, and the renames."""
    found: list[Difference] = []
    for section, fields in _FIELDS.items():
        names = _pairs(old[section], new[section])
        if not names:
            continue
        found += (Difference((section, was), "rename", was, now) for was, now in names.items())
        standing = {name for each in ("models", "combos", "aliases") for name in new[each]}
        kept = {was: now for was, now in names.items() if was not in standing}
        old = {
            other: {
                _name(name, names, other, section): _put(entry, kept if other in _LISTS else names, fields, section)
                for name, entry in entries.items()
            }
            for other, entries in old.items()
        }
    return old, found


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Old names and new ones of equal entries; of several equal ones, in their order."""
    came = {name: entry for name, entry in new.items() if name not in old}
    pairs: dict[str, str] = {}
    for name, entry in old.items():
        if name in new:
            continue
        now = next((other for other, candidate in came.items() if candidate == entry), None)
        if now is not None:
            pairs[name] = now
            del came[now]
    return pairs


def _name(name: str, names: Mapping[str, str], section: str, renamed_section: str) -> str:
    if section == renamed_section or section in _KEYED.get(renamed_section, ()):
        return names.get(name, name)
    return name


def _put(value: Any, names: Mapping[str, str], fields: frozenset[str], section: str) -> Any:
    """A value in which the names that stand in some fields are the new ones."""
    if isinstance(value, list):
        return [_put(each, names, fields, section) for each in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for field, inner in value.items():
        if field in fields and isinstance(inner, str):
            out[field] = _word(inner, names, section)
        elif field in fields and isinstance(inner, list) and all(isinstance(each, str) for each in inner):
            words = [_word(each, names, section) for each in inner]
            out[field] = words if field == "to" else sorted(words)
        else:
            out[field] = _put(inner, names, fields, section)
    return out


def _word(text: str, names: Mapping[str, str], section: str) -> str:
    if text in names:
        return names[text]
    base, at, place = text.rpartition("@")
    if at and section == "providers" and place in names:
        return f"{base}@{names[place]}"
    if at and section == "models" and base in names:
        return f"{names[base]}@{place}"
    if text.startswith("route ") and text[6:] in names:
        return f"route {names[text[6:]]}"
    return text
