"""The neutral language of chat: what every wire's request, answer and stream are read into and written from.

A decoder makes these values from a wire (`origin`), an encoder writes them to another and reports in `Dropped` what
that wire cannot say. Rules that all of them keep:

- A scalar that the client left out is UNSET; one that it wrote is its value, `0`, `False`, `""` and `None` included.
- `extras` are fields that only the origin knows, under their own names; the same wire gets them back, another
  reports them. Content that no other wire speaks is `Opaque`, with the same rule.
- Tool calls carry their arguments as the JSON text that the model wrote. Binary content stays base64 text.
- Tool results stand in messages of role `tool`, system texts where they were said.

Must not live here: anything that knows a wire's field names.
"""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from gateway.failure import Failure
from gateway.ir.usage import Usage

T = TypeVar("T")
Maybe: TypeAlias = T | UnsetType | None
Extras: TypeAlias = dict[str, Any]
Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class Cache(msgspec.Struct, frozen=True):
    """A prompt-cache mark: everything up to here is worth keeping, for `ttl` (`5m`, `1h`; None is the wire's own)."""

    ttl: str | None = None


class Seal(msgspec.Struct, frozen=True, gc=False):
    """A signature or an encrypted thought: `family` is who can read it, `id` the name that it goes by there."""

    family: str
    value: str
    id: str | None = None


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a text comes from. `start` and `end` count characters of the text that cites, None where nobody says.

    `quote` is the cited source's words, `raw` the origin's own value.
    """

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    raw: Any = None


class Text(msgspec.Struct, frozen=True):
    """Text. `signature` proves the turn where a wire signs text."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: Cache | None = None
    signature: Seal | None = None
    extras: Extras | None = None


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """An image, a sound, a document or a video: exactly one of `data` (base64), `text`, `url` and `file` is there.

    `text` is a document that is plain text. `mime` is None where nobody said it. `detail` is an image's resolution.
    """

    kind: Literal["image", "audio", "document", "video"]
    mime: str | None = None
    data: str | None = None
    text: str | None = None
    url: str | None = None
    file: str | None = None
    name: str | None = None
    detail: str | None = None
    citations: bool | None = None
    cache: Cache | None = None
    extras: Extras | None = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """What a model thought. `signature` proves the text, `redacted` stands for thought that nobody may read.

    `summary`: the parts of a summary, where the wire tells them apart; `text` then joins them with a blank line.
    """

    text: str = ""
    signature: Seal | None = None
    redacted: Seal | None = None
    summary: tuple[str, ...] = ()
    id: str | None = None
    extras: Extras | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call. `arguments` is JSON text, or free text where `custom`. `signature` as in Reasoning."""

    id: str
    name: str
    arguments: str = "{}"
    custom: bool = False
    signature: Seal | None = None
    cache: Cache | None = None
    extras: Extras | None = None


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a call gave. `name` is the tool's, where the wire says it. `error`: the tool failed."""

    call: str
    name: str | None = None
    content: tuple[Part, ...] = ()
    error: bool | None = None
    custom: bool = False
    cache: Cache | None = None
    extras: Extras | None = None


class Declined(msgspec.Struct, frozen=True):
    """The model's words of refusal, where the wire tells them from text."""

    text: str


class Opaque(msgspec.Struct, frozen=True):
    """A block that only its wire knows (a server-side search, say). `what` names it in reports.

    `text` is what it says to a model that cannot be given the block itself, where it says anything.
    """

    what: str
    raw: Any
    text: str | None = None


Part: TypeAlias = Text | Media | Reasoning | ToolCall | ToolResult | Declined | Opaque


class Message(msgspec.Struct, frozen=True):
    """One turn, or a part of one. `name` is the participant's."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    extras: Extras | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the client runs. `schema` is JSON Schema, None where none was given.

    `custom`: it takes free text; `grammar` is the origin's description of that text.
    """

    name: str
    description: str | None = None
    schema: Any = None
    strict: bool | None = None
    custom: bool = False
    grammar: Any = None
    cache: Cache | None = None
    extras: Extras | None = None


