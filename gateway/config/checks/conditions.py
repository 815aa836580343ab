"""Conditions: what they name is there, what they ask for can be, wherever a condition may stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from gateway.config.checks.subject import Subject
from gateway.config.model_policies import Bounds, Hours, When
from gateway.config.reach import ANONYMOUS, globs
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic
from gateway.diagnostics.suggest import closest

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Vocabulary(NamedTuple):
    """Words that a field of a condition may name, and what people call one of them."""

    what: str
    words: frozenset[str]
    open: bool = False  # requests may bring others


def standing(subject: Subject) -> Iterator[tuple[Path, When]]:
    """Every condition of the file that is not inside another, with its path."""
    for index, policy in enumerate(subject.config.policies):
        yield ("policies", index, "when"), policy.when
    for path, target in subject.targets():
        if target.when is not None:
            yield (*path, "when"), target.when
    cache = subject.config.cache
    if cache is not None:
        for name, kind in (("exact", cache.exact), ("semantic", cache.semantic)):
            if kind is not None:
                yield ("cache", name, "only_when"), kind.only_when


def _inside(path: Path, when: When) -> Iterator[tuple[Path, When]]:
    """A condition and all that are inside it."""
    yield path, when
    for name, several in (("any", when.any_), ("all", when.all_)):
        for index, each in enumerate(several or ()):
            yield from _inside((*path, name, index), each)
    if when.not_ is not None:
        yield from _inside((*path, "not"), when.not_)


def _every(subject: Subject) -> Iterator[tuple[Path, When]]:
    for path, when in standing(subject):
        yield from _inside(path, when)


def words_path(subject: Subject, path: Path, index: int) -> Path:
    """Where a word stands in a field that may be a word or a list of them."""
    value: Any = subject.written
    try:
        for step in path:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return path
    return (*path, index) if isinstance(value, list) else path


def vocabularies(subject: Subject) -> dict[str, Vocabulary]:
    """By the field of a condition."""
    config, known = subject.config, subject.known
    keys = config.keys.values()
    tags = {tag for key in keys for tag in key.tags} | {tag for each in config.policies for tag in each.do.tag}
    nobody = {ANONYMOUS} if config.gateway.auth == "open" else set()
    return {
        "key": Vocabulary("key of this configuration", frozenset(config.keys) | nobody),
        "team": Vocabulary(
            "team of this configuration", frozenset(config.teams) | {key.team for key in keys if key.team is not None}
        ),
        "tags": Vocabulary(
            "tag that a key has or a policy gives", frozenset(tags), any("tags" in key.trust for key in keys)
        ),
        "protocol": Vocabulary("protocol that clients speak", known.client_protocols),
        "operation": Vocabulary("operation", known.operations),
    }


def named_words(subject: Subject) -> Iterator[Diagnostic]:
    """Keys, teams, tags, protocols, operations and models of conditions are there."""
    known = vocabularies(subject)
    for path, when in _every(subject):
        for field, vocabulary in known.items():
            for index, word in enumerate(getattr(when, field) or ()):
                if vocabulary.open or _found(word, vocabulary.words):
                    continue
                near = closest(word, vocabulary.words) if "*" not in word else None
                detail = f"{word!r} is no {vocabulary.what}, so this never holds."
                place = words_path(subject, (*path, field), index)
                fix = f"did you mean {near!r}?" if near is not None else None
                yield subject.report("unknown-in-condition", detail, place, suggestion=fix, among=vocabulary.words)
        for index, word in enumerate(when.model or ()):
            place = words_path(subject, (*path, "model"), index)
            if "*" in word:
                if not _found(word, (*subject.routes, *subject.places)) and not _open_models(subject):
                    detail = f"No model, combo or alias matches {word!r}, so this never holds."
                    yield subject.report("unknown-in-condition", detail, place)
            elif not subject.known_route(word) and not _by_alias(subject, word):
                detail = f"{word!r} is no model, combo or alias of this configuration, so this never holds."
                yield subject.report(
                    "unknown-in-condition", detail, place, suggestion=subject.did_you_mean(word), among=subject.names
                )
        if when.user is not None and not any("user" in key.trust for key in subject.config.keys.values()):
            detail = "No key says `trust: [user]`, so no request has a user, and this never holds."
            yield subject.report("unknown-in-condition", detail, (*path, "user"), key=True)


def _found(word: str, known: Iterable[str]) -> bool:
    return any(globs((word,), each) for each in known)


def _open_models(subject: Subject) -> bool:
    """Whether names can be asked for that the file does not list."""
    return any("*" in name for name in (*subject.config.models, *subject.config.aliases))


def _by_alias(subject: Subject, word: str) -> bool:
    return any("*" in alias and globs((alias,), word) for alias in subject.config.aliases)


def addresses(subject: Subject) -> Iterator[Diagnostic]:
    """Networks are written as networks."""
    for path, when in _every(subject):
        for index, text in enumerate(when.client_ip or ()):
            yield from _network(subject, text, words_path(subject, (*path, "client_ip"), index))
    for index, text in enumerate(subject.config.gateway.trusted_proxies):
        yield from _network(subject, text, ("gateway", "trusted_proxies", index))


def _network(subject: Subject, text: str, path: Path) -> Iterator[Diagnostic]:
    try:
        ip_network(text)
    except ValueError:
        fix = None
        try:
            fix = f"did you mean {str(ip_network(text, strict=False))!r}?"
            detail = f"{text!r} is an address inside a network: bits beyond its prefix are set."
        except ValueError:
            detail = f"{text!r} is no network, such as 10.0.0.0/8 or 2001:db8::/32, and no address."
        yield subject.report("bad-network", detail, path, suggestion=fix)


def headers(subject: Subject) -> Iterator[Diagnostic]:
    """Headers have names that a request can have."""
    for path, when in _every(subject):
        for name in when.headers or {}:
            if not _HEADER.fullmatch(name):
                detail = f"{name!r} is no name of a header: letters, digits and - are."
                yield subject.report("bad-header", detail, (*path, "headers", name), key=True)


def hours(subject: Subject) -> Iterator[Diagnostic]:
    """Times of day are in zones that there are, and are some time."""
    for path, when in _every(subject):
        if when.hours is not None:
            yield from _hours(subject, when.hours, (*path, "hours"))


def _hours(subject: Subject, said: Hours, path: Path) -> Iterator[Diagnostic]:
    try:
        ZoneInfo(said.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = closest(said.timezone, available_timezones())
        detail = f"{said.timezone!r} is no time zone, such as Europe/Berlin or UTC."
        fix = f"did you mean {near!r}?" if near is not None else None
        yield subject.report("bad-timezone", detail, (*path, "timezone"), suggestion=fix)
    if said.from_ == said.until:
        detail = f"It ends at {said.until}, when it begins. For a whole day leave both out."
        yield subject.report("contradiction", detail, (*path, "until"))
    if said.days == []:
        yield subject.report("contradiction", "It begins on no day, so this never holds.", (*path, "days"))


def ranges(subject: Subject) -> Iterator[Diagnostic]:
    """Ranges have something in them, and lists of words a word."""
    for path, when in _every(subject):
        for field in ("input_tokens", "max_tokens"):
            bounds: Bounds | None = getattr(when, field)
            low, high = (None, None) if bounds is None else (bounds.at_least, bounds.at_most)
            if low is not None and high is not None and low > high:
                detail = f"Nothing is at least {low:,} and at most {high:,}."
                yield subject.report("contradiction", detail, (*path, field))
        for field in ("model", "key", "team", "user", "tags", "client_ip", "protocol", "operation"):
            if getattr(when, field) == []:
                yield subject.report("contradiction", "One of no words never holds.", (*path, field))
        if when.any_ == []:
            yield subject.report("contradiction", "One of no conditions never holds.", (*path, "any"))


def misplaced(subject: Subject) -> Iterator[Diagnostic]:
    """A target's condition is looked at by `strategy: when` only."""
    for path, target in subject.targets():
        if target.when is None:
            continue
        strategy = _strategy_over(subject, path)
        if strategy != "when":
            detail = f"`{strategy}` does not look at conditions. Use `strategy: when`, or remove it."
            yield subject.report("inert-option", detail, (*path, "when"), key=True)


def _strategy_over(subject: Subject, path: Path) -> str:
    """The strategy of the list that a target stands in."""
    group = max((at for at, step in enumerate(path) if step == "group"), default=None)
    if group is None:
        return subject.config.combos[str(path[1])].strategy
    holder: Any = next(target for place, target in subject.targets() if place == path[:group])
    return holder.strategy or "priority"
