"""Tests: they name what there is, can be passed, and can fail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from gateway.config.checks.subject import Subject
from gateway.config.model_tests import Expect, Faults, Test, TestRequest
from gateway.config.patterns import matches
from gateway.config.reach import leaves
from gateway.config.read import Path
from gateway.config.units import Money
from gateway.diagnostics.diagnostic import Diagnostic
from gateway.diagnostics.suggest import closest

EVERY: Final = "*"
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LINE: Final = re.compile(r"[\t\x20-\x7e\x80-\uffff]*")
_CARRIERS: Final = frozenset(("authorization", "x-api-key", "x-goog-api-key"))


class _Part(NamedTuple):
    """A step of a test, or a test that has none: the request as it is sent, what is expected of it, where they stand."""

    path: Path
    request: TestRequest
    expect: Expect
    own: TestRequest


def names(subject: Subject) -> Iterator[Diagnostic]:
    """Models, keys, providers and budgets that a test names are there."""
    for index, test in enumerate(subject.config.tests):
        whole: Path = ("tests", index)
        given = test.given
        for word, said in (("resting", given.resting), ("busy", given.busy), ("latency", given.latency)):
            yield from _models(subject, said, (*whole, "given", word))
        yield from _budgets(subject, given.spent, (*whole, "given", "spent"))
        yield from _models(subject, (name for name in test.faults if name != EVERY), (*whole, "faults"))
        for number, step in enumerate(test.steps):
            path = (*whole, "steps", number)
            yield from _models(subject, (name for name in step.faults if name != EVERY), (*path, "faults"))
            yield from _expected(subject, step.expect, (*path, "expect"))
        yield from _expected(subject, test.expect, (*whole, "expect"))
        wanted = {part.expect.status for part in _parts(test)} | {test.expect.status}
        for path, request in (
            (whole, test.request),
            *(((*whole, "steps", n), s.request) for n, s in enumerate(test.steps)),
        ):
            yield from _requested(subject, request, (*path, "request"), 404 in wanted)


def _requested(subject: Subject, request: TestRequest, path: Path, missing: bool) -> Iterator[Diagnostic]:
    if request.model is not None and not missing and not _answered(subject, request.model):
        detail = (
            f"{request.model!r} is no model, combo or alias of this configuration. "
            "A test that means that expects `status: 404`."
        )
        near = subject.did_you_mean(request.model)
        yield subject.report("unknown-in-test", detail, (*path, "model"), suggestion=near)
    if request.key is not None and request.key not in subject.config.keys:
        yield _unknown(subject, "key", request.key, subject.config.keys, (*path, "key"))
    for name, value in (request.headers or {}).items():
        if not _TOKEN.fullmatch(name) or not _LINE.fullmatch(value):
            detail = f"{name!r} cannot be sent: a header's name is letters, digits and -, its value is one line."
            yield subject.report("bad-header", detail, (*path, "headers", name), key=True)


def _answered(subject: Subject, name: str) -> bool:
    """Whether somebody may ask for a name."""
    return subject.known_route(name) or any(matches(alias, name) for alias in subject.config.aliases)


def _expected(subject: Subject, expect: Expect, path: Path) -> Iterator[Diagnostic]:
    for index, name in enumerate(expect.path or ()):
        yield from _model(subject, name, (*path, "path", index))
    if expect.model is not None:
        yield from _model(subject, expect.model, (*path, "model"))
    providers = subject.config.providers
    if expect.provider is not None and expect.provider not in providers:
        yield _unknown(subject, "provider", expect.provider, providers, (*path, "provider"))
    for word in ("skipped", "shares", "breaker"):
        yield from _models(subject, getattr(expect, word) or (), (*path, word))
    yield from _budgets(subject, expect.budget or {}, (*path, "budget"))


def _models(subject: Subject, said: Iterable[str], path: Path) -> Iterator[Diagnostic]:
    for name in said:
        yield from _model(subject, name, (*path, name), key=True)


def _model(subject: Subject, name: str, path: Path, *, key: bool = False) -> Iterator[Diagnostic]:
    """What is sent to is a model, or one of its places."""
    if not subject.known_route(name):
        detail = f"{name!r} is no model of this configuration, nor a place of one (`model@provider`)."
        yield subject.report("unknown-in-test", detail, path, key=key, suggestion=subject.did_you_mean(name))
    elif subject.meaning(name) in subject.config.combos:
        detail = f"{name!r} is a combo. What is sent to are models; name one of those that it leads to."
        yield subject.report("unknown-in-test", detail, path, key=key)


def _budgets(subject: Subject, said: Mapping[str, Mapping[str, Money]], path: Path) -> Iterator[Diagnostic]:
    budgets = subject.config.budgets
    for name, shares in said.items():
        budget = budgets.get(name)
        if budget is None:
            yield _unknown(subject, "budget", name, budgets, (*path, name), key=True)
        elif budget.each is None and "" not in shares:
            detail = f"The budget {name!r} is one for all: write the amount alone."
            yield subject.report("impossible-test", detail, (*path, name))
        elif budget.each is not None and "" in shares:
            detail = f"The budget {name!r} is each {budget.each}'s: say whose, as in `{{NAME: 5 USD}}`."
            yield subject.report("impossible-test", detail, (*path, name))
        for whose, money in shares.items():
            if money.currency != "USD":
                place = (*path, name, whose) if whose else (*path, name)
                yield subject.report("bad-value", "Budgets are counted in USD.", place)


def _unknown(
    subject: Subject, what: str, name: str, known: Iterable[str], path: Path, *, key: bool = False
) -> Diagnostic:
    near = closest(name, known)
    suggestion = f"did you mean {near!r}?" if near is not None else None
    detail = f"There is no {what} {name!r} in this configuration."
    return subject.report("unknown-in-test", detail, path, key=key, suggestion=suggestion)


def _parts(test: Test) -> list[_Part]:
    """Every request of a test. What stands in a step wins."""
    if not test.steps:
        return [_Part((), test.request, test.expect, test.request)]
    return [
        _Part(("steps", number), _sent(test.request, step.request), step.expect, step.request)
        for number, step in enumerate(test.steps)
    ]


def _sent(base: TestRequest, more: TestRequest) -> TestRequest:
    said = {name: getattr(base, name) for name in TestRequest.model_fields}
    said.update({name: value for name in TestRequest.model_fields if (value := getattr(more, name)) is not None})
    return TestRequest.model_construct(**said)


def possible(subject: Subject) -> Iterator[Diagnostic]:
    """What is expected can come about."""
    for index, test in enumerate(subject.config.tests):
        for part in _parts(test):
            path: Path = ("tests", index, *part.path)
            request, expect = part.request, part.expect
            attempts = expect.attempts
            if attempts is not None and expect.path is not None and attempts < len(expect.path):
                detail = f"A path of {len(expect.path)} targets takes as many sends at least, not {attempts}."
                yield subject.report("impossible-test", detail, (*path, "expect", "attempts"))
            if _needs_key(subject, request) and expect.status not in (None, 401):
                detail = "The request comes without a key, and `gateway.auth` is `keys`: all it can get is 401."
                place = (*path, "expect", "status")
                yield subject.report("impossible-test", detail, place, suggestion="write `key: NAME` in the request")
            reached = _reached(subject, request)
            for at, name in enumerate((expect.path or ()) if reached is not None else ()):
                if subject.known_route(name) and not _within(subject, name, reached or set()):
                    detail = f"{request.model!r} never leads to {name!r}."
                    yield subject.report("impossible-test", detail, (*path, "expect", "path", at))


def _needs_key(subject: Subject, request: TestRequest) -> bool:
    carried = {name.lower() for name in request.headers or ()} & _CARRIERS or "key=" in (request.path or "")
    return subject.config.gateway.auth == "keys" and request.key is None and not carried


def _reached(subject: Subject, request: TestRequest) -> set[str] | None:
    """The targets that a request can come to; None where that cannot be told from its model."""
    config = subject.config
    if request.model is None or request.body is not None or request.headers is not None:
        return None  # hints may choose others
    routes = [request.model]
    for policy in config.policies:
        routes += [policy.do.route] if policy.do.route is not None else []
        routes += [policy.do.mirror.to] if policy.do.mirror is not None else []
    routes += [b.when_exhausted.route for b in config.budgets.values() if not isinstance(b.when_exhausted, str)]
    own = leaves(config, request.model)
    if not own:
        return None  # an alias with a pattern, or nothing
    return {name for route in routes for leaf in leaves(config, route) for name in (leaf.name, leaf.model)}


def _within(subject: Subject, name: str, reached: set[str]) -> bool:
    name = subject.meaning(name)
    return name in reached or any("*" in each and matches(each, name) for each in reached)


def inert(subject: Subject) -> Iterator[Diagnostic]:
    """A test can fail, and nothing in it is without effect."""
    for index, test in enumerate(subject.config.tests):
        whole: Path = ("tests", index)
        nothing = Expect()
        if test.expect == nothing and all(step.expect == nothing for step in test.steps):
            yield subject.report("inert-test", "It expects nothing, so it cannot fail.", whole, key=True)
        if test.steps and test.repeat > 1:
            detail = "A test with `steps` is not repeated. Write `repeat` in a step."
            yield subject.report("inert-test", detail, (*whole, "repeat"), key=True)
        parts = _parts(test)
        reached = [_reached(subject, part.request) for part in parts]
        every = None if None in reached else {name for each in reached for name in each or ()}
        befall: list[tuple[Path, dict[str, Faults]]] = [((*whole, "faults"), test.faults)]
        befall += [((*whole, "steps", number, "faults"), step.faults) for number, step in enumerate(test.steps)]
        for path, faults in befall:
            for name in faults if every is not None else ():
                known = (
                    name != EVERY and subject.known_route(name) and subject.meaning(name) not in subject.config.combos
                )
                if known and not _within(subject, name, every or set()):
                    detail = f"No request of this test ever comes to {name!r}."
                    yield subject.report("inert-test", detail, (*path, name), key=True)
