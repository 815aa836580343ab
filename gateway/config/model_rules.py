"""The rules of router.yaml, typed: limits, budgets, policies, guardrails, caches, teams and tests."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from gateway.config.section import Section
from gateway.config.units import Duration, MoneyAmount, Percent, RateOf


class Limits(Section):
    """What may be asked at most. Limits of different things all apply."""

    requests: RateOf | list[RateOf] | None = Field(None, description="Requests in a window.", examples=["60/minute"])
    tokens: RateOf | list[RateOf] | None = Field(None, description="Tokens in a window.", examples=["400k/minute"])
    concurrent: int | None = Field(None, ge=1, description="Requests at one time.")
    sessions: int | None = Field(None, ge=1, description="Sessions at one time.")


class Sticky(Section):
    """Keeps what belongs together with one target."""

    by: Literal["session", "user", "key"] = Field("session", description="What belongs together.")
    lasts: Duration = Field(alias="for", description="For how long after the last request.", examples=["15m"])


class Team(Section):
    """A group of callers."""

    allow: list[str] | None = Field(None, description="What its members may use.")
    limits: Limits | None = Field(None, description="What its members may ask at most, together.")
    members: dict[str, str] | None = Field(None, description="Who is in it.")


class Budget(Section):
    """What may be spent."""

    _kept: ClassVar[frozenset[str]] = frozenset(("scope", "when_exhausted"))

    limit: MoneyAmount = Field(description="How much.", examples=["500 USD"])
    per: str = Field(description="day, week, month, total, or a rolling time such as 30d.", examples=["month"])
    scope: dict[str, str] | None = Field(None, description="Of whom.", examples=[{"team": "team-a"}])
    each: Literal["key", "team", "user"] | None = Field(None, description="Makes one budget for each.")
    resets: dict[str, str] | None = Field(None, description="When a calendar window begins.")
    warn_at: list[Percent] = Field([], description="Shares at which to warn.", examples=[["50%", "80%"]])
    when_exhausted: Literal["reject", "warn"] | dict[str, str] = Field("reject", description="What happens then.")


class Policy(Section):
    """A rule over requests: where `when` matches, `do` is done and `require` must hold."""

    _kept: ClassVar[frozenset[str]] = frozenset(("when", "do", "require"))

    name: str = Field(description="What it is called in explanations.")
    when: dict[str, Any] = Field({}, description="Which requests.")
    do: dict[str, Any] = Field({}, description="What is done to them.")
    require: dict[str, Any] = Field({}, description="What every target that they can reach must be.")


class Guardrail(Section):
    """A check of content."""

    pattern: str | None = Field(None, description="A regular expression in linear time (RE2).")
    model: str | None = Field(None, description="A moderation model.")
    webhook: str | None = Field(None, description="A URL that judges.")
    on: list[Literal["request", "response"]] = Field(["request"], description="What is checked.")
    do: Literal["reject", "redact", "flag"] = Field(description="What is done about it.")


class Cache(Section):
    """Which answers are kept."""

    _kept: ClassVar[frozenset[str]] = frozenset(("exact", "semantic"))

    exact: dict[str, Any] | None = Field(None, description="The same request gets the same answer.")
    semantic: dict[str, Any] | None = Field(None, description="A like request gets the same answer.")
    scope: Literal["key", "team", "shared"] = Field("key", description="Who shares them.")


class Test(Section):
    """What this file is expected to do with a request."""

    __test__: ClassVar[bool] = False
    _kept: ClassVar[frozenset[str]] = frozenset(("request", "faults", "expect"))

    name: str = Field(description="What is shown where it fails.")
    request: dict[str, Any] = Field(description="The request.")
    faults: dict[str, list[Any]] = Field({}, description="What targets answer, in order.")
    expect: dict[str, Any] = Field(description="What must come of it.")
