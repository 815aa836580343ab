"""Facts of models: fallbacks that cannot carry what they stand in for, ids that nobody knows, prices that are missing.

Only what is known is judged. What the file says of a model outranks what the gateway knows of it, field by field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.config.checks.subject import Subject
from gateway.config.known import ModelFacts
from gateway.config.model import Model, Target
from gateway.config.patterns import part, specificity
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic

# What a request may need → how it is said of a model that lacks it. Thinking and prefill are not needed: without them
# an answer is another one, not none.
_LACKS: Final[Mapping[str, str]] = {
    "tools": "calls no tools",
    "vision": "reads no images",
    "audio": "hears no sound",
    "video": "watches no video",
    "documents": "reads no documents",
    "json_schema": "keeps to no JSON schema",
}


class _Carries(NamedTuple):
    """What a route can carry: words that one of its models has, words that none has, its largest window. `lacks` and
    `context` are empty where not all of its models are known. `one`: words that a single place of it may have."""

    has: frozenset[str]
    lacks: frozenset[str]
    context: int | None
    one: frozenset[str]


def _places(subject: Subject, name: str, model: Model) -> Iterator[tuple[str, str, Path]]:
    """(provider, upstream id, where the id or the name stands) of each place of a model whose provider is declared."""
    if model.provider is not None:
        path: Path = ("models", name) if model.id is None else ("models", name, "id")
        yield model.provider, model.id or name, path
    for index, deployment in enumerate(model.deployments):
        path = ("models", name, "deployments", index)
        yield deployment.provider, deployment.id or model.id or name, (*path, "id") if deployment.id else path


def _leaves(subject: Subject, name: str, seen: set[str]) -> Iterator[tuple[Model, ModelFacts]]:
    """Every place of every model that a name leads to, fallbacks aside."""
    name = subject.meaning(name)
    if name in seen:
        return
    seen.add(name)
    config = subject.config
    model = config.models.get(name)
    if model is not None:
        for provider, upstream, _ in _places(subject, name, model):
            yield model, subject.facts(provider, upstream)
    elif name in config.combos:
        for target in config.combos[name].targets:
            yield from _of(subject, target, seen)
    elif name in subject.places:
        base, _, wanted = name.rpartition("@")
        for provider, upstream, _ in _places(subject, base, config.models[base]):
            if provider == wanted:
                yield config.models[base], subject.facts(provider, upstream)
    else:
        for pattern in sorted((each for each in config.models if each.count("*") == 1), key=specificity):
            star = part(pattern, name)
            if star:
                for provider, upstream, _ in _places(subject, pattern, config.models[pattern]):
                    yield config.models[pattern], subject.facts(provider, upstream.replace("*", star))
                return


def _of(subject: Subject, target: Target, seen: set[str]) -> Iterator[tuple[Model, ModelFacts]]:
    if target.model is not None:
        yield from _leaves(subject, target.model, seen)
    for inner in target.group or ():
        yield from _of(subject, inner, seen)


def _carries(leaves: Sequence[tuple[Model, ModelFacts]]) -> _Carries:
    supports = [frozenset(model.supports) if model.supports is not None else known.supports for model, known in leaves]
    windows = [model.context if model.context is not None else known.context for model, known in leaves]
    has = frozenset().union(*(each for each in supports if each is not None))
    lacks = frozenset(_LACKS) - has if leaves and None not in supports else frozenset()
    one = frozenset(word for word in has if sum(each is None or word in each for each in supports) == 1)
    return _Carries(has, lacks, None if None in windows else max(filter(None, windows), default=None), one)


def carrying(subject: Subject) -> Iterator[Diagnostic]:
    """What the first of a chain accepts, one of the others carries too. They are passed over for what they cannot."""
    for combo, entry in subject.config.combos.items():
        if entry.strategy == "priority":
            yield from _within(subject, combo, subject.targets_path(combo), entry.targets)
    for route, rules in subject.config.fallbacks.items():
        first = _carries(list(_leaves(subject, route, set())))
        rest = [
            ((*subject.rules_path(route, index), at), repr(name), _carries(list(_leaves(subject, name, set()))))
            for index, rule in enumerate(rules)
            if rule.on != ["context_window"]  # it is there for other prompts, and `smaller-window` judges it
            for at, name in enumerate(rule.to)
        ]
        yield from _chain(subject, repr(route), first, rest, alone=first.one)


def _within(subject: Subject, combo: str, path: Path, targets: Sequence[Target]) -> Iterator[Diagnostic]:
    each = [_carries(list(_of(subject, target, set()))) for target in targets]
    names = [
        (
            (*path, index) if target.model is None else subject.name_path((*path, index), target),
            repr(target.model) if target.model else "the group",
        )
        for index, target in enumerate(targets)
    ]
    if each:
        yield from _chain(subject, names[0][1], each[0], [(*names[i], each[i]) for i in range(1, len(each))])


def _chain(
    subject: Subject,
    first: str,
    accepts: _Carries,
    rest: Sequence[tuple[Path, str, _Carries]],
    alone: frozenset[str] = frozenset(),
) -> Iterator[Diagnostic]:
    """Judges the others against the first: once for what none of them carries, else at those before one that does.

    `alone`: what the first has one place for. Where no other carries it either, there is no fallback for it at all.
    """
    if not rest:
        return
    missing = [
        text for word, text in _LACKS.items() if word in accepts.has and all(word in each.lacks for _, _, each in rest)
    ]
    path, name, _ = rest[0]
    windows = [each.context for _, _, each in rest]
    largest = 0 if None in windows else max(filter(None, windows), default=0)
    if accepts.context is not None and 0 < largest < accepts.context:
        detail = (
            f"{first} takes {accepts.context:,} tokens, what stands in for it {largest:,} at most. Longer prompts "
            f"fail where {first} does."
        )
        yield subject.report("fallback-carries-less", detail, path)
    if missing:
        whom = name if len(rest) == 1 else "each of them"
        detail = (
            f"{first} does more than what stands in for it: {whom} {_listed(missing)}. Such requests fail where "
            f"{first} does. Add a fallback that carries them, or say in `supports:` what the models do."
        )
        if any(word in alone for word in accepts.has if all(word in each.lacks for _, _, each in rest)):
            detail += " Where that is meant: `# accept: no-fallback-carries (why)`."
            yield subject.report("no-fallback-carries", detail, path)
        else:
            yield subject.report("fallback-cannot-carry", detail, path)
    for index, (path, name, carries) in enumerate(rest):
        earlier, later = rest[:index], rest[index + 1 :]
        words = [
            word
            for word in _LACKS
            if word in accepts.has & carries.lacks
            and not any(word not in each.lacks for _, _, each in earlier)
            and any(word not in each.lacks for _, _, each in later)
        ]
        if words:
            detail = f"{name} {_listed([_LACKS[word] for word in words])}; what needs that goes on to the next."
            yield subject.report("fallback-carries-less", detail, path)


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def unknown_models(subject: Subject) -> Iterator[Diagnostic]:
    """Ids of those who make models are ids that they gave; a model with a price of its own is known to its author."""
    for name, model in subject.config.models.items():
        if model.price is not None:
            continue
        for provider, upstream, path in _places(subject, name, model):
            known = subject.facts(provider, upstream)
            if known.near is not None:
                detail = (
                    f"{provider} is not known to have {upstream!r}. Where it is new, give it a `price:`, and its "
                    "`context:` and `supports:`."
                )
                fix = f"did you mean {known.near!r}?"
                yield subject.report("unknown-upstream", detail, path, key=path[-1] != "id", suggestion=fix)


def unknown_prices(subject: Subject) -> Iterator[Diagnostic]:
    """What money is counted of has a price; what happens where it has none is `defaults.price_unknown`."""
    config = subject.config
    unknown = config.defaults.price_unknown
    if unknown == "zero":
        return
    cap = config.defaults.cap
    capped = (cap is not None and cap.cost is not None) or any(
        policy.do.cap is not None and policy.do.cap.cost is not None for policy in config.policies
    )
    for name, model in config.models.items():
        for provider, upstream, _ in _places(subject, name, model):
            if "*" in upstream or provider not in config.providers:
                continue
            said = model.price
            if said is not None and (said.input is not None or said.output is not None):
                continue
            if subject.facts(provider, upstream).prices is not None:
                continue
            by = next((each for each in config.budgets if _counts(subject, each, name, provider)), None)
            if by is None and not capped:
                continue
            counted = f"The budget {by!r} counts it" if by is not None else "A cap of the cost counts it"
            detail = (
                f"Nobody knows what {upstream!r} costs at {provider}. {counted}: give it a "
                "`price: {input: …, output: …}` in USD per million tokens; `{input: 0, output: 0}` where it is free."
            )
            code = "price-required" if unknown == "fail" else "price-unknown"
            yield subject.report(code, detail, ("models", name), key=True)
            break


def _counts(subject: Subject, budget: str, model: str, provider: str) -> bool:
    """Whether a budget counts a model at a provider; scopes of callers leave that open."""
    scope = subject.config.budgets[budget].scope

    def named(said: str | list[str] | None, name: str) -> bool:
        return said is None or name in ([said] if isinstance(said, str) else said)

    return named(scope.model, model) and named(scope.provider, provider)


def odd_numbers(subject: Subject) -> Iterator[Diagnostic]:
    """What the file says of a model fits together, and with what is known of it."""
    for name, model in subject.config.models.items():
        known = [subject.facts(provider, upstream) for provider, upstream, _ in _places(subject, name, model)]
        if model.price is not None:
            prices = dict(next((each.prices for each in known if each.prices is not None), {}))
            prices.update(
                {
                    field: value
                    for field, value in model.price.model_dump(exclude={"tiers"}).items()
                    if value is not None
                }
            )
            cached, whole = model.price.cached_input, prices.get("input")
            if cached is not None and whole is not None and cached > whole:
                detail = f"A token from the cache costs {cached:g}, one that is not {whole:g}. Is one of them a slip?"
                yield subject.report("odd-price", detail, ("models", name, "price", "cached_input"))
            sizes: set[int] = set()
            for index, tier in enumerate(model.price.tiers or ()):
                if tier.above in sizes:
                    detail = f"Two tiers begin above {tier.above:,} tokens; only one of them can apply."
                    yield subject.report("bad-value", detail, ("models", name, "price", "tiers", index, "above"))
                sizes.add(tier.above)
        context = model.context or next((each.context for each in known if each.context is not None), None)
        if model.max_output is not None and context is not None and model.max_output > context:
            detail = f"An answer of {model.max_output:,} tokens does not fit into a window of {context:,}."
            yield subject.report("odd-window", detail, ("models", name, "max_output"))
