"""The rules of router.yaml, typed: limits, budgets, caches, teams and tests. Conditions and policies: model_policies.py."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from gateway.config.model_policies import When
from gateway.config.refs import is_reference
from gateway.config.section import Secret, Section, UrlOrSecret
from gateway.config.units import Day, Duration, MoneyAmount, Percent, RateOf, Size


class Queue(Section):
    """Waiting for a place instead of an immediate 429."""

    most: int = Field(100, ge=1, le=100_000, description="Requests that wait at one time, in one worker. Default 100.")
    wait: Duration = Field(description="How long one waits at most.", examples=["10s"])


class Limits(Section):
    """What may be asked at most. Limits of different things all apply, and so do several windows of one thing."""

    requests: RateOf | list[RateOf] | None = Field(
        None, description="Requests in a sliding window.", examples=["60/minute", ["60/minute", "5k/day"]]
    )
    tokens: RateOf | list[RateOf] | None = Field(
        None, description="Tokens in a sliding window, input and output.", examples=["400k/minute"]
    )
    concurrent: int | None = Field(None, ge=1, description="Requests at one time.")
    sessions: int | None = Field(None, ge=1, description="Sessions at one time; one ends after 15 minutes of silence.")
    queue: Queue | None = Field(None, description="Wait for a place instead of an immediate 429.")


class Former(Section):
    """The secret that a key had before, while those who hold it change over."""

    hash: str = Field(description="`sha256:` and 64 hex digits of its SHA-256.")
    until: Day = Field(description="The last day on which it works.", examples=["2027-01-31"])


class Score(Section):
    """Weights of what a target is judged by; each part is between 0 and 1."""

    health: float = Field(0, ge=0, description="Whether it may be sent anything: 1, or 0 while it rests.")
    latency: float = Field(0, ge=0, description="Time to the first token, against the slowest.")
    cost: float = Field(0, ge=0, description="Of this request, against the dearest.")
    headroom: float = Field(0, ge=0, description="What is left of its limits and of its provider's quota.")
    stability: float = Field(0, ge=0, description="How little its latency varies.")


class Sticky(Section):
    """Keeps what belongs together with one target."""

    by: Literal["session", "user", "key"] = Field("session", description="What belongs together.")
    lasts: Duration = Field(alias="for", description="For how long after the last request.", examples=["15m"])


class Team(Section):
    """A group of callers."""

    allow: list[str] | None = Field(None, description="What its members may use. A key's own `allow` narrows it.")
    limits: Limits | None = Field(None, description="What its members may ask at most, together.")
    members: dict[str, str] | None = Field(None, description="Who is in it.")


class Ban(Section):
    """A credential that keeps failing in one way is left alone for a stated time."""

    on: list[int | str] = Field(
        description="Statuses, classes of statuses such as `5xx`, or failure kinds.", examples=[[429, "5xx", "auth"]]
    )
    failures: int = Field(
        3, ge=1, le=1000, description="How many of them in a row, a success between forgives. Default 3."
    )
    within: Duration = Field(60.0, description="The time in which they count. Default 1m.")
    lasts: Duration = Field(alias="for", description="How long it is left alone.", examples=["10m"])


class Scope(Section):
    """Whose spending a budget counts; everything that is named must match. Nothing named is everybody."""

    key: str | list[str] | None = Field(None, description="Keys.")
    team: str | list[str] | None = Field(None, description="Teams.")
    user: str | list[str] | None = Field(None, description="Users, of keys that say `trust: user`.")
    model: str | list[str] | None = Field(None, description="Models that answer, whatever name was asked for.")
    provider: str | list[str] | None = Field(None, description="Providers.")
    tag: str | list[str] | None = Field(None, description="Tags of keys, or that a policy gave.")


class Resets(Section):
    """When a calendar window begins."""

    at: str = Field("00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="The time of day.")
    timezone: str = Field("UTC", description="An IANA name.", examples=["Europe/Berlin"])
    on: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] | Annotated[int, Field(ge=1, le=28)] = Field(
        "mon", description="Of a week the day, of a month its number. Default monday, and the first."
    )


class Reroute(Section):
    """Another route."""

    route: str = Field(description="A model, combo or alias.")


class Budget(Section):
    """What may be spent. Money is reserved before a request is sent and settled after it."""

    limit: MoneyAmount = Field(description="How much.", examples=["500 USD"])
    per: str = Field(
        description="day, week, month, total, or a rolling time such as 30d.",
        pattern=r"^(day|week|month|total|\d+[mhdw])$",
        examples=["month", "30d"],
    )
    scope: Scope = Field(Scope(), description="Of whom.", examples=[{"team": "team-a"}])
    each: Literal["key", "team", "user", "model", "provider", "tag"] | None = Field(
        None, description="Makes one budget for each."
    )
    resets: Resets = Field(Resets(), description="When a calendar window begins.")
    warn_at: list[Percent] = Field([], description="Shares at which to warn.", examples=[["50%", "80%"]])
    when_exhausted: Literal["reject", "warn"] | Reroute = Field("reject", description="What happens then.")


class Guardrail(Section):
    """A check of content."""

    pattern: str | None = Field(None, description="A regular expression in linear time (RE2).")
    model: str | None = Field(None, description="A moderation model.")
    webhook: str | None = Field(None, description="A URL that judges.")
    on: list[Literal["request", "response"]] = Field(["request"], description="What is checked.")
    do: Literal["reject", "redact", "flag"] = Field(description="What is done about it.")
    instead: str = Field("[redacted]", description="What stands where something was redacted.")


class ExactCache(Section):
    """The same request gets the same answer."""

    ttl: Duration = Field(description="How long an answer is kept.", examples=["10m"])
    only_when: When = Field(When(), description="Which requests.", examples=[{"temperature": 0}])
    join: bool = Field(True, description="Whether a request waits for the same one that is in flight.")


class SemanticCache(Section):
    """A like request gets the same answer."""

    model: str = Field(description="The embedding model, a model of this file.")
    threshold: float = Field(ge=0, le=1, description="The least cosine similarity.", examples=[0.95])
    ttl: Duration = Field(description="How long an answer is kept.", examples=["10m"])
    only_when: When = Field(When(), description="Which requests.")
    most: int = Field(1000, ge=1, le=100_000, description="Answers that are compared, of one scope. Default 1000.")


class Cache(Section):
    """Which answers are kept."""

    exact: ExactCache | None = Field(None, description="The same request gets the same answer.")
    semantic: SemanticCache | None = Field(None, description="A like request gets the same answer.")
    scope: Literal["key", "team", "shared"] = Field("key", description="Who shares them.")
    size: Size = Field(256 << 20, description="The most that is kept in memory or on disk. Default 256MB.")


class Idempotency(Section):
    """Requests with an `Idempotency-Key`: a second one joins the first, or gets its answer."""

    window: Duration = Field(5.0, description="How long after its end an answer is given again. Default 5s.")


class RedisState(Section):
    """State in Redis."""

    _kept: ClassVar[frozenset[str]] = frozenset(("url",))

    url: Secret = Field(
        description="Where it is. Another one is taken without a restart, once it answers.",
        examples=[{"env": "REDIS_URL"}],
    )
    prefix: str = Field("gateway:", description="What all keys begin with. Not reloadable.")


class Ledger(Section):
    """Where requests are recorded. Short form: the URL alone."""

    _kept: ClassVar[frozenset[str]] = frozenset(("url",))

    url: UrlOrSecret = Field(
        description="A file of SQLite, relative to the file that names it, or a PostgreSQL database; with a password in "
        "it as a reference.",
        examples=["sqlite:///./state/ledger.db", {"env": "LEDGER_URL"}],
    )
    keep: Duration | None = Field(
        None, description="How long rows are kept. Default: until somebody deletes them.", examples=["90d"]
    )
    flush: Duration = Field(1.0, description="How long a row waits at most before it is written. Default 1s.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return data if isinstance(data, dict) and not is_reference(data) else {"url": data}


class AbortIf(Section):
    """What ends a canary before it has served everybody: the new revision against the old one, in the same minutes."""

    error_rate: Percent = Field(
        0.02,
        description="How much larger the share of its requests that fail may be than the old revision's, in points of "
        "percent. Default 2%.",
        examples=["2%"],
    )
    slower: Percent | None = Field(
        None,
        description="How much longer its median time until an answer begins may be (of what is not streamed: until it "
        "is there). Default: any.",
        examples=["50%"],
    )
    min_requests: int = Field(
        50, ge=1, le=1_000_000, description="Requests that it must have served to be judged before its end. Default 50."
    )


class Reload(Section):
    """Saved changes first serve a share of the sessions, for a while; then all, or nobody any more."""

    canary: Percent = Field(description="The share of sessions that a new revision serves first.", examples=["5%"])
    bake: Duration = Field(600.0, description="For how long, before it serves all. Default 10m.", examples=["10m"])
    abort_if: AbortIf = Field(
        AbortIf(),
        description="When it is taken back before.",
        examples=[{"error_rate": "2%", "slower": "50%", "min_requests": 50}],
    )


def _manner(written: Any) -> str:
    """Which of the two is meant, so that what is wrong with it is said of that one."""
    return "by-canary" if isinstance(written, dict | Reload) else "at-once"


Reloading = Annotated[
    Annotated[bool, Tag("at-once")] | Annotated[Reload, Tag("by-canary")],
    Discriminator(_manner),
]
