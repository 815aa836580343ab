"""router.yaml, typed. Names are still text; what they refer to is checked in `checks/` and linked in `engine.build`.

These classes are the source of schemas/router.schema.json: every field has a description, and an example where its
shape is not obvious. A short form is turned into its long form before typing, so that the rest of the gateway knows
one shape only. Rules over requests are typed in `model_rules.py` and `model_policies.py`; parts whose runtime comes
later are refused by `checks/supported.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from gateway.config.model_policies import Caps, Policy, When
from gateway.config.model_rules import (
    Ban,
    Budget,
    Cache,
    Former,
    Guardrail,
    Idempotency,
    Ledger,
    Limits,
    RedisState,
    Reloading,
    Score,
    Sticky,
    Team,
)
from gateway.config.model_tests import Test
from gateway.config.section import OptionalKey, OptionalSecret, Secret, Section
from gateway.config.units import Day, Duration, DurationRange, Percent, Size, Tokens

Strategy = Literal[
    "priority",
    "weighted",
    "round_robin",
    "random",
    "least_busy",
    "least_used",
    "fastest",
    "cheapest",
    "largest_context",
    "consistent",
    "when",
    "score",
    "race",
    "mirror",
    "panel",
    "pipeline",
]
AfterCommit = Literal["error", "resume"]
Capability = Literal[
    "tools", "vision", "audio", "video", "documents", "json_schema", "json_object", "reasoning", "prefill"
]
Lossy = Literal["allow", "warn", "reject", "reroute"]


class Timeouts(Section):
    """How long to wait. The same wherever it stands; the nearest place that says something wins, field by field."""

    connect: Duration | None = Field(None, description="Until a connection stands, TLS included. Default 5s.")
    first_token: Duration | None = Field(
        None, description="Of a stream, until its first content. A whole answer is bounded by `total`. Default 60s."
    )
    idle: Duration | None = Field(None, description="Between two pieces of an answer that has begun. Default 60s.")
    total: Duration | None = Field(None, description="For one attempt from its start to its last byte. Default 10m.")


class Retries(Section):
    """Sending again to the same target. What a failure permits at most is fixed by its kind."""

    attempts: int | None = Field(None, ge=0, le=10, description="Further sends after the first. Default 2.")
    backoff: DurationRange | None = Field(
        None, description="The first pause and the longest; it doubles, with jitter. Default 200ms..5s."
    )


class Breaker(Section):
    """When a provider, with one credential and one model, is left alone for a while."""

    failures: int | None = Field(None, ge=1, le=1000, description="Counted failures that open it. Default 5.")
    window: Duration | None = Field(None, description="The time in which they count. Default 30s.")
    cooldown: DurationRange | None = Field(
        None, description="How long it stays open, first and at most; it doubles. Default 5s..5m."
    )


class Log(Section):
    """What the gateway writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is written.")
    format: Literal["text", "json"] = Field("text", description="Lines for people, or one JSON object a line.")


class Disk(Section):
    """State in a directory of this host."""

    disk: str = Field(description="The directory, relative to the file that names it.", examples=["./state"])


class Redis(Section):
    """State that several hosts share."""

    redis: RedisState = Field(description="Where it is.", examples=[{"url": {"env": "REDIS_URL"}}])


def _place(written: Any) -> str:
    """Which of the three is meant, so that what is wrong with it is said of that one."""
    if isinstance(written, Disk | Redis):
        return "on-disk" if isinstance(written, Disk) else "in-redis"
    if isinstance(written, dict):
        return "in-redis" if "redis" in written else "on-disk"
    return "in-memory"


State = Annotated[
    Annotated[Literal["memory"], Tag("in-memory")]
    | Annotated[Disk, Tag("on-disk")]
    | Annotated[Redis, Tag("in-redis")],
    Discriminator(_place),
]


