"""Reading JSON that somebody else wrote: every access checks, and says where it stumbled.

`Fields` is one JSON object being read; what is left when its reader is done are the fields nobody knows, which become
`extras`. A value of the wrong shape raises `Malformed` with its path; whoever began to read turns that into a
refusal of the client or a failure of the upstream. Nothing else is raised, whatever the JSON.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from gateway.failure import Failed, Failure, Kind, Refusal, Refused

_DECODE: Final = msgspec.json.Decoder()


class Malformed(Exception):  # noqa: N818 - it reads as what the value is
    """A value that cannot be read: where it stands, and what is wrong."""

    def __init__(self, at: str, message: str) -> None:
        super().__init__(f"{at}: {message}" if at else message)
        self.at = at
        self.message = message

    def refused(self) -> Refused:
        """As the refusal of a client's request."""
        text = f"'{self.at}' {self.message}." if self.at else f"The request body {self.message}."
        return Refused(
            Refusal(
                status=400,
                type="invalid_request_error",
                code="invalid_request",
                message=text,
                param=self.at or None,
                should_retry=False,
            )
        )

    def failed(self) -> Failed:
        """As the failure of an upstream that answered so."""
        return Failed(Failure(kind=Kind.BAD_RESPONSE, message=f"the answer could not be read: {self}"))


def kind_of(value: Any) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    for types, name in (
        ((bool,), "a boolean"),
        ((int, float), "a number"),
        ((str,), "a string"),
        ((list,), "an array"),
        ((dict,), "an object"),
    ):
        if isinstance(value, types):
            return name
    return "nothing"


def wrong(at: str, wanted: str, value: Any) -> Malformed:
    """The complaint about a value of another type than wanted."""
    return Malformed(at, f"must be {wanted}, not {kind_of(value)}")


def json_of(body: bytes) -> Any:
    """The JSON value of a body. Raises `Malformed`."""
    try:
        return _DECODE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Malformed("", f"is not valid JSON: {error}") from None


def json_or_none(body: bytes) -> Any:
    """The JSON value of a body that may be anything, None where it is no JSON."""
    try:
        return json_of(body)
    except Malformed:
        return None


def compact(value: Any) -> str:
    """JSON text without white space."""
    return msgspec.json.encode(value).decode()


def object_of(arguments: str) -> Any:
    """The arguments of a call as an object, for wires that have one; text that is no object stands in `input`."""
    try:
        value = _DECODE.decode(arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return {"input": arguments} if arguments.strip() else {}
    return value if isinstance(value, dict) else {} if value is None else {"input": value}


class Fields:
    """One object. `left` are the fields that were not taken."""

    __slots__ = ("at", "left")

    def __init__(self, value: Any, at: str) -> None:
        if not isinstance(value, dict):
            raise wrong(at, "an object", value)
        self.at = at
        self.left: dict[str, Any] = dict(value)

    def path(self, name: str) -> str:
        """Where a field stands."""
        return f"{self.at}.{name}" if self.at else name

    def take(self, name: str) -> Any:
        """The value of a field, UNSET where there is none."""
        return self.left.pop(name, UNSET)

    def some(self, name: str) -> Any:
        """The value of a field, None where there is none."""
        return self.left.pop(name, None)

    def text(self, name: str) -> str | None:
        """A string, None where it is absent or null."""
        value = self.left.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise wrong(self.path(name), "a string", value)
        return value

    def needed(self, name: str) -> str:
        """A string that must be there."""
        value = self.left.pop(name, UNSET)
        if not isinstance(value, str):
            if value is UNSET:
                raise Malformed(self.path(name), "is missing")
            raise wrong(self.path(name), "a string", value)
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean, None where it is absent or null."""
        value = self.left.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise wrong(self.path(name), "a boolean", value)
        return value

    def whole(self, name: str) -> int | None:
        """A whole number, None where it is absent or null."""
        return _whole(self.path(name), self.left.pop(name, None))

    def maybe_flag(self, name: str) -> bool | UnsetType | None:
        """A boolean or null as written, UNSET where it is absent."""
        return self.flag(name) if name in self.left else UNSET

    def maybe_text(self, name: str) -> str | UnsetType | None:
        """A string or null as written, UNSET where it is absent."""
        return self.text(name) if name in self.left else UNSET

    def maybe_whole(self, name: str) -> int | UnsetType | None:
        """A whole number or null as written, UNSET where it is absent."""
        return self.whole(name) if name in self.left else UNSET

    def maybe_number(self, name: str) -> float | UnsetType | None:
        """A number or null as written (an integer stays one), UNSET where it is absent."""
        if name not in self.left:
            return UNSET
        value = self.left.pop(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise wrong(self.path(name), "a number", value)
        return value

    def maybe_object(self, name: str) -> dict[str, Any] | UnsetType | None:
        """An object or null as written, UNSET where it is absent."""
        value = self.left.pop(name, UNSET)
        if value is None or value is UNSET or isinstance(value, dict):
            return value
        raise wrong(self.path(name), "an object", value)

    def items(self, name: str) -> list[Any]:
        """An array, empty where it is absent or null."""
        value = self.left.pop(name, None)
        if value is None:
            return []
        if not isinstance(value, list):
            raise wrong(self.path(name), "an array", value)
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        """An array of strings, empty where it is absent or null."""
        return strings(self.left.pop(name, None), self.path(name))

    def inner(self, name: str) -> Fields | None:
        """An object to be read in turn, None where it is absent or null."""
        value = self.left.pop(name, None)
        return None if value is None else Fields(value, self.path(name))

    def extras(self) -> dict[str, Any] | None:
        """What was not taken, None where nothing is left."""
        return self.left or None


def strings(value: Any, at: str) -> tuple[str, ...]:
    """An array of strings as a tuple; null is empty."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong(at, "an array", value)
    for index, each in enumerate(value):
        if not isinstance(each, str):
            raise wrong(f"{at}[{index}]", "a string", each)
    return tuple(value)


def _whole(at: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(at, "a whole number", value)
    return value


def count(value: Any) -> int:
    """A token count of an upstream: a whole number, 0 for anything else."""
    if value.__class__ is int:
        return value
    if value.__class__ is float:
        return int(value) if value == value and abs(value) < 1e15 else 0  # NaN is not itself
    return 0