class HostedTool(msgspec.Struct, frozen=True):
    """A tool that the provider runs (web search, code execution); only its own wire can ask for it."""

    what: str
    raw: Any


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`mode` `tool` names one. `allowed` narrows `auto` and `required` to some. `raw` is a choice of its own kind."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None
    allowed: tuple[str, ...] = ()
    raw: Any = None


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """The form of the answer. `schema` belongs to `json_schema`."""

    kind: Literal["text", "json_object", "json_schema"]
    schema: Any = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    extras: Extras | None = None


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model is to think: any of an `effort` word, a `budget` in tokens, or on and off.

    `effort` is one of none, minimal, low, medium, high, xhigh, max. `budget` -1 leaves it to the model. `adaptive`:
    the model decides. `summary` asks for a readable account (`auto`, `concise`, `detailed`; "" is none). `imposed`: it
    is the gateway's word and no client's, so it is translated on the client's own wire too.
    """

    effort: str | None = None
    budget: int | None = None
    enabled: bool | None = None
    adaptive: bool = False
    summary: str | None = None
    extras: Extras | None = None
    imposed: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request. `origin` is the wire whose `extras` and `Opaque` these are. `continues`: the answer is to go on
    with the last message, which is the assistant's."""

    origin: str
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool | HostedTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: Maybe[bool] = UNSET
    format: Format | None = None
    thinking: Thinking | None = None
    max_tokens: Maybe[int] = UNSET
    temperature: Maybe[float] = UNSET
    top_p: Maybe[float] = UNSET
    top_k: Maybe[int] = UNSET
    stop: Maybe[tuple[str, ...]] = UNSET
    seed: Maybe[int] = UNSET
    presence_penalty: Maybe[float] = UNSET
    frequency_penalty: Maybe[float] = UNSET
    logprobs: Maybe[bool] = UNSET
    top_logprobs: Maybe[int] = UNSET
    logit_bias: Maybe[dict[str, float]] = UNSET
    n: Maybe[int] = UNSET
    user: Maybe[str] = UNSET
    service_tier: Maybe[str] = UNSET
    metadata: Maybe[dict[str, Any]] = UNSET
    cache_key: Maybe[str] = UNSET
    stream: bool = False
    stream_usage: bool = False
    continues: bool = False
    extras: Extras = {}

    def bare(self) -> bool:
        """Whether the client said nothing but what to answer: every field that may be UNSET is."""
        return _MAYBES(self) == _UNSAID


_MAYBE_FIELDS = tuple(field.name for field in msgspec.structs.fields(Request) if field.default is UNSET)
_MAYBES = attrgetter(*_MAYBE_FIELDS)
_UNSAID = (UNSET,) * len(_MAYBE_FIELDS)


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    CONTEXT = "context"  # the window is full
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"  # a filter of the provider stopped it
    REFUSAL = "refusal"  # the model itself declined
    PAUSE = "pause"  # a hosted tool's loop paused; the client may go on
    MALFORMED_CALL = "malformed_call"  # the model wrote a tool call that cannot be read
    OTHER = "other"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a response. `stopped_by` is the stop sequence; `logprobs` has OpenAI's shape."""

    parts: tuple[Part, ...]
    finish: Finish
    stopped_by: str | None = None
    logprobs: Any = None
    extras: Extras | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. `created` is seconds since the epoch, 0 where the wire does not say."""

    origin: str
    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created: int = 0
    service_tier: str | None = None
    extras: Extras = {}


class Dropped(msgspec.Struct, frozen=True):
    """A field that a wire could not carry, or only nearly, and why."""

    field: str
    why: str


# The events of a stream. Blocks are numbered over the whole stream; `choice` tells the answers of `n` apart.


class Began(msgspec.Struct, frozen=True, gc=False):
    """The first event. `usage` is what the wire already knows (the input)."""

    id: str
    model: str
    created: int = 0
    usage: Usage | None = None
    service_tier: str | None = None


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A block begins. `id` and `name` are a tool call's; `signature` a call's, where the wire signs calls."""

    block: int
    kind: Literal["text", "reasoning", "tool_call", "refusal"]
    id: str = ""
    name: str = ""
    choice: int = 0
    custom: bool = False
    signature: Seal | None = None


class Piece(msgspec.Struct, frozen=True, gc=False):
    """More of a block: text, thought, refusal, or JSON text of arguments. `logprobs` has OpenAI's shape (a list)."""

    block: int
    text: str
    logprobs: Any = None


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """The signature of a reasoning or text block, or, with `redacted`, thought that nobody may read."""

    block: int
    signature: Seal | None = None
    redacted: Seal | None = None


class Cited(msgspec.Struct, frozen=True, gc=False):
    """A citation of a text block."""

    block: int
    citation: Citation


class Closed(msgspec.Struct, frozen=True, gc=False):
    """A block is complete."""

    block: int


class Whole(msgspec.Struct, frozen=True, gc=False):
    """A block that came in one piece and that only its own wire, or a media-carrying one, can show."""

    block: int
    part: Media | Opaque
    choice: int = 0


class Ended(msgspec.Struct, frozen=True, gc=False):
    """One choice is complete."""

    finish: Finish
    choice: int = 0
    stopped_by: str | None = None


class Counted(msgspec.Struct, frozen=True, gc=False):
    """The usage so far: a snapshot, never an increment. The last one counts."""

    usage: Usage


class Broke(msgspec.Struct, frozen=True, gc=False):
    """The stream carried an error. Nothing follows."""

    failure: Failure


Event: TypeAlias = Began | Opened | Piece | Sealed | Cited | Closed | Whole | Ended | Counted | Broke
