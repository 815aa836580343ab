"""The `tests:` of router.yaml, typed: requests, what befalls them, and what must come of them.

A test is one request (`request`, perhaps `repeat`ed) or several `steps`; `given` is what was before, `faults` what
upstreams do, `expect` what must hold. Short forms become long ones here: `429` is `{status: 429}`, `timeout` is
`{kind: timeout}`, a fault that is no list holds for every send.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.model_policies import Words
from gateway.config.section import Section
from gateway.config.units import Duration, MoneyAmount, Plain, Tokens, duration, percent

FaultKind = Literal[
    "ok",
    "connection",
    "timeout",
    "server_error",
    "overloaded",
    "rate_limit",
    "quota",
    "auth",
    "not_found",
    "context_window",
    "content_filter",
    "unsupported",
    "invalid_request",
    "bad_response",
    "interrupted",
    "reset",
    "stall",
    "empty",
]
Wire = Literal["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"]
State = Literal["closed", "open", "half-open"]


def _time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError(
                "bad-value", "{value} is not a time such as 2027-01-31T09:30:00Z.", {"value": value}
            ) from None
        return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    return value


Time = Annotated[
    datetime,
    BeforeValidator(_time),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2027-01-31T09:30:00Z", "2027-01-31T09:30:00+02:00"]}),
]


class Range(NamedTuple):
    """From `low` to `high`, both inside."""

    low: float
    high: float


def _shares(value: Any) -> Any:
    """`80%` or `75%..85%`, as shares."""
    if isinstance(value, Range):
        return value
    low, dots, high = value.partition("..") if isinstance(value, str) else (value, "", "")
    found = Range(percent(low), percent(high if dots else low))
    if found.low > found.high:
        raise PydanticCustomError("out-of-range", "{value} ends before it begins.", {"value": value})
    return found


def _times(value: Any) -> Any:
    """`2s` (at most) or `1s..2s`, as seconds."""
    if isinstance(value, Range):
        return value
    low, dots, high = value.partition("..") if isinstance(value, str) else (value, "", "")
    found = Range(duration(low), duration(high)) if dots else Range(0.0, duration(low))
    if found.low > found.high:
        raise PydanticCustomError("out-of-range", "{value} ends before it begins.", {"value": value})
    return found


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


Share = Annotated[
    Range,
    Plain,
    BeforeValidator(_shares),
    PlainSerializer(lambda value: f"{_number(value.low * 100)}%..{_number(value.high * 100)}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?%(\.\.\d+(\.\d+)? ?%)?$", "examples": ["75%..85%"]}),
]
Within = Annotated[
    Range,
    Plain,
    BeforeValidator(_times),
    PlainSerializer(lambda value: f"{_number(value.low)}s..{_number(value.high)}s", return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+(\.\.(\d+(\.\d+)?(ms|s|m|h|d|w))+)?$",
            "examples": ["2s", "10s..11s"],
        }
    ),
]


class TestRequest(Section):
    """What a client sends. What is not said is made up: a short question in the words of the protocol."""

    __test__: ClassVar[bool] = False
    _kept: ClassVar[frozenset[str]] = frozenset(("messages", "body", "headers"))

    model: str | None = Field(None, description="The name that is asked for.", examples=["fast"])
    key: str | None = Field(
        None, description="Who calls, by the name in `keys:`. Default: a request without a key.", examples=["ci"]
    )
    protocol: Wire | None = Field(None, description="The client's wire. Default openai-chat.", examples=["anthropic"])
    stream: bool | None = Field(None, description="Whether the answer is streamed. Default false.")
    prompt: str | None = Field(None, description="What the user says.", examples=["What is the capital of France?"])
    system: str | None = Field(None, description="What the system says.", examples=["Answer in one word."])
    messages: list[Any] | None = Field(
        None,
        description="The conversation in the protocol's own words, in place of `prompt`.",
        examples=[[{"role": "user", "content": "Hello"}]],
    )
    tokens: Tokens | None = Field(
        None, description="How long the prompt is, about: it is filled up with words.", examples=["20k"]
    )
    max_tokens: Tokens | None = Field(None, description="The longest answer that is asked for.", examples=[500])
    images: int | None = Field(None, ge=0, le=20, description="How many images it carries.", examples=[1])
    tools: list[str] | None = Field(
        None, description="Tools that the model may call, by name.", examples=[["get_weather"]]
    )
    body: dict[str, Any] | None = Field(
        None, description="Fields of the body, as they are; they win.", examples=[{"temperature": 0}]
    )
    headers: dict[str, str] | None = Field(
        None, description="Headers of the request.", examples=[{"x-app": "mobile-ios"}]
    )
    session: str | None = Field(None, description="The session it belongs to.", examples=["s1"])
    user: str | None = Field(None, description="The user, for keys that say `trust: [user]`.", examples=["u-17"])
    client_ip: str | None = Field(None, description="The address it comes from. Default 127.0.0.1.")
    path: str | None = Field(
        None,
        description="Where it is sent, in place of the protocol's own path.",
        examples=["/v1/messages/count_tokens"],
    )


class Fault(Section):
    """What an upstream does with one send. Short forms: a status, or a kind. Without any it answers well."""

    _kept: ClassVar[frozenset[str]] = frozenset(("headers", "body"))

    kind: FaultKind | None = Field(
        None, description="A kind of failure, in the words of the upstream's wire; `ok` is none.", examples=["timeout"]
    )
    status: int | None = Field(None, ge=200, le=599, description="The status of its answer.", examples=[503])
    code: str | None = Field(None, description="The error's code.", examples=["insufficient_quota"])
    retry_after: Duration | None = Field(None, description="When it says to come back.", examples=["20s"])
    headers: dict[str, str] = Field(
        {}, description="Further headers of its answer.", examples=[{"x-ratelimit-remaining-requests": "0"}]
    )
    body: Any = Field(None, description="The body, as it is: text, or what is written as JSON.")
    delay: Duration | None = Field(None, description="How long it takes to begin.", examples=["3s"])
    rate: int | None = Field(None, ge=1, description="Tokens per second of its answer. Default: all at once.")
    stall_after: int | None = Field(None, ge=0, description="It stops for ever after so many tokens of a stream.")
    cut_after: int | None = Field(None, ge=0, description="It resets the connection after so many tokens of a stream.")
    error_after: int | None = Field(None, ge=0, description="It sends an error after so many tokens of a stream.")
    garbage_after: int | None = Field(None, ge=0, description="It sends nonsense after so many tokens of a stream.")
    tokens: int | None = Field(None, ge=0, le=999_999, description="How many tokens it answers with.", examples=[500])
    calls: list[str] = Field([], description="The tools that its answer calls.", examples=[["get_weather"]])

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            return {"status": data}
        return {"kind": data} if isinstance(data, str) else data


class Faults(Section):
    """What one target does: `each` for its first sends in turn, `then` for all after them; by itself it answers well.

    Short forms: a list is `each`, a single fault is `then`.
    """

    each: list[Fault] = Field([], description="What becomes of its first sends, one by one.")
    then: Fault | None = Field(None, description="What becomes of all others. Default: they are answered well.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if isinstance(data, list):
            return {"each": data}
        if isinstance(data, dict) and data and data.keys() <= {"each", "then"}:
            return data
        return {"then": data}


def _rests(value: Any) -> Any:
    """A list of names rests for an hour."""
    return dict.fromkeys(value, "1h") if isinstance(value, list) and all(isinstance(e, str) for e in value) else value


def _spent(value: Any) -> Any:
    """An amount of a budget that is one for all is everybody's."""
    if not isinstance(value, dict):
        return value
    return {name: amount if isinstance(amount, dict) else {"": amount} for name, amount in value.items()}


