"""Conditions and policies of router.yaml, typed. What each word means while requests run: routing/policies."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.config.section import Section
from gateway.config.units import Duration, MoneyAmount, Percent, Tokens


def _many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Words = Annotated[
    list[str],
    BeforeValidator(_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Has = Literal["images", "audio", "documents", "tools", "json_schema", "reasoning", "system"]


class Bounds(Section):
    """A range; both ends are inside."""

    at_least: Tokens | None = Field(None, description="No less than this.")
    at_most: Tokens | None = Field(None, description="No more than this.")


class Hours(Section):
    """A time of day, on some days. One that ends before it begins goes over midnight."""

    days: list[Day] | None = Field(None, description="Days on which it begins. Default: all.")
    from_: str = Field(
        "00:00", alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="Its first minute.", examples=["08:00"]
    )
    until: str = Field(
        "24:00", pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", description="Its end.", examples=["18:00"]
    )
    timezone: str = Field("UTC", description="An IANA name.", examples=["Europe/Berlin"])


class When(Section):
    """Which requests. Everything that is said must hold; of several words one is enough; `*` stands for anything."""

    _kept: ClassVar[frozenset[str]] = frozenset(("headers",))

    model: Words | None = Field(None, description="The name that was asked for.", examples=["gpt-*"])
    key: Words | None = Field(None, description="The caller's key.")
    team: Words | None = Field(None, description="The caller's team.")
    user: Words | None = Field(None, description="The caller's user, of keys that say `trust: user`.")
    tags: Words | None = Field(None, description="Tags of the caller's key, or that an earlier policy gave.")
    headers: dict[str, Words] | None = Field(
        None, description="Headers of the request, by name.", examples=[{"x-app": ["mobile-*"]}]
    )
    client_ip: Words | None = Field(None, description="Networks.", examples=[["10.0.0.0/8"]])
    protocol: Words | None = Field(None, description="The client's wire.", examples=["anthropic"])
    operation: Words | None = Field(None, description="What is asked for.", examples=["chat"])
    stream: bool | None = Field(None, description="Whether the answer is streamed.")
    has: list[Has] | None = Field(None, description="What the request carries; all of it.", examples=[["images"]])
    input_tokens: Bounds | None = Field(None, description="The size of the prompt, estimated.")
    max_tokens: Bounds | None = Field(None, description="The bound on the answer that the caller wrote.")
    temperature: float | None = Field(None, description="Exactly this temperature, written by the caller.")
    hours: Hours | None = Field(None, description="The time of day.")
    any_: list[When] | None = Field(None, alias="any", description="One of these holds.")
    all_: list[When] | None = Field(None, alias="all", description="All of these hold.")
    not_: When | None = Field(None, alias="not", description="This does not hold.")


class Deny(Section):
    """Refuses the request."""

    status: int = Field(403, ge=400, le=499, description="The status.")
    message: str = Field("This request is not allowed.", description="What the caller reads.")


class Parameter(Section):
    """One parameter of the request, in the neutral words of every wire."""

    at_least: float | None = Field(None, description="Raised to this where the caller wrote less.")
    at_most: float | None = Field(None, description="Lowered to this where the caller wrote more, or nothing.")
    default: Any = Field(None, description="Where the caller wrote nothing.")
    always: Any = Field(None, description="Whatever the caller wrote.")


def _parameter(value: Any) -> Any:
    return value if isinstance(value, dict) else {"always": value}


class Prompt(Section):
    """Words put around the system prompt; a request without one gets one."""

    prefix: str | None = Field(None, description="Before it.")
    suffix: str | None = Field(None, description="After it.")


class Reasoning(Section):
    """How much models think."""

    mode: Literal["off", "strip", "set", "cap", "adaptive"] = Field(
        description="off: not at all. strip: the caller's word is dropped. set: always this. cap: at most this. "
        "adaptive: the budget grows with the conversation, its tools and the last question."
    )
    effort: Literal["minimal", "low", "medium", "high", "xhigh", "max"] | None = Field(None, description="A word.")
    budget: Tokens | None = Field(None, description="Tokens.")


class MirrorTo(Section):
    """Sends a copy elsewhere; the caller never sees its answer."""

    to: str = Field(description="A model, combo or alias.")
    sample: Percent = Field(1.0, description="The share of requests. Default 100%.")


class Redact(Section):
    """Takes text out of what the caller wrote."""

    pattern: str = Field(description="A regular expression in linear time (RE2).", examples=[r"\b\d{16}\b"])
    instead: str = Field("[redacted]", description="What stands in its place.")


class Caps(Section):
    """Bounds over everything that is done for one request."""

    attempts: int | None = Field(None, ge=1, le=100, description="Sends. Default 12.")
    time: Duration | None = Field(None, description="From its beginning to its last byte.")
    cost: MoneyAmount | None = Field(None, description="What all attempts may cost together.")


class Require(Section):
    """What every target that is reached must be, fallbacks included."""

    tags: list[str] = Field([], description="Tags that it must have, all of them.", examples=[["eu"]])
    not_tags: list[str] = Field([], description="Tags that it must not have.")
    providers: list[str] | None = Field(None, description="Providers that it must be one of; `*` is anything.")
    models: list[str] | None = Field(None, description="Models that it must be one of; `*` is anything.")


class Do(Section):
    """What is done to a request."""

    _kept: ClassVar[frozenset[str]] = frozenset(("set",))

    deny: Deny | None = Field(None, description="Refuses it.")
    route: str | None = Field(None, description="Sends it to another model, combo or alias.")
    set: dict[str, Annotated[Parameter, BeforeValidator(_parameter)]] = Field(
        {},
        description="Parameters, by their neutral names.",
        examples=[{"max_tokens": {"at_most": 1024}, "temperature": {"default": 0}}],
    )
    strip: list[str] = Field([], description="Parameters that are dropped.", examples=[["logit_bias"]])
    system: Prompt | None = Field(None, description="Words put around the system prompt.")
    reasoning: Reasoning | None = Field(None, description="How much models think.")
    mirror: MirrorTo | None = Field(None, description="Sends a copy elsewhere.")
    tag: list[str] = Field([], description="Tags it, for later policies, budgets, logs and the ledger.")
    redact: list[Redact] = Field([], description="Takes text out of what the caller wrote.")
    cap: Caps | None = Field(None, description="Bounds over everything that is done for it.")
    no_cache: bool = Field(False, description="Neither looks into the caches nor fills them.")


class Policy(Section):
    """A rule over requests: where `when` matches, `do` is done and `require` must hold."""

    name: str = Field(description="What it is called in explanations.")
    when: When = Field(When(), description="Which requests. Default: all.")
    do: Do = Field(Do(), description="What is done to them.")
    require: Require | None = Field(None, description="What every target that they can reach must be.")
