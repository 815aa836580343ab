"""What a wire accepts, as data: a `Shape` per field, and `check`, which refuses in the words of the wire.

A shape says kinds, ranges, choices and lengths; of an object which fields it has, or, where a field tells variants
apart, which it has in each. A field that is in no list is unknown and refused. Shapes do not say what depends on two
fields at once: that is a wire's own code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from gateway.sandbox.refusal import Bad

Where: TypeAlias = tuple[str | int, ...]

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a value may be. `kind` is a JSON type, `integer`, or `any`.

    `either` are other shapes, of other kinds, that are as good. An object has `fields` (None: any at all), and, where
    `tag` names the field that tells them apart, those of its variant; `untold` is the variant of an object without
    that field, `other` the one for values that are not listed.
    """

    kind: str
    required: bool = False
    null: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    pattern: str | None = None
    least: int = 0  # of a text's length, or an array's
    most: int | None = None
    items: Shape | None = None
    fields: Mapping[str, Shape] | None = None
    tag: str = ""
    variants: Mapping[str, Shape] = {}
    untold: str | None = None
    other: Shape | None = None
    either: tuple[Shape, ...] = ()


class Words(Protocol):
    """How a wire refuses."""

    def kind(self, where: Where, value: Any, shape: Shape) -> Bad:
        """A value of another type."""

    def missing(self, where: Where) -> Bad:
        """A field that must be there."""

    def unknown(self, where: Where, name: str) -> Bad:
        """A field that there is not, of the object at `where`."""

    def range(self, where: Where, value: Any, shape: Shape) -> Bad:
        """A number that is too small or too large."""

    def choice(self, where: Where, value: Any, choices: tuple[Any, ...]) -> Bad:
        """A value that is none of those there are."""

    def length(self, where: Where, value: Any, shape: Shape) -> Bad:
        """A text or an array that is too short, too long, or does not match its pattern."""

    def variant(self, where: Where, tag: str, value: Any, known: tuple[str, ...]) -> Bad:
        """An object of a sort that there is not."""

    def inside(self, where: Where, variant: str) -> Where:
        """Where the fields of a variant are said to be."""


def text(**more: Any) -> Shape:
    """A string."""
    return Shape(kind="string", **more)


def choice(*choices: Any, **more: Any) -> Shape:
    """One of these strings."""
    return Shape(kind="string", choices=choices, **more)


def whole(low: float | None = None, high: float | None = None, **more: Any) -> Shape:
    """An integer."""
    return Shape(kind="integer", low=low, high=high, **more)


def number(low: float | None = None, high: float | None = None, **more: Any) -> Shape:
    """A number."""
    return Shape(kind="number", low=low, high=high, **more)


def flag(**more: Any) -> Shape:
    """A boolean."""
    return Shape(kind="boolean", **more)


def array(items: Shape | None = None, **more: Any) -> Shape:
    """An array."""
    return Shape(kind="array", items=items, **more)


def thing(fields: Mapping[str, Shape] | None = None, **more: Any) -> Shape:
    """An object with these fields and no other."""
    return Shape(kind="object", fields=fields, **more)


def one_of(tag: str, variants: Mapping[str, Shape], **more: Any) -> Shape:
    """An object whose field `tag` tells which it is."""
    return Shape(kind="object", tag=tag, variants=variants, **more)


def anything(**more: Any) -> Shape:
    """Any value."""
    return Shape(kind="any", **more)


def is_kind(value: Any, kind: str) -> bool:
    """Whether a value is of a kind; a boolean is no number."""
    if kind == "any":
        return True
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def check(value: Any, shape: Shape, words: Words, where: Where = ()) -> None:
    """Raises `Bad` in the wire's words for the first thing that is wrong."""
    if value is None and shape.null:
        return
    fitting = next((each for each in (shape, *shape.either) if is_kind(value, each.kind)), None)
    if fitting is None:
        raise words.kind(where, value, shape)
    shape = fitting
    if shape.choices and value not in shape.choices:
        raise words.choice(where, value, shape.choices)
    if (shape.low is not None and value < shape.low) or (shape.high is not None and value > shape.high):
        raise words.range(where, value, shape)
    if shape.kind in ("string", "array"):
        too_long = shape.most is not None and len(value) > shape.most
        unlike = shape.pattern is not None and re.fullmatch(shape.pattern, value) is None
        if len(value) < shape.least or too_long or unlike:
            raise words.length(where, value, shape)
    if shape.kind == "array" and shape.items is not None:
        for at, each in enumerate(value):
            check(each, shape.items, words, (*where, at))
    if shape.kind == "object":
        _object(value, shape, words, where)


def _object(value: dict[str, Any], shape: Shape, words: Words, where: Where) -> None:
    fields = shape.fields
    if shape.tag:
        named = value.get(shape.tag, shape.untold)
        if named is None:
            raise words.missing((*where, shape.tag))
        variant = shape.variants.get(named, shape.other) if isinstance(named, str) else None
        if variant is None:
            raise words.variant(where, shape.tag, named, tuple(shape.variants))
        fields = variant.fields
        where = words.inside(where, named)
    if fields is None:
        return
    for name, field in fields.items():
        if name in value:
            check(value[name], field, words, (*where, name))
        elif field.required:
            raise words.missing((*where, name))
    for name in value:
        if name not in fields and (not shape.tag or name != shape.tag):
            raise words.unknown(where, name)