class Gateway(Section):
    """The server itself."""

    _kept: ClassVar[frozenset[str]] = frozenset(("ledger",))

    listen: str = Field(
        "127.0.0.1:8080", description="Address and port. Not reloadable.", examples=["0.0.0.0:8080", "[::]:8080"]
    )
    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        "auto", description="Worker processes; `auto` is one per CPU. Not reloadable."
    )
    auth: Literal["keys", "open"] = Field("keys", description="`keys`: only who is in `keys:` may call. `open`: all.")
    open_to_network: bool = Field(
        False, description="Says a second time that `auth: open` is meant, on an address that others can reach."
    )
    state: State = Field(
        "memory",
        description="Where limits, budgets, health and caches are kept: in memory, shared by the workers and forgotten "
        "with them; on this host's disk; or in Redis, for several hosts.",
    )
    on_store_failure: Literal["local", "reject"] = Field(
        "local",
        description="What happens while the state's store cannot be reached: `local` counts in each worker alone, "
        "`reject` refuses what would have to be counted (503).",
    )
    ledger: Ledger | None = Field(
        None,
        description="Where requests are recorded. Default: nowhere. Not reloadable.",
        examples=["sqlite:///./state/ledger.db", {"url": {"env": "LEDGER_URL"}, "keep": "90d"}],
    )
    config: Literal["locked", "writable"] = Field(
        "locked", description="Whether the management API may edit this file."
    )
    trusted_proxies: list[str] = Field([], description="Networks whose X-Forwarded-For is believed.")
    max_body: Size = Field(32 << 20, description="The largest request that is accepted. Default 32MB.")
    drain: Duration = Field(30.0, description="How long a stop waits for open requests. Default 30s.")
    reload: Reloading = Field(
        True,
        description="Whether saved changes come into force by themselves; with `canary`, for a share of the sessions "
        "first.",
        examples=[True, {"canary": "5%", "bake": "10m"}],
    )
    log: Log = Field(Log(), description="What is logged.")


class Tls(Section):
    """How a provider's certificate is checked."""

    ca: str | None = Field(
        None,
        description="A PEM file of authorities to trust instead of the system's, relative to the file that names it.",
    )
    verify: bool = Field(True, description="False accepts any certificate. Never in production.")


class Rates(Section):
    """USD per million tokens."""

    input: float | None = Field(None, ge=0, description="Prompt tokens.")
    output: float | None = Field(None, ge=0, description="Completion tokens.")
    cached_input: float | None = Field(None, ge=0, description="Prompt tokens read from the provider's cache.")
    cache_write: float | None = Field(None, ge=0, description="Prompt tokens written to the provider's cache.")
    cache_write_1h: float | None = Field(
        None, ge=0, description="Those that are kept for an hour, where they are priced apart."
    )
    reasoning: float | None = Field(None, ge=0, description="Reasoning tokens, where they are priced apart.")
    audio_input: float | None = Field(None, ge=0, description="Audio in the prompt.")
    audio_output: float | None = Field(None, ge=0, description="Audio in the answer.")


class PriceTier(Rates):
    """What longer prompts cost: the whole request, not only what is above."""

    above: Tokens = Field(description="For prompts of more tokens than this.", examples=["200k"])


class Price(Rates):
    """USD per million tokens. What is not said is what the catalog says; what nobody says costs as its whole does."""

    tiers: list[PriceTier] | None = Field(None, description="What longer prompts cost.")


