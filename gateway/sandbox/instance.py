"""A small value that a JSON Schema accepts: the arguments of a tool call, the body of a structured answer.

It follows `const`, `enum`, types, required properties, `$ref` within the document, `allOf`, one of `anyOf` and
`oneOf`, bounds of numbers and lengths, and common formats. It does not follow `pattern`, `not`, `if` and whatever
else needs a search. Any JSON at all may come in: a keyword with a value of the wrong type counts as absent.
"""

from __future__ import annotations

import math
from typing import Any, Final

_DEPTH: Final = 24
_CHOOSY: Final = 3
_WORK_MOST: Final = 5_000
_ITEMS_MOST: Final = 100
_LENGTH_MOST: Final = 10_000
_FORMATS: Final = {
    "date-time": "2024-01-01T00:00:00Z",
    "date": "2024-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance(schema: Any) -> Any:
    """The value. `True`, `{}` and what is no schema at all give an empty object."""
    return _Making(schema).of(schema, 0, 0)


class _Making:
    """One value in the making. `left` bounds the work, for a schema may ask for more than there is memory."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = _WORK_MOST

    def of(self, schema: Any, depth: int, nth: int) -> Any:
        """`nth` tells the items of one array apart, for `uniqueItems`."""
        schema = self._flat(schema, depth)
        if "const" in schema:
            return schema["const"]
        choices = schema.get("enum")
        if isinstance(choices, list) and choices:
            return choices[nth % len(choices)]
        if depth > _DEPTH or self._left <= 0:
            return None
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        match _guessed(schema) if kind is None else kind:
            case "array":
                return self._array(schema, depth)
            case "string":
                text = _string(schema, nth)
                self._left -= len(text) // 100
                return text
            case "integer" | "number":
                return _number(schema, kind == "integer", nth)
            case "boolean":
                return nth % 2 == 0
            case "null":
                return None
        return self._object(schema, depth)

    def _flat(self, schema: Any, depth: int) -> dict[str, Any]:
        """One schema without `$ref`, `allOf`, `anyOf` and `oneOf`: theirs are merged into it."""
        self._left -= 1
        if not isinstance(schema, dict):
            return {}
        merged = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
        if depth > _DEPTH or self._left <= 0:
            return merged
        parts = [_at(self._root, schema["$ref"])] if isinstance(schema.get("$ref"), str) else []
        for word in ("allOf", "anyOf", "oneOf"):
            branches = schema.get(word)
            if isinstance(branches, list) and branches:
                parts += branches if word == "allOf" else [_chosen(branches, depth)]
        for part in parts:
            for key, value in self._flat(part, depth + 1).items():
                mine = merged.get(key)
                if key == "properties" and isinstance(mine, dict) and isinstance(value, dict):
                    merged[key] = {**value, **mine}
                elif key == "required" and isinstance(mine, list) and isinstance(value, list):
                    merged[key] = [*mine, *(name for name in value if name not in mine)]
                else:
                    merged.setdefault(key, value)
        return merged

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        for name in properties:
            if len(names) < _whole(schema.get("minProperties"), 0) and name not in names:
                names.append(name)
        return {name: self.of(properties.get(name), depth + 1, 0) for name in names}

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems")
        first = first if isinstance(first, list) else []
        count = max(_whole(schema.get("minItems"), 0), len(first))
        items: list[Any] = []
        while len(items) < min(count, _ITEMS_MOST) and self._left > 0:
            at = len(items)
            items.append(self.of(first[at] if at < len(first) else schema.get("items"), depth + 1, at))
        return items


def _guessed(schema: dict[str, Any]) -> str:
    for kind, words in (
        ("array", ("items", "prefixItems", "minItems")),
        ("string", ("minLength", "maxLength", "format", "pattern")),
        ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    ):
        if any(word in schema for word in words):
            return kind
    return "object"


def _chosen(branches: list[Any], depth: int) -> Any:
    """The first one; further down the null one, where there is one, so that what nests itself comes to an end."""
    if depth > _CHOOSY:
        return next((each for each in branches if isinstance(each, dict) and each.get("type") == "null"), branches[0])
    return branches[0]


def _at(root: Any, reference: str) -> Any:
    """What `#/a/b` points at; nothing outside the document is ever fetched."""
    found = root
    for step in reference.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found if reference.startswith("#") else None


def _string(schema: dict[str, Any], nth: int) -> str:
    format_ = schema.get("format")
    text = _FORMATS.get(format_, "text") if isinstance(format_, str) else "text"
    if nth and text == "text":
        text = f"text{nth}"
    least = min(_whole(schema.get("minLength"), 0), _LENGTH_MOST)
    return text.ljust(least, ".")[: max(_whole(schema.get("maxLength"), _LENGTH_MOST), 0)]


def _number(schema: dict[str, Any], whole: bool, nth: int) -> int | float:
    low, high = _bound(schema.get("minimum")), _bound(schema.get("maximum"))
    above, below = _bound(schema.get("exclusiveMinimum")), _bound(schema.get("exclusiveMaximum"))
    step = _bound(schema.get("multipleOf"))
    step = step if step is not None and step > 0 else (1 if whole else None)
    value: float = 1 + nth
    if high is not None and value > high:
        value = high
    if below is not None and value >= below:
        value = below - (step if step is not None else 1)
    if low is not None and value < low:
        value = low + nth
    if above is not None and value <= above:
        room = below if below is not None else high
        value = above + (step if step is not None else 1)
        if room is not None and value >= room and step is None:
            value = (above + room) / 2
    if step is not None:
        down = math.floor(value / step) * step
        fits = (low is None or down >= low) and (above is None or down > above)
        value = down if fits else math.ceil(value / step) * step
    return int(value) if whole or value == int(value) else value


def _bound(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return value if good else None


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
