"""An Engine as plain values, by section and name: what two revisions are compared by.

Two Engines that do the same have equal pictures, however their files were written; whatever decides where a request
goes, who may send it and what it may cost is in it. Paths are those of the file as far as the file has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import msgspec

from gateway.config.model import Config, Credential, Provider
from gateway.config.refs import Ref
from gateway.engine.engine import Engine
from gateway.engine.limits import of_credential
from gateway.engine.planning import people
from gateway.engine.planning.nodes import Plain, allowance, fallbacks, given, leaf, split
from gateway.engine.planning.wording import networks, seconds
from gateway.engine.presets import preset_of, protocol_of
from gateway.engine.published import headers_of
from gateway.providers.endpoints import origin_of, placed
from gateway.routing.node import Chain, Node, Split, Target

Path: TypeAlias = tuple[str | int, ...]
Picture: TypeAlias = dict[str, dict[str, Any]]

# Sections that are one entry of their own; the others are entries by name.
SINGLE: Final = ("gateway", "defaults", "cache", "idempotency")


class Side(msgspec.Struct, frozen=True):
    """One of two configurations that are compared. `label` is what people call it.

    `marks`: short digests of the secrets that are known, by `Ref.key`. `at`: `file:line:column` of a path of the
    configuration, None where nobody knows.
    """

    label: str
    config: Config
    engine: Engine
    marks: Mapping[str, str] = {}
    at: Callable[[Path], str | None] = lambda path: None


def picture(side: Side) -> Picture:
    """All sections, in the order in which they are shown."""
    config, engine = side.config, side.engine
    bases: dict[str, str] = {}
    providers = {name: _provider(name, provider, side, bases) for name, provider in config.providers.items()}
    return {
        "gateway": _gateway(config, engine),
        "defaults": _defaults(engine),
        "providers": providers,
        "models": dict(_models(side, bases)),
        "aliases": dict(_aliases(side)),
        "combos": dict(_combos(side)),
        "fallbacks": dict(_fallbacks(side)),
        "keys": people.keys(engine, config, side.marks),
        "teams": people.teams(engine, config),
        "budgets": people.budgets(engine),
        "policies": people.policies(engine, config),
        "guardrails": people.guardrails(engine),
        "cache": people.cache(engine.caching),
        "idempotency": {"window": seconds(engine.idempotency)},
    }


def nodes(engine: Engine) -> dict[str, Node]:
    """Every compiled node that has a name in the file, patterns by their text."""
    found = {name: route.node for name, route in engine.routes.items()}
    found.update({pattern.text: pattern.route.node for pattern in engine.patterns})
    return found


def find(engine: Engine, name: str) -> Node | None:
    """The node that a name leads to, also where only a pattern answers to it."""
    route = engine.route(name)
    if route is not None:
        return route.node
    return next((pattern.route.node for pattern in engine.patterns if pattern.text == name), None)


def _gateway(config: Config, engine: Engine) -> Plain:
    said = config.gateway
    state: Any = said.state
    ledger = said.ledger
    return given(
        listen=said.listen,
        workers=said.workers,
        auth="open" if engine.keyring.open else "keys",
        state=state if isinstance(state, str) else state.model_dump(mode="json", exclude_defaults=True),
        on_store_failure=said.on_store_failure,
        ledger=None
        if ledger is None
        else given(
            url=ledger.url.key if isinstance(ledger.url, Ref) else ledger.url,
            keep=seconds(ledger.keep),
            flush=seconds(ledger.flush),
        ),
        config=said.config,
        trusted_proxies=networks(engine.proxies) or None,
        max_body=engine.max_body,
        drain=seconds(engine.drain),
        reload=said.reload,
        log={"level": said.log.level, "format": said.log.format},
    )


def _defaults(engine: Engine) -> Plain:
    """What is not folded into the entries that it holds for."""
    rules = next(iter(engine.rules.values()), None)
    return given(
        cap=people.caps(rules.caps) if rules is not None else None,
        price_unknown=people.rules_of(engine).price_unknown,
    )


def _provider(name: str, provider: Provider, side: Side, bases: dict[str, str]) -> Plain:
    preset = preset_of(name, provider)
    protocol = protocol_of(provider, preset)
    rules = people.rules_of(side.engine)
    base_url = provider.base_url or (preset.base_url if preset is not None else None) or ""
    endpoint = proxy = None
    try:
        url = placed(base_url, provider, protocol.name)
        origin, bases[name] = origin_of(url, provider.tls, provider.egress_proxy)
        endpoint = f"{origin.scheme}://{origin.authority if origin.port else origin.host}{bases[name]}"
        proxy = origin.proxy
    except ValueError:
        bases[name] = ""  # no model is there, so nothing was compiled of it
    ca, verify = (provider.tls.ca, provider.tls.verify) if provider.tls is not None else (None, True)
    credentials: dict[str, Plain] = {}
    if provider.api_keys:
        for key, each in provider.api_keys.items():
            credentials[key] = _credential(each, name, key, provider, side)
    elif provider.api_key is not None and not provider.api_key.none:
        credentials["default"] = _reference(provider.api_key, side.marks)
    return given(
        protocol=protocol.name,
        endpoint=endpoint,
        auth=provider.auth or (preset.auth if preset is not None else "") or protocol.auth,
        region=provider.region,
        api_version=provider.api_version,
        proxy=None if proxy is None else without_password(proxy),
        tls=given(ca=ca, verify=None if verify else False) or None,
        headers=headers_of(provider.headers) or None,
        credentials=credentials or None,
        limits=allowance(rules.things.get(f"provider:{name}")),
        bans=[_ban(ban) for ban in _bans(name, side.engine)] or None,
    )


def without_password(url: str) -> str:
    """A URL whose user and password, if it has any, are not told."""
    parts = urlsplit(url)
    return (
        url if parts.username is None else urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))
    )


def _credential(said: Credential, provider: str, name: str, of: Provider, side: Side) -> Plain:
    word = of_credential(provider, name, of)
    return {
        **_reference(said.key, side.marks),
        **given(tier=said.tier or None, limits=allowance(people.rules_of(side.engine).things.get(word))),
    }


def _reference(ref: Ref, marks: Mapping[str, str]) -> Plain:
    return {"from": "none"} if ref.none else {"from": ref.key, "fingerprint": marks.get(ref.key, "")}


def _bans(provider: str, engine: Engine) -> Iterator[Any]:
    for node in nodes(engine).values():
        for target in _targets(node):
            if target.provider == provider:
                yield from target.bans
                return


def _ban(said: Any) -> Plain:
    return {
        "on": [*said.statuses, *said.kinds],
        "failures": said.failures,
        "within": seconds(said.window),
        "for": seconds(said.rest),
    }


def _targets(node: Node) -> tuple[Target, ...]:
    primary = node.primary if isinstance(node, Chain) else node
    if isinstance(primary, Target):
        return (primary,)
    return tuple(branch.node for branch in getattr(primary, "branches", ()) if isinstance(branch.node, Target))


def _models(side: Side, bases: Mapping[str, str]) -> Iterator[tuple[str, Plain]]:
    engine, rules = side.engine, people.rules_of(side.engine)
    known = nodes(engine)
    for name, model in side.config.models.items():
        node = known[name]
        primary = node.primary if isinstance(node, Chain) else node
        entry: Plain = {"visibility": model.visibility}
        if isinstance(primary, Target):
            entry |= leaf(primary, bases[primary.provider])
        elif isinstance(primary, Split):
            entry |= split(primary, partial(find, engine), rules)
            for place, branch in zip(entry["targets"], primary.branches, strict=True):
                if isinstance(branch.node, Target):
                    place |= leaf(branch.node, bases[branch.node.provider])
                    place |= given(limits=allowance(rules.things.get(f"deployment:{branch.node.name}")))
        limits = allowance(rules.things.get(f"model:{name}"))
        yield name, {**entry, **given(limits=limits)}


def _combos(side: Side) -> Iterator[tuple[str, Plain]]:
    for name in side.config.combos:
        node = side.engine.routes[name].node
        primary = node.primary if isinstance(node, Chain) else node
        if isinstance(primary, Split):
            yield name, split(primary, partial(find, side.engine), people.rules_of(side.engine))


def _aliases(side: Side) -> Iterator[tuple[str, Plain]]:
    known = nodes(side.engine)
    for name in side.config.aliases:
        yield name, {"to": known[name].name}


def _fallbacks(side: Side) -> Iterator[tuple[str, Plain]]:
    for name, node in nodes(side.engine).items():
        if isinstance(node, Chain) and node.name == name:
            yield name, fallbacks(node)