Spent = Annotated[
    dict[str, dict[str, MoneyAmount]],
    BeforeValidator(_spent),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "pattern": r"^\d+(\.\d+)? ?[A-Z]{3}$"},
                    {"type": "object", "additionalProperties": {"type": "string"}},
                ]
            },
        }
    ),
]


class Given(Section):
    """What was before the first request."""

    time: Time | None = Field(None, description="What the clock says. Default 2027-01-04T12:00:00Z, a Monday.")
    seed: int | None = Field(None, ge=0, description="What chance begins with. Default: the one of the whole run, 1.")
    spent: Spent = Field(
        {},
        description="What is used of budgets in their windows; of one that `each` has, by whose share it is.",
        examples=[{"team-a-monthly": "499 USD"}, {"per-key": {"ci": "9 USD"}}],
    )
    resting: Annotated[
        dict[str, Duration],
        BeforeValidator(_rests),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "object", "additionalProperties": {"type": "string"}},
                ]
            }
        ),
    ] = Field({}, description="Targets that are left alone, and for how long; a list: for an hour.")
    busy: dict[str, int] = Field({}, description="Requests that targets have in flight.", examples=[{"gpt-4.1": 3}])
    latency: dict[str, Duration] = Field(
        {}, description="What was measured of targets' time to the first token.", examples=[{"gpt-4.1": "900ms"}]
    )


