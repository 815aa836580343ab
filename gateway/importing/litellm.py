"""LiteLLM's proxy: `config.yaml`.

Sources, besides those of `litellm_models`, `litellm_hosts` and `litellm_clouds`:
https://docs.litellm.ai/docs/proxy/config_settings (every section), https://docs.litellm.ai/docs/proxy/reliability
(fallbacks, retries, cooldowns), `litellm/router.py` and `litellm/router_utils/cooldown_handlers.py` (a retry draws
from the group again; a deployment rests after more than `allowed_fails` failures, by default when more than half of a
minute's requests failed), `litellm/constants.py` (2 retries, 3 fails, 5 s, 5 fallbacks deep). `router_settings` win
over `litellm_settings` where both say a thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.draft import Draft, result
from gateway.importing.groups import Member, add_group
from gateway.importing.imported import Account, Imported, Path, Refused
from gateway.importing.litellm_clouds import referred
from gateway.importing.litellm_models import HERE, Deployed, Draw, Reader
from gateway.importing.litellm_sections import SECTIONS, settings
from gateway.importing.secrets import is_variable, secretive
from gateway.importing.source import items, mapping, text_of, truth

NAME: Final = "litellm"
_SIGNS: Final = ("model_list", "litellm_settings", "router_settings", "general_settings")
_STRATEGIES: Final = {
    "simple-shuffle": Draw(),
    "least-busy": Draw("least_busy", shuffles=False),
    "latency-based-routing": Draw("fastest", shuffles=False),
    "cost-based-routing": Draw("cheapest", shuffles=False),
    "usage-based-routing": Draw("least_used", shuffles=False, limits=True),
    "usage-based-routing-v2": Draw("least_used", shuffles=False, limits=True),
}
_STRATEGY_DIFFERS: Final = {
    "simple-shuffle": "The first is drawn the same; the others follow without anyone being drawn twice.",
    "least-busy": "Equals are drawn at random here.",
    "latency-based-routing": "By the time to the first token, moving, of two drawn at random; there by mean latency.",
    "cost-based-routing": "By what this request is estimated to cost; there by the price of a token.",
    "usage-based-routing": "By requests sent, there by tokens used in this minute.",
    "usage-based-routing-v2": "By requests sent, there by tokens used in this minute.",
}


def looks_like(tree: Any) -> str | None:
    """Why a tree is LiteLLM's; None where it is not."""
    found = [name for name in _SIGNS if name in mapping(tree)]
    return f"it has `{found[0]}`" if found else None


def read(tree: Any) -> Imported:
    """The import of one configuration. Raises `Refused`."""
    if not isinstance(tree, dict):
        raise Refused("LiteLLM's configuration is a mapping with a `model_list`.")
    draft, account = Draft(tree), Account()
    draw = _draw(tree, account)
    stored = {
        str(row["credential_name"]): mapping(row.get("credential_values"))
        for row in items(tree.get("credential_list"))
        if isinstance(row, dict) and "credential_name" in row
    }
    groups = _groups(tree, Reader(draft, account, draw, stored), account)
    routes = {name: _declare(name, members, draft, account, draw) for name, members in groups.items()}
    routes = {name: route for name, route in routes.items() if route}
    _aliases(tree, routes, draft, account)
    settings(tree, routes, draft, account)
    _fallbacks(tree, routes, draft, account)
    _stored(tree, account)
    account.manual(("include",), (), "Import these files as well, or write their models into this one first.")
    if tree.get("model_list") == []:
        account.exact(("model_list",), (), "There are no models in it.")
    for section, why in SECTIONS.items():
        if section in tree:
            account.unsupported((section,), why)
    _who(tree, draft, account)
    _left_unsaid(tree, account)
    return result(NAME, draft, account, tree)


def _stored(tree: Mapping[str, Any], account: Account) -> None:
    """What is told of `credential_list`, whose values stand at the providers of the deployments that name them."""
    account.exact(("credential_list",), (), "It stands at each provider whose deployment names it.")
    for index, row in enumerate(items(tree.get("credential_list"))):
        for name, value in mapping(mapping(row).get("credential_values")).items():
            if isinstance(value, str) and referred(value) is None and secretive(name):
                account.manual(
                    ("credential_list", index, "credential_values", name),
                    (),
                    "It is written out in the source: put it into the variable that the provider names.",
                )


def _draw(tree: Mapping[str, Any], account: Account) -> Draw:
    router = mapping(tree.get("router_settings"))
    wanted = text_of(router.get("routing_strategy"))
    path: Path = ("router_settings", "routing_strategy")
    checked = truth(router.get("enable_pre_call_checks")) or "enforce_model_rate_limits" in [
        each for each in items(router.get("optional_pre_call_checks")) if isinstance(each, str)
    ]
    name = wanted if wanted in _STRATEGIES else "simple-shuffle"
    draw = _STRATEGIES[name]
    if wanted is not None and wanted != name:
        account.manual(path, (), f"No strategy is like {wanted!r}; deployments are drawn by weight, LiteLLM's default.")
    elif wanted is not None:
        account.approximate(path, (), _STRATEGY_DIFFERS[name])
    return Draw(draw.strategy, draw.shuffles, draw.limits or bool(checked))


