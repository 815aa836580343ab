"""What the scenarios ask, and what they get, in no SDK's words; a `Speaker` says it with one SDK.

A conversation is a list of turns in the SDK's own values: what it returned is what goes back to it, as an application
would have it, so that whatever a wire needs to come back (signatures, ids) comes back only if the SDK keeps it.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Protocol

import msgspec

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where."}},
    "required": ["city"],
}
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call."""

    name: str
    description: str
    schema: dict[str, Any]


WEATHER = Tool("weather", "The weather of a city.", CITY)
TIME = Tool("time", "The time in a city.", CITY)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A question. `turns` is the conversation so far, the last turn included. `thinks` asks for visible thought."""

    model: str
    turns: list[Any]
    system: str | None = None
    tools: tuple[Tool, ...] = ()
    schema: dict[str, Any] | None = None
    stop: str | None = None
    most: int | None = None
    thinks: bool = False


class Call(msgspec.Struct, frozen=True):
    """A tool call. `raw` is the SDK's value of it."""

    name: str
    arguments: Any
    raw: Any = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `turns` are the SDK's own values of it, for the conversation; `usage` is (input, output)."""

    text: str
    finish: str
    turns: list[Any]
    usage: tuple[int, int]
    calls: tuple[Call, ...] = ()
    thought: str = ""
    lossy: str = ""


class Speaker(Protocol):
    """One SDK, called `sdk`. `finishes` are its words for the ends; `errors` by status what it raises, `broken` inside a stream.

    `forgets`: its conversation has no place for what proves a thought or a call.
    """

    sdk: str
    finishes: ClassVar[dict[str, str]]
    errors: ClassVar[dict[int, type[Exception]]]
    broken: type[Exception]
    forgets: bool
    lossy: str  # what the gateway said it lost of the last request

    def user(self, text: str, image: bytes | None = None) -> Any:
        """A turn of the user."""

    def results(self, said: Said, texts: list[str]) -> list[Any]:
        """The turns that answer the calls of an answer, in order."""

    async def ask(self, ask: Ask, stream: bool) -> Said:
        """The answer, whole or from a stream."""

    def pieces(self, ask: Ask) -> AsyncIterator[str]:
        """The texts of a stream as they come; closing it is how a client leaves."""

    def status(self, error: Exception) -> int:
        """The HTTP status that an exception knows."""

    async def close(self) -> None:
        """Nothing more will be asked."""


def noted(speaker: Any) -> Any:
    """A hook for HTTP clients: notes on the speaker what the gateway said it lost."""

    async def note(response: Any) -> None:
        speaker.lossy = response.headers.get("x-gateway-lossy", "")

    return note