class Expect(Section):
    """What must hold. What is not said may be anything. Names of models stand for any of their deployments."""

    _kept: ClassVar[frozenset[str]] = frozenset(("body", "headers", "sent"))

    status: int | None = Field(None, ge=100, le=599, description="What the client gets.", examples=[200])
    code: str | None = Field(None, description="The error's code in the answer.", examples=["budget_exceeded"])
    path: list[str] | None = Field(
        None, description="The targets that were asked, in order; retries of one are one.", examples=[["a", "b"]]
    )
    attempts: int | None = Field(None, ge=0, description="Sends, retries included.", examples=[3])
    credentials: list[str] | None = Field(
        None, description="The credentials that were used, send by send.", examples=[["main", "spare"]]
    )
    model: str | None = Field(None, description="Whose answer it is.", examples=["house-llama"])
    provider: str | None = Field(None, description="Of which provider.", examples=["anthropic"])
    skipped: dict[str, str] | None = Field(
        None, description="Targets that were passed over, and words of the reason.", examples=[{"small": "context"}]
    )
    failure: str | None = Field(
        None, description="The kind of failure that the request ended with; `none` for none.", examples=["timeout"]
    )
    body: str | dict[str, Any] | None = Field(
        None,
        description="Text that the answer contains, or values by their paths in it.",
        examples=["You said", {"choices.0.finish_reason": "stop"}],
    )
    headers: dict[str, str | None] | None = Field(
        None, description="Headers of the answer; null: it has none of that name.", examples=[{"retry-after": "20"}]
    )
    sent: dict[str, Any] | None = Field(
        None,
        description="Values by their paths in what was sent upstream last; null: nothing stands there.",
        examples=[{"max_tokens": 1024}],
    )
    lossy: list[str] | None = Field(None, description="What the translation lost.", examples=[["logit_bias"]])
    cost: MoneyAmount | None = Field(None, description="What the answer cost, to a millionth.", examples=["0.0025 USD"])
    cache: Words | None = Field(None, description="What the cache had to do with it.", examples=["hit"])
    time: Within | None = Field(None, description="How long the request took, at most or from..to.", examples=["2s"])
    shares: dict[str, Share] | None = Field(
        None, description="Of repeated requests: the share that each model answered.", examples=[{"a": "75%..85%"}]
    )
    budget: Spent | None = Field(
        None, description="What is then used of budgets, to a millionth.", examples=[{"team-a-monthly": "0.5 USD"}]
    )
    breaker: dict[str, State] | None = Field(
        None, description="How the breakers of targets then stand.", examples=[{"claude-sonnet": "open"}]
    )


class Step(Section):
    """One of several requests in order."""

    wait: Duration | None = Field(None, description="Time that passes first.", examples=["30s"])
    request: TestRequest = Field(TestRequest(), description="What it asks beyond, or other than, the test's request.")
    repeat: int = Field(1, ge=1, le=100_000, description="How many times, one after another.")
    faults: dict[str, Faults] = Field(
        {}, description="What targets do from now on.", examples=[{"claude-sonnet": [429]}]
    )
    expect: Expect = Field(Expect(), description="What must come of it; of repeated ones, of each.")


class Test(Section):
    """What this file is expected to do with a request, or with several."""

    __test__: ClassVar[bool] = False

    name: str = Field(description="What is shown where it fails.", examples=["a 429 on Claude goes to the house model"])
    given: Given = Field(Given(), description="What was before.")
    request: TestRequest = Field(TestRequest(), description="The request; of several `steps` what they share.")
    repeat: int = Field(1, ge=1, le=100_000, description="How many times it is sent, one after another.")
    faults: dict[str, Faults] = Field(
        {},
        description="What targets do, by their names; `*` is every other one. A list is used up send by send.",
        examples=[{"claude-sonnet": [429], "*": "timeout"}],
    )
    steps: list[Step] = Field([], description="Several requests in order, in place of one.")
    expect: Expect = Field(Expect(), description="What must come of it; of several steps, what holds in the end.")
