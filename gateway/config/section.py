"""What every part of the model shares: strict, frozen, no unknown keys, references resolved before typing."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.refs import REFERENCE, Ref, Resolver, is_reference
from gateway.config.words import scalar_of


def _secret(value: Any) -> Any:
    """A secret's place takes references only. `none` says that there is none."""
    if value == "none":
        return {"none": True}
    if isinstance(value, str | int | float | bool):
        raise PydanticCustomError("secret-literal", "A secret is never written into the file.", {})
    if isinstance(value, dict) and value.get("none") is not True and not is_reference(value):
        raise PydanticCustomError(
            "bad-value",
            "A secret is named by a reference that says either `env` or `file`, and each is text.",
            {"fix": "{env: NAME} or {file: PATH}"},
        )
    return value


SECRET_SCHEMA: dict[str, Any] = {**REFERENCE, "title": "Secret"}
Secret = Annotated[Ref, BeforeValidator(_secret), WithJsonSchema(SECRET_SCHEMA)]
OptionalSecret = Annotated[Ref | None, BeforeValidator(_secret), WithJsonSchema(SECRET_SCHEMA)]
OptionalKey = Annotated[
    Ref | None, BeforeValidator(_secret), WithJsonSchema({"anyOf": [{"const": "none"}, SECRET_SCHEMA]})
]


def _url(value: Any) -> Any:
    """A URL may be written out, but for one that holds a password."""
    if isinstance(value, Ref) or (isinstance(value, dict) and (is_reference(value) or value.keys() == {"none"})):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("bad-value", "This is neither a URL nor a reference.", {"fix": "{env: NAME}"})
    if _PASSWORD.search(value):
        raise PydanticCustomError("secret-literal", "A secret is never written into the file.", {})
    return value


_PASSWORD: Final = re.compile(r"^[a-z0-9+]+://[^/@]*:[^/@]+@|[?&]password=", re.IGNORECASE)
UrlOrSecret = Annotated[
    Ref | str, BeforeValidator(_url), WithJsonSchema({"anyOf": [{"type": "string"}, SECRET_SCHEMA]})
]


class Section(BaseModel):
    """Base of all parts. `_kept` names the fields whose values are left as they are written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, hide_input_in_errors=True
    )

    _kept: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, data: Any, info: ValidationInfo) -> Any:
        resolver = info.context
        if not isinstance(data, dict) or not isinstance(resolver, Resolver):
            return data
        resolved = None
        for name, value in data.items():
            if isinstance(value, dict | list) and name not in cls._kept and name in cls.model_fields:
                new = _resolved(value, cls._wants_text(name), cls._holds_text(name), resolver)
                if new is not value:
                    resolved = dict(data) if resolved is None else resolved
                    resolved[name] = new
        return data if resolved is None else resolved

    @classmethod
    def _wants_text(cls, name: str) -> bool:
        """Whether a field holds text, or a quantity, which is written as text."""
        field = cls.model_fields[name]
        return _reads_text(field.metadata) or not _plain_types(field.annotation) & {int, float, bool}

    @classmethod
    def _holds_text(cls, name: str) -> bool:
        """Whether a field is a mapping or a list of texts."""
        annotation = cls.model_fields[name].annotation
        kinds = (annotation, *get_args(annotation))
        return any(get_origin(kind) in (dict, list) and get_args(kind)[-1] is str for kind in kinds)


def _reads_text(metadata: Iterable[Any]) -> bool:
    return any(isinstance(each, BeforeValidator) for each in metadata)


def _plain_types(annotation: Any) -> set[Any]:
    """The types in an annotation that are read as they are."""
    if get_origin(annotation) is Annotated:
        return set() if _reads_text(annotation.__metadata__) else _plain_types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return {kind for inner in get_args(annotation) for kind in _plain_types(inner)}
    return {annotation} if isinstance(annotation, type) else set()


def _resolved(value: Any, text: bool, holds_text: bool, resolver: Resolver) -> Any:
    """The value with references in it replaced; the same object where there are none.

    A reference that leads nowhere stays: its type is then wrong, and `schema.shape_errors` says why.
    """
    if is_reference(value):
        found = resolver.plain(value)
        return value if found is None else found if text else scalar_of(found)
    if not holds_text:
        return value
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found_inside = {key: resolver.plain(inner) for key, inner in items if is_reference(inner)}
    if not found_inside:
        return value
    new = value.copy()
    for key, found in found_inside.items():
        if found is not None:
            new[key] = found
    return new