def _groups(tree: Mapping[str, Any], reader: Reader, account: Account) -> dict[str, list[Deployed]]:
    groups: dict[str, list[Deployed]] = {}
    for index, row in enumerate(items(tree.get("model_list"))):
        path: Path = ("model_list", index)
        name = text_of(mapping(row).get("model_name"))
        if name is None:
            account.unsupported(path, "It has no `model_name`, so nobody can ask for it.")
            continue
        deployed = reader.deployment(row, path)
        if deployed is not None:
            groups.setdefault(name, []).append(deployed)
    return groups


def _declare(name: str, group: list[Deployed], draft: Draft, account: Account, draw: Draw) -> str:
    """Declares a model group; its name here, "" where there is nothing left of it."""
    stars = name.count("*")
    usable: list[Deployed] = []
    for deployed in group:
        why = None
        if stars > 1 or deployed.id.count("*") > 1:
            why = "A pattern has one `*` here."
        elif stars == 0 and "*" in deployed.id:
            why = "Its model is a pattern, but its name has nothing to fill it from."
        elif stars == 1 and "*" not in deployed.id:
            why = "Every name that matches would be the same model: write an alias for each that is used."
        elif stars == 1 and usable:
            why = "A pattern has one provider here, and another deployment has it."
        if why is None:
            usable.append(deployed)
        else:
            account.unsupported(deployed.path, f"Left out. {why}")
    if not usable:
        return ""
    route = draft.route(name, pattern=stars == 1)
    _weigh(usable, draw)
    members = [Member(each.provider, each.id, each.entry, each.weight, each.order or 0) for each in usable]
    alone = len({(each.order or 0) for each in usable}) == 1
    places = add_group(draft, route, members, draw.strategy)
    whole: Path = ("combos", route) if route in draft.combos else ("models", route)
    for deployed, place in zip(usable, places, strict=True):
        account.adopt(deployed.account, HERE, place)
        here: Path = (*deployed.path, "litellm_params")
        if route == name:
            account.exact((*deployed.path, "model_name"), whole)
        else:
            account.manual((*deployed.path, "model_name"), whole, f"The name cannot be used here: ask for {route!r}.")
        if deployed.order is not None:
            account.approximate(
                (*here, "order"),
                whole,
                "Groups in order of priority." if not alone else "One rank alone orders nothing.",
            )
        _told_shares(deployed, here, place, account, draw, len(usable))
    return route


def _weigh(group: list[Deployed], draw: Draw) -> None:
    """Weights as LiteLLM's draw has them: the first deployment says whether by weight, rpm or tpm."""
    if not draw.shuffles:
        return
    if group[0].said_weight is not None:
        for deployed in group:
            deployed.weight = deployed.said_weight or 0
    else:
        for deployed in group:
            deployed.weight = None
        for kind in ("rpm", "tpm"):
            if getattr(group[0], kind) is not None:
                for deployed in group:
                    deployed.weight = getattr(deployed, kind) or 0
                break
    if not any(deployed.weight for deployed in group):
        for deployed in group:
            deployed.weight = None


def _told_shares(deployed: Deployed, here: Path, place: Path, account: Account, draw: Draw, many: int) -> None:
    weighed = many > 1 and draw.shuffles and deployed.weight is not None
    for kind, value in (("weight", deployed.said_weight), ("rpm", deployed.rpm), ("tpm", deployed.tpm)):
        if value is None:
            continue
        at: Path = (*here, kind)
        by = "weight" if deployed.said_weight is not None else "rpm" if deployed.rpm is not None else "tpm"
        if draw.limits and kind != "weight":
            continue
        if weighed and kind == by and value == deployed.weight:
            if kind == "weight":
                account.exact(at, place)
            else:
                account.approximate(
                    at, place, "It is a weight of the draw, as there. LiteLLM also lets no more than that run at once."
                )
        elif many == 1:
            account.approximate(
                at, place, "LiteLLM limits nothing by it, but how many run at once; write `limits` if it should."
            )
        else:
            account.approximate(at, place, "LiteLLM draws by another value of this group, so nothing is written.")


def _aliases(tree: Mapping[str, Any], routes: Mapping[str, str], draft: Draft, account: Account) -> None:
    aliases = mapping(mapping(tree.get("router_settings")).get("model_group_alias"))
    for alias, value in aliases.items():
        path: Path = ("router_settings", "model_group_alias", alias)
        hidden = truth(mapping(value).get("hidden")) is True
        target = text_of(mapping(value).get("model")) if isinstance(value, dict) else text_of(value)
        if target is None or target not in routes:
            account.unsupported(path, "The group that it stands for is not in this file, or was left out.")
        elif draft.taken(alias) or draft.route(alias) != alias:
            account.manual(path, (), "Its name is a model's, or cannot be used here: rename it.")
        else:
            draft.aliases[alias] = routes[target]
            account.exact(path, ("aliases", alias))
            if hidden:
                account.approximate((*path, "hidden"), ("aliases", alias), "Every name is listed at /v1/models.")