class Credential(Section):
    """One of several credentials. Short form: the reference alone."""

    _kept: ClassVar[frozenset[str]] = frozenset(("key",))

    key: Secret = Field(description="The credential, as a reference.")
    limits: Limits | None = Field(None, description="What may be asked with it at most.")
    tier: int = Field(
        0, ge=0, le=100, description="Those of a higher tier are used when no lower one can be. Default 0."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return data if isinstance(data, dict) and "key" in data else {"key": data}


class Provider(Section):
    """Where models are: a preset by its name, or anything that speaks a known protocol."""

    _kept: ClassVar[frozenset[str]] = frozenset(("api_key", "api_keys"))

    preset: str | None = Field(None, description="The preset to start from. Default: the one of the entry's own name.")
    protocol: str | None = Field(None, description="The wire it speaks.", examples=["openai-chat"])
    base_url: str | None = Field(
        None, description="What precedes the protocol's own path.", examples=["http://10.0.0.5:8000/v1"]
    )
    auth: str | None = Field(
        None, description="How its credential is sent. Default: as its protocol's providers do.", examples=["x-api-key"]
    )
    region: str | None = Field(None, description="The cloud's region.", examples=["eu-central-1"])
    project: str | None = Field(None, description="The cloud's project.", examples=["my-project"])
    resource: str | None = Field(None, description="The name of the cloud's resource.", examples=["my-resource"])
    api_version: str | None = Field(None, description="The version of the cloud's API.", examples=["2024-10-21"])
    api_key: OptionalKey = Field(None, description="Its credential, as a reference; `none` where it needs none.")
    api_keys: dict[str, Credential] = Field(
        {},
        description="Several credentials, used in turn, each with its own health and limits.",
        examples=[{"main": {"env": "A"}, "spare": {"key": {"env": "B"}, "limits": {"requests": "60/minute"}}}],
    )
    bans: list[Ban] = Field([], description="When a credential is left alone for a stated time.")
    headers: dict[str, str] = Field({}, description="Sent with every request.", examples=[{"x-team": "platform"}])
    tags: list[str] = Field([], description="What can be said of it, for policies.", examples=[["eu"]])
    timeouts: Timeouts | None = Field(None, description="See `defaults.timeouts`.")
    retries: Retries | None = Field(None, description="See `defaults.retries`.")
    breaker: Breaker | None = Field(None, description="See `defaults.breaker`.")
    limits: Limits | None = Field(None, description="What may be asked of it at most.")
    on_lossy: Lossy | None = Field(None, description="What to do where a translation would lose something.")
    egress_proxy: str | None = Field(
        None, repr=False, description="An HTTP proxy to reach it through.", examples=["http://proxy.internal:3128"]
    )
    tls: Tls | None = Field(None, description="How its certificate is checked.")
    direct: bool = Field(
        False, description="Whether `PROVIDER/MODEL` reaches any of its models, by the provider's own id of it."
    )


class RequestEdits(Section):
    """What is sent, beyond what the caller wrote. Fields are those of the request's top level."""

    _kept: ClassVar[frozenset[str]] = frozenset(("default", "set", "options"))

    default: dict[str, Any] = Field({}, description="Where the caller said nothing.", examples=[{"temperature": 0.2}])
    set: dict[str, Any] = Field({}, description="Always.", examples=[{"service_tier": "priority"}])
    drop: list[str] = Field([], description="Never sent.", examples=[["logit_bias"]])
    options: dict[str, Any] = Field({}, description="The provider's own fields, passed as they are.")


class Deployment(Section):
    """One place of a model that is in several; addressable as `model@provider`."""

    provider: str = Field(description="The provider.")
    id: str | None = Field(None, description="The provider's id of the model. Default: the model's.")
    weight: float | None = Field(None, description="Its share, with `strategy: weighted`.")
    tags: list[str] = Field([], description="What can be said of it.")
    timeouts: Timeouts | None = Field(None, description="See `defaults.timeouts`.")
    retries: Retries | None = Field(None, description="See `defaults.retries`.")
    limits: Limits | None = Field(None, description="What may be asked of it at most.")
    request: RequestEdits | None = Field(None, description="What is sent beyond what the caller wrote.")


class Model(Section):
    """One upstream model: of one provider, or in several places."""

    provider: str | None = Field(None, description="The provider that has it.")
    id: str | None = Field(
        None, description="The provider's id of it; `*` in a pattern model is what the name's `*` stood for."
    )
    deployments: list[Deployment] = Field([], description="Its places, where there are several.")
    strategy: Strategy | None = Field(None, description="The order among deployments. Default least_busy.")
    tags: list[str] = Field([], description="What can be said of it, for policies.")
    context: Tokens | None = Field(None, description="Its context window in tokens.", examples=["128k"])
    max_output: Tokens | None = Field(None, description="The longest answer it gives, in tokens.")
    price: Price | None = Field(None, description="What it costs.")
    supports: list[Capability] | None = Field(
        None,
        description="All that it can do. Requests that need more go elsewhere. Where nobody says, nothing is skipped.",
        examples=[["tools", "json_schema"]],
    )
    visibility: Literal["public", "internal"] = Field(
        "public", description="`internal`: a target for combos and fallbacks only, not callable and not listed."
    )
    request: RequestEdits | None = Field(None, description="What is sent beyond what the caller wrote.")
    timeouts: Timeouts | None = Field(None, description="See `defaults.timeouts`.")
    retries: Retries | None = Field(None, description="See `defaults.retries`.")
    breaker: Breaker | None = Field(None, description="See `defaults.breaker`.")
    limits: Limits | None = Field(None, description="What may be asked of it at most.")
    on_lossy: Lossy | None = Field(None, description="What to do where a translation would lose something.")


class Target(Section):
    """One of a combo's targets: a model or combo by name, or a group with a strategy of its own."""

    model: str | None = Field(None, description="A model, a combo, or `model@provider`.")
    group: list[Target] | None = Field(None, description="Several targets that count as one.")
    strategy: Strategy | None = Field(None, description="The order within the group. Default priority.")
    weight: float | None = Field(None, description="Its share, with `strategy: weighted`. Default 1.")
    when: When | None = Field(None, description="With `strategy: when`: which requests go here. Default: all.")
    hold: int | None = Field(None, ge=1, description="With round_robin in a group: successes before the next turn.")
    timeouts: Timeouts | None = Field(None, description="See `defaults.timeouts`.")
    retries: Retries | None = Field(None, description="See `defaults.retries`.")
    limits: Limits | None = Field(None, description="What may be asked of it at most.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"model": data} if isinstance(data, str) else data


class Combo(Section):
    """A logical model: a strategy over targets. Short form: a list of targets, in order of priority."""

    strategy: Strategy = Field("priority", description="The order in which targets are tried.")
    targets: list[Target] = Field(description="Models or combos.", examples=[["claude-sonnet", "gpt-4.1"]])
    sticky: Sticky | None = Field(None, description="Keeps a session with the target that it began with.")
    hold: int | None = Field(None, ge=1, description="round_robin: successes before the next turn.")
    deck: bool | None = Field(None, description="random: no repeats until all were used.")
    window: Duration | None = Field(None, description="least_used: the time that is looked back on. Default 1h.")
    after: Duration | Literal["p95"] | None = Field(
        None,
        description="race: the time that a target has before the next is asked too. Default p95.",
        examples=["800ms", "p95"],
    )
    by: Literal["session", "user", "key", "prompt"] | None = Field(
        None, description="consistent: what is hashed. Default session."
    )
    score: Literal["fast", "cheap", "reliable"] | Score | None = Field(
        None, description="score: weights, or a preset of them. Default reliable."
    )
    sample: Percent | None = Field(None, description="mirror: the share of requests that are copied. Default 100%.")
    judge: str | None = Field(None, description="panel: the model that merges the answers.")
    least: int | None = Field(None, ge=1, description="panel: answers that are enough for the judge. Default all.")
    patience: Duration | None = Field(None, description="panel: how long the others are then waited for. Default 8s.")
    after_commit: AfterCommit | None = Field(None, description="See `defaults.after_commit`.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"targets": data} if isinstance(data, list) else data


class FallbackRule(Section):
    """Where a failure leads. Short form of a list of rules: a list of names, for every kind that falls by itself."""

    on: list[str] | None = Field(None, description="Failure kinds.", examples=[["rate_limit", "overloaded"]])
    to: list[str] = Field(description="Models or combos, in order.")


def _rules(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return [{"to": value}]
    return value


Rules = Annotated[list[FallbackRule], BeforeValidator(_rules)]


class Key(Section):
    """Who may call. The secret itself is never here."""

    _kept: ClassVar[frozenset[str]] = frozenset(("from", "from_"))

    hash: str | None = Field(None, description="`sha256:` and 64 hex digits of the secret's SHA-256.")
    from_: OptionalSecret = Field(
        None, alias="from", description="Where the secret is.", examples=[{"env": "ANNA_KEY"}]
    )
    team: str | None = Field(None, description="The team it belongs to.")
    allow: list[str] | None = Field(
        None, description="What it may use: names or patterns. Default: everything.", examples=[["fast", "gpt-*"]]
    )
    admin: bool = Field(False, description="Whether it may reload the gateway.")
    tags: list[str] = Field([], description="What can be said of it, for policies and budgets.", examples=[["batch"]])
    trust: list[Literal["user", "tags"]] = Field(
        [],
        description="What is believed of what its requests say: `user` (the body's, or X-Gateway-User), `tags` "
        "(X-Gateway-Tags). Everything else that they say is a label.",
    )
    each_user: Limits | None = Field(None, description="What each of its users may ask; needs `trust: [user]`.")
    former: Former | None = Field(None, description="The secret before the last rotation, and how long it still works.")
    expires: Day | None = Field(None, description="The last day on which it works.")
    disabled: bool = Field(False, description="True refuses it without forgetting it.")
    hints: bool = Field(
        True, description="Whether its requests may choose among the targets that it may use (docs/hints.md)."
    )
    explain: bool = Field(
        False,
        description="Whether its requests may ask why they are routed as they are (docs/explain.md); `admin` keys may.",
    )
    limits: Limits | None = Field(None, description="What it may ask at most.")


class Defaults(Section):
    """What holds wherever nothing nearer says otherwise."""

    timeouts: Timeouts | None = Field(None, description="How long to wait.")
    retries: Retries | None = Field(None, description="Sending again to the same target.")
    breaker: Breaker | None = Field(None, description="When to leave a target alone.")
    limits: Limits | None = Field(None, description="What may be asked at most.")
    on_lossy: Lossy | None = Field(None, description="What to do where a translation would lose something.")
    price_unknown: Literal["fail", "zero", "warn"] = Field(
        "warn", description="What to do where nobody knows a price: refuse, count nothing, or count nothing and warn."
    )
    after_commit: AfterCommit | None = Field(
        None,
        description="When an answer breaks off that the client has begun to read: `error` says so (the default), "
        "`resume` lets the next target go on where it can be given the beginning.",
    )
    cap: Caps | None = Field(None, description="Bounds over everything that is done for one request.")


def _nothing_is_empty(value: Any) -> Any:
    """`openai:` with nothing after it is the preset as it is."""
    if isinstance(value, dict):
        return {name: {} if entry is None else entry for name, entry in value.items()}
    return value


class Config(Section):
    """A whole configuration: providers, models, routes, and who may use them."""

    version: Literal[1] = Field(description="The version of this language.")
    include: list[str] = Field(
        [], description="Further files, relative to this one; globs.", examples=[["providers/*.yaml"]]
    )
    gateway: Gateway = Field(Gateway(), description="The server itself.")
    providers: Annotated[dict[str, Provider], BeforeValidator(_nothing_is_empty)] = Field(
        {}, description="Where models are, by name."
    )
    models: dict[str, Model] = Field({}, description="Physical models, by the name that callers use.")
    aliases: dict[str, str] = Field(
        {}, description="One name for another; one `*` makes a pattern.", examples=[{"gpt-4": "gpt-4.1"}]
    )
    combos: dict[str, Combo] = Field({}, description="Logical models: a strategy over targets.")
    fallbacks: dict[str, Rules] = Field({}, description="Where a failed route goes on, by the route's name.")
    keys: dict[str, Key] = Field({}, description="Who may call, by name.")
    defaults: Defaults = Field(Defaults(), description="What holds wherever nothing nearer says otherwise.")
    teams: dict[str, Team] = Field({}, description="Groups of callers.")
    budgets: dict[str, Budget] = Field({}, description="What may be spent.")
    policies: list[Policy] = Field([], description="Rules over requests, in order.")
    guardrails: dict[str, Guardrail] = Field({}, description="Checks of content.")
    cache: Cache | None = Field(None, description="Which answers are kept.")
    idempotency: Idempotency = Field(Idempotency(), description="Requests with an `Idempotency-Key`.")
    tests: list[Test] = Field([], description="What this file is expected to do.")

    @model_validator(mode="after")
    def _direct(self) -> Self:
        """A provider that is `direct` has a pattern model of its name."""
        for name, provider in self.providers.items():
            if provider.direct and direct_of(name) not in self.models:
                self.models[direct_of(name)] = Model(provider=name, id="*")
        return self


def direct_of(provider: str) -> str:
    """The pattern model that `direct: true` of a provider stands for."""
    return f"{provider}/*"
