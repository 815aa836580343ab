"""Config + StatePool → Engine: names become references here, and nowhere later.

The configuration has been checked (`config.load`), so a name that cannot be found here is a fault of the gateway, not
of the file. Everything that every request would otherwise compute is computed once: URLs, header blocks, time-outs,
the order of patterns. Secrets go into lanes and the keyring, never into nodes; the digest over the nodes names the
program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.cache.rules import Caching
from gateway.config.model import Combo, Config, Deployment, Key, Model, Provider, RequestEdits
from gateway.config.model import Target as Wanted
from gateway.config.patterns import part, specificity
from gateway.config.refs import Ref, Secrets
from gateway.engine import limits
from gateway.engine.access import Allowed, Caller, Keyring, former
from gateway.engine.bans import bans_of
from gateway.engine.caches import caching_of
from gateway.engine.conditions import compiled, networks_of
from gateway.engine.contests import plan_of
from gateway.engine.engine import Engine, Pattern, Route, fill, time_for
from gateway.engine.facts import described
from gateway.engine.nearest import breaker_of, retries_of, timeouts_of
from gateway.engine.ordering import ordering_of, sticky_of, watched
from gateway.engine.policies import rules_of
from gateway.engine.presets import preset_of, protocol_of
from gateway.failure import RULES, Falls, Kind
from gateway.protocols.contract import Dialect, Edits
from gateway.providers.auth import AUTH
from gateway.providers.catalog import Preset
from gateway.providers.endpoints import origin_of, placed
from gateway.providers.hosts import HOSTS, OWN
from gateway.providers.models import catalog_of
from gateway.providers.signing import SIGNERS
from gateway.routing.gate import Gate
from gateway.routing.limiting import Limits
from gateway.routing.node import Branch, Chain, Fallback, Node, Split, Target, targets
from gateway.routing.runtime import Lane, Runtime
from gateway.state.breaker import Breaker
from gateway.state.pool import Cursor, Identity, Load, StatePool
from gateway.transport.contract import Origin, Timeouts

_SENT: Final = (("content-type", "application/json"), ("accept-encoding", "identity"))
_FALLING: Final = frozenset(kind for kind, rule in RULES.items() if rule.falls is Falls.YES)


def build(config: Config, secrets: Secrets, state: StatePool | None = None, *, revision: str) -> Engine:
    """The Engine of a checked configuration; without `state` one that is only looked at.

    Raises KeyError or ValueError only for what checking let through.
    """
    return _Builder(config, secrets, state or StatePool(), revision).engine()


class _Builder:
    """One compilation: the tables that are filled on the way."""

    def __init__(self, config: Config, secrets: Secrets, state: StatePool, revision: str) -> None:
        self.config = config
        self.secrets = secrets
        self.state = state
        self.revision = revision
        self.nodes: dict[str, Node] = {}
        self.lanes: dict[str, tuple[Lane, ...]] = {}
        self.loads: dict[str, Load] = {}
        self.pools: dict[str, Cursor] = {}
        self.cursors: dict[str, Cursor] = {}
        self.credentials: dict[str, tuple[tuple[str, str, str], ...]] = {}
        self.origins: dict[str, tuple[Origin, str]] = {}
        self.breakers: dict[Identity, Breaker] = {}
        self.rules = rules_of(config)
        self.proxies = networks_of(config.gateway.trusted_proxies)
        self.limiting = limits.rules(config)

    def engine(self) -> Engine:
        config = self.config
        routes = {name: self.route(name) for name in (*config.models, *config.combos) if "*" not in name}
        patterns: list[tuple[str, Route, bool]] = [
            (name, self.route(name), True) for name in config.models if "*" in name
        ]
        for name, model in config.models.items():
            for deployment in model.deployments:
                place = f"{name}@{deployment.provider}"
                route = msgspec.structs.replace(self.route(place), public=model.visibility == "public")
                routes[place] = route
        for alias in config.aliases:
            route = self.route(self.meaning(alias))
            if "*" in alias:
                patterns.append((alias, msgspec.structs.replace(route, label=alias, public=True), False))
            else:
                routes[alias] = msgspec.structs.replace(route, name=alias, label=alias, public=True)
        ordered = sorted(patterns, key=lambda item: specificity(item[0]))
        reached = (*routes.values(), *(route for _, route, _ in ordered))
        caching = caching_of(config.cache, reached, self.node, lambda name: self.origins[name][1], _plain)
        limited = Limits(self.limiting, self.state.meters) if self.limiting.any else None
        return Engine(
            revision=self.revision,
            digest=self.digest(routes, ordered, caching),
            routes=routes,
            patterns=tuple(Pattern(*item) for item in ordered),
            runtime=self.runtime(
                [route.node for route in (*routes.values(), *(item[1] for item in ordered))],
                Gate(limited) if limited is not None else None,
            ),
            keyring=self.keyring(),
            origins=frozenset(origin for origin, _ in self.origins.values()),
            max_body=config.gateway.max_body,
            drain=config.gateway.drain,
            providers=frozenset(config.providers),
            caching=caching,
            idempotency=config.idempotency.window,
            rules=self.rules,
            proxies=self.proxies,
            limits=limited,
        )

    def runtime(self, nodes: list[Node], gate: Gate | None) -> Runtime:
        marks = {name: tuple(key + mark for key, _, mark in known) for name, known in self.credentials.items()}
        counts = self.config.gateway.ledger is not None
        plain = Runtime(
            self.lanes, self.loads, self.pools, self.cursors, gate=gate, counts=counts, copies=self.state.copies
        )
        return watched(plain, nodes, self.state, marks)

    def meaning(self, alias: str) -> str:
        """The model or combo at the end of a chain of aliases."""
        name = alias
        while name in self.config.aliases:
            name = self.config.aliases[name]
        return name

    def route(self, name: str) -> Route:
        node = self.node(name)
        reached = targets(node)
        model = self.config.models.get(name)
        return Route(
            name=name,
            label=name,
            node=node,
            budget=time_for(reached),
            models=tuple(dict.fromkeys(target.model for target in reached)),
            protocols=frozenset(target.protocol for target in reached),
            public=model is None or model.visibility == "public",
            owner=reached[0].provider if model is not None and len(reached) == 1 else "gateway",
        )

    def node(self, name: str) -> Node:
        """The node of a public or internal name, with the fallbacks of that name; each is built once."""
        name = self.meaning(name)
        known = self.nodes.get(name)
        if known is not None:
            return known
        if name in self.config.models:
            node = self.model(name, self.config.models[name])
        elif name in self.config.combos:
            node = self.combo(name, self.config.combos[name])
        elif name.rpartition("@")[0] in self.config.models:
            node = self.deployment(name)
        else:
            node = self.filled(name)
        rules = self.config.fallbacks.get(name)
        if rules:
            node = Chain(
                name,
                node,
                tuple(Fallback(_kinds(rule.on), tuple(self.node(to) for to in rule.to)) for rule in rules),
                self.resumes(self.config.combos.get(name)),
            )
        self.nodes[name] = node
        return node

    def filled(self, name: str) -> Node:
        """A name that only a pattern model answers to; the most specific one does."""
        for pattern in sorted((each for each in self.config.models if "*" in each), key=specificity):
            star = part(pattern, name)
            if star:
                return fill(self.node(pattern), name, star)
        raise KeyError(name)

    def combo(self, name: str, combo: Combo) -> Node:
        branches = tuple(
            _branch(self.wanted(f"{name}[{index}]", target), target) for index, target in enumerate(combo.targets)
        )
        return self.split(name, combo.strategy, branches, combo)

    def wanted(self, place: str, target: Wanted) -> Node:
        """A target of a combo: a name, or a group with a strategy of its own."""
        if target.group is not None:
            branches = tuple(
                _branch(self.wanted(f"{place}[{index}]", inner), inner) for index, inner in enumerate(target.group)
            )
            group = self.split(place, target.strategy or "priority", branches, target)
            return limits.limited(group, limits.of_place(place)) if target.limits is not None else group
        if target.model is None:
            raise ValueError(f"{place} has neither a model nor a group")
        node = self.node(target.model)
        if target.timeouts is not None or target.retries is not None:
            node = self.overridden(node, target)
        return limits.limited(node, limits.of_place(place)) if target.limits is not None else node

    def overridden(self, node: Node, wanted: Wanted) -> Node:
        """A node with what its place in a combo says of time-outs and retries, which is nearer than its own."""
        if isinstance(node, Target):
            name = node.model
            model = self.config.models[name]
            provider = self.config.providers[node.provider]
            deployment = _deployment_of(model, node.provider)
            return self.timed(node, (wanted, deployment, model, provider))
        if isinstance(node, Chain):
            return msgspec.structs.replace(node, primary=self.overridden(node.primary, wanted))
        branches = tuple(
            msgspec.structs.replace(branch, node=self.overridden(branch.node, wanted)) for branch in node.branches
        )
        return msgspec.structs.replace(node, branches=branches)

    def split(self, name: str, strategy: str, branches: tuple[Branch, ...], said: Combo | Wanted | None) -> Split:
        self.cursors[name] = self.state.cursor(name)
        plan = plan_of(strategy, self.config.combos.get(name), self.node)
        around = self.config.combos.get(name.partition("[")[0])  # a group is named by its place in a combo
        hold = said.hold if said is not None else None
        return Split(
            name,
            strategy,
            branches,
            hold or 0,
            ordering_of(said, branches, strategy),
            sticky_of(said) if isinstance(said, Combo) else None,
            plan,
            self.resumes(around),
        )

    def resumes(self, combo: Combo | None) -> bool:
        """Whether a stream that breaks off is gone on with."""
        said = combo.after_commit if combo is not None else None
        return (said or self.config.defaults.after_commit) == "resume"

    def model(self, name: str, model: Model) -> Node:
        if not model.deployments:
            if model.provider is None:
                raise ValueError(f"model {name} has neither a provider nor deployments")
            return self.target(name, name, model, model.provider, None)
        branches = tuple(
            Branch(
                self.target(f"{name}@{deployment.provider}", name, model, deployment.provider, deployment),
                _weight(deployment.weight),
            )
            for deployment in model.deployments
        )
        return self.split(name, model.strategy or "least_busy", branches, None)

    def deployment(self, name: str) -> Node:
        """`model@provider`: one place of a model that has several."""
        base, _, provider = name.rpartition("@")
        model = self.config.models[base]
        deployment = _deployment_of(model, provider)
        if deployment is None:
            raise KeyError(name)
        return self.target(name, base, model, provider, deployment)

    def target(self, name: str, base: str, model: Model, provider_name: str, deployment: Deployment | None) -> Target:
        provider = self.config.providers[provider_name]
        preset = preset_of(provider_name, provider)
        origin, path = self.origin(provider_name, provider, preset)
        protocol = protocol_of(provider, preset)
        host = HOSTS[preset.host if preset is not None else ""]
        version = provider.api_version or ""
        upstream = (deployment.id if deployment is not None else None) or model.id or base
        quirks = preset.quirks if preset is not None else ()
        target = Target(
            name=name,
            lanes=name,
            model=base,
            provider=provider_name,
            upstream=upstream,
            protocol=protocol.name,
            origin=origin,
            path=path + host.path(protocol, upstream, False, version),
            stream_path=path + host.path(protocol, upstream, True, version),
            count_path=(
                path + protocol.counting.endpoint(upstream) if protocol.counting is not None and host is OWN else None
            ),
            whole=Timeouts(),
            streamed=Timeouts(),
            first_token=None,
            total=None,
            retries=retries_of(()),
            breaker=breaker_of(_said("breaker", (model, provider, self.config.defaults))),
            edits=_edits(host.edits, model.request, deployment.request if deployment is not None else None),
            dialect=Dialect(provider_name, upstream, frozenset(quirks)),
            on_lossy=next(iter(_said("on_lossy", (model, provider, self.config.defaults))), "warn"),
            context=None,
            tags=tuple(dict.fromkeys((*provider.tags, *model.tags, *(deployment.tags if deployment else ())))),
            bans=bans_of(provider.bans),
            limits=limits.of_target(provider_name, base, provider, model, deployment),
        )
        base_url = provider.base_url or (preset.base_url if preset is not None else None)
        target = described(target, model, catalog_of(preset.name if preset is not None else None, base_url))
        target = self.timed(target, (deployment, model, provider))
        self.lanes[name] = self.lane(target, provider_name, provider, preset)
        self.loads[name] = self.state.load(name)
        self.pools[name] = self.state.cursor(f"credentials of {name}")
        return target

    def timed(self, target: Target, nearest: Iterable[Any]) -> Target:
        """The target with time-outs and retries of the nearest places that say something; defaults come last."""
        places = (*nearest, self.config.defaults)
        times = timeouts_of(_said("timeouts", places))
        return msgspec.structs.replace(
            target,
            whole=Timeouts(connect=times.connect, first_byte=None, idle=times.idle, total=times.total),
            streamed=Timeouts(connect=times.connect, first_byte=times.first_token, idle=times.idle, total=times.total),
            first_token=times.first_token,
            total=times.total,
            retries=retries_of(_said("retries", places)),
        )

    def origin(self, name: str, provider: Provider, preset: Preset | None) -> tuple[Origin, str]:
        known = self.origins.get(name)
        if known is None:
            base_url = provider.base_url or (preset.base_url if preset is not None else None)
            if base_url is None:
                raise ValueError(f"provider {name} has no base_url")
            known = origin_of(
                placed(base_url, provider, protocol_of(provider, preset).name), provider.tls, provider.egress_proxy
            )
            self.origins[name] = known
        return known

    def lane(self, target: Target, name: str, provider: Provider, preset: Preset | None) -> tuple[Lane, ...]:
        fixed = tuple((header.lower(), value) for header, value in provider.headers.items())
        protocol = protocol_of(provider, preset)
        scheme = provider.auth or (preset.auth if preset is not None else "") or protocol.auth
        sent = _SENT + tuple(pair for pair in protocol.headers if pair[0] not in {name for name, _ in fixed})
        lanes = []
        for credential, secret, mark in self.credentials_of(name, provider):
            own = self.breaker(Identity(name, credential + mark, target.model))
            whole = self.breaker(Identity(name, credential + mark, "*"))
            signer = SIGNERS[scheme](secret, provider.region) if scheme in SIGNERS else None
            signed = AUTH[scheme](secret) if secret and signer is None else ()
            each = provider.api_keys.get(credential)
            word = limits.of_credential(name, credential, provider)
            lanes.append(Lane(credential, sent + signed + fixed, own, whole, signer, each.tier if each else 0, word))
        return tuple(sorted(lanes, key=lambda lane: lane.tier))

    def credentials_of(self, name: str, provider: Provider) -> tuple[tuple[str, str, str], ...]:
        """(name, secret, mark of the secret) of each credential; a changed secret is a new identity."""
        known = self.credentials.get(name)
        if known is None:
            refs: list[tuple[str, Ref]]
            if provider.api_keys:
                refs = [(key, each.key) for key, each in provider.api_keys.items()]
            elif provider.api_key is None or provider.api_key.none:
                refs = [("none", Ref(none=True))]
            else:
                refs = [("default", provider.api_key)]
            known = tuple((key, _value(self.secrets, ref), f"#{self.secrets.mark(ref)}") for key, ref in refs)
            self.credentials[name] = known
        return known

    def breaker(self, identity: Identity) -> Breaker:
        return self.breakers.setdefault(identity, self.state.breaker(identity))

    def keyring(self) -> Keyring:
        callers: dict[bytes, Caller] = {}
        for name, key in self.config.keys.items():
            caller = self.caller(name, key)
            callers |= former(caller, key)
            callers[caller.digest] = caller
        return Keyring(open=self.config.gateway.auth == "open", callers=callers)

    def caller(self, name: str, key: Key) -> Caller:
        if key.hash is not None:
            digest = bytes.fromhex(key.hash.removeprefix("sha256:"))
        else:
            if key.from_ is None:
                raise ValueError(f"key {name} has no secret")
            digest = sha256(_value(self.secrets, key.from_).encode()).digest()
        allow = key.allow
        return Caller(
            name=name,
            team=key.team,
            tags=tuple(key.tags),
            trust=frozenset(key.trust),
            admin=key.admin,
            allow=None if allow is None else frozenset(entry for entry in allow if "*" not in entry),
            patterns=tuple(entry for entry in allow or () if "*" in entry),
            expires=key.expires,
            disabled=key.disabled,
            hints=key.hints,
            explain=key.explain or key.admin,
            digest=digest,
            team_allows=self.team_allows(key.team),
        )

    def team_allows(self, team: str | None) -> Allowed | None:
        """What the members of a team may use, None for everything."""
        allow = self.config.teams[team].allow if team in self.config.teams else None
        return None if allow is None else _allowed(allow)

    def digest(
        self, routes: Mapping[str, Route], patterns: list[tuple[str, Route, bool]], caching: Caching | None
    ) -> str:
        """Over everything that decides where a request goes; secrets by their marks."""
        program = {
            "routes": {name: (route.node, route.public) for name, route in routes.items()},
            "patterns": [(text, route.node, fills) for text, route, fills in patterns],
            "credentials": {
                name: [(credential, mark) for credential, _, mark in known] for name, known in self.credentials.items()
            },
            "tiers": {
                name: [lane.tier for lane in lanes]
                for name, lanes in self.lanes.items()
                if any(lane.tier for lane in lanes)
            },
            "caching": msgspec.structs.replace(caching, routes={}) if caching is not None else None,
            "idempotency": self.config.idempotency.window,
            "keys": self.config.model_dump(mode="json", include={"keys", "teams"}),
            "rules": self.rules,
            "proxies": self.proxies,
            "limits": self.limiting,
        }
        return sha256(msgspec.json.encode(program, enc_hook=_plain, order="deterministic")).hexdigest()


def _said(field: str, places: Iterable[Any]) -> list[Any]:
    """What each place says of a field, nearest first."""
    found = (getattr(place, field, None) for place in places if place is not None)
    return [value for value in found if value is not None]


def _kinds(words: list[str] | None) -> frozenset[Kind]:
    """What a fallback rule names; where it names nothing, every kind that falls by itself."""
    return _FALLING if words is None else frozenset(Kind(word) for word in words)


def _value(secrets: Secrets, ref: Ref) -> str:
    return "" if ref.none else secrets.value(ref)


def _allowed(allow: list[str]) -> Allowed:
    return Allowed(frozenset(entry for entry in allow if "*" not in entry), tuple(e for e in allow if "*" in e))


def _branch(node: Node, target: Wanted) -> Branch:
    return Branch(node, _weight(target.weight), compiled(target.when) if target.when is not None else None)


def _weight(weight: float | None) -> float:
    return 1.0 if weight is None else weight


def _deployment_of(model: Model, provider: str) -> Deployment | None:
    return next((deployment for deployment in model.deployments if deployment.provider == provider), None)


def _edits(host: Edits, *nearest_last: RequestEdits | None) -> Edits:
    """The edits of a host, a model and its deployment as one; the deployment is nearest."""
    default: dict[str, bytes] = dict(host.default)
    always: dict[str, bytes] = dict(host.set)
    drop: dict[str, None] = {}
    for edits in nearest_last:
        if edits is not None:
            default.update({name: msgspec.json.encode(value) for name, value in edits.default.items()})
            always.update({name: msgspec.json.encode(value) for name, value in edits.options.items()})
            always.update({name: msgspec.json.encode(value) for name, value in edits.set.items()})
            drop.update(dict.fromkeys(edits.drop))
    return Edits(tuple(default.items()), tuple(always.items()), tuple(drop), host.model_in_body)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"cannot be part of a digest: {type(value).__name__}")