_FALLBACKS: Final[Mapping[str, tuple[list[str] | None, str]]] = {
    "fallbacks": (None, "LiteLLM falls back after any error, here after those that another model may mend: no 400s."),
    "context_window_fallbacks": (["context_window"], "Only to a model whose window is larger, where both are known."),
    "content_policy_fallbacks": (["content_filter"], ""),
}


def _fallbacks(tree: Mapping[str, Any], routes: Mapping[str, str], draft: Draft, account: Account) -> None:
    own: set[str] = set()
    for kind, (on, differs) in _FALLBACKS.items():
        for section in ("router_settings", "litellm_settings"):
            rows = mapping(tree.get(section)).get(kind)
            for index, row in enumerate(items(rows)):
                for name, targets in mapping(row).items():
                    path: Path = (section, kind, index, name)
                    if on is None:
                        own.add(name)
                    names = ["*"] if name == "*" else [name]
                    _fall(path, names, targets, on, differs, routes, draft, account)
    for section in ("router_settings", "litellm_settings"):
        targets = mapping(tree.get(section)).get("default_fallbacks")
        if targets is not None:
            names = [name for name in routes if name not in own]
            why = "After errors that another model may mend; written for each group without fallbacks of its own."
            _fall((section, "default_fallbacks"), names, targets, None, why, routes, draft, account)


def _fall(
    path: Path,
    names: list[str],
    targets: Any,
    on: list[str] | None,
    differs: str,
    routes: Mapping[str, str],
    draft: Draft,
    account: Account,
) -> None:
    if names == ["*"]:
        names = list(routes)
    written: list[str] = []
    found: list[str] = []
    for index, target in enumerate(items(targets)):
        name = target if isinstance(target, str) else None
        if name is not None and name in routes:
            found.append(routes[name])
        else:
            account.unsupported((*path, index), "It names no group of this file that was imported.")
    if isinstance(targets, str) and targets in routes:
        found.append(routes[targets])
    for name in names:
        to = list(dict.fromkeys(target for target in found if target != routes.get(name)))
        if name in routes and to and not _circular(draft, routes[name], to):
            draft.fall(routes[name], to, on)
            written.append(routes[name])
    if not written:
        if not account.said(path):
            account.unsupported(
                path, "The group that it is for, or all that it leads to, is not in this file or was left out."
            )
    elif differs:
        account.approximate(path, ("fallbacks", written[0]), differs)
    else:
        account.exact(path, ("fallbacks", written[0]))


def _circular(draft: Draft, route: str, to: list[str]) -> bool:
    """Whether fallbacks would lead back to where they began."""
    seen: set[str] = set()
    todo = list(to)
    while todo:
        name = todo.pop()
        if name == route:
            return True
        if name not in seen:
            seen.add(name)
            todo.extend(target for rule in draft.fallbacks.get(name, ()) for target in rule["to"])
    return False


def _who(tree: Mapping[str, Any], draft: Draft, account: Account) -> None:
    """Who may call: the master key, or everybody."""
    for section in ("general_settings", "litellm_settings"):
        found = mapping(tree.get(section)).get("master_key")
        if found is None:
            continue
        path: Path = (section, "master_key")
        place: Path = ("keys", "master")
        env = referred(str(found))
        env = env if env is not None and is_variable(env) else None
        name = env or draft.names.of(str(found), "LITELLM_MASTER_KEY")
        draft.keys["master"] = {"from": {"env": name}, "admin": True}
        if env is not None:
            account.approximate(path, place, "It may call everything and reload; there is no management API behind it.")
        else:
            account.manual(
                path,
                place,
                f"It is written out in the source: put it, of 16 characters or more, into the variable {name}.",
            )
        return
    draft.gateway["auth"] = "open"
    account.differs("No `master_key`", "anybody may call", "anybody may call, on this machine alone")


def _left_unsaid(tree: Mapping[str, Any], account: Account) -> None:
    both = {**mapping(tree.get("litellm_settings")), **mapping(tree.get("router_settings"))}
    if "num_retries" not in both:
        account.differs(
            "Retries", "2, each drawn from the group again",
            "each target of the group in turn, and 0 to 2 more for each by the kind of failure",
        )  # fmt: skip
    if "request_timeout" not in both and "timeout" not in both:
        account.differs(
            "Time-outs", "6000 s for a request", "5 s to connect, 60 s to a first token, 10 min for an attempt"
        )
    if "allowed_fails" not in both and "cooldown_time" not in both:
        account.differs(
            "Cooldowns", "5 s, when more than half of a minute's requests failed, or after 429 and 401",
            "a breaker: 5 failures in 30 s open it for 5 s, doubling to 5 min",
        )  # fmt: skip
    account.differs("Address", "0.0.0.0:4000", "127.0.0.1:8080 (`gateway.listen`)")
