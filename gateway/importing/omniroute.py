"""OmniRoute's JSON export: `GET /api/settings/export-json`.

Source: src/app/api/settings/export-json/route.ts, src/lib/localDb and docs/ of github.com/diegosouzapw/OmniRoute. It
has `providerConnections` (accounts; a model is asked for as `provider/model`), `providerNodes` (providers of one's
own, with a `prefix`), `combos` (names over steps: `prefix/model`, objects, or references to other combos), `apiKeys`
and `settings`. Connections of one provider are used by the setting `fallbackStrategy`, by default one until it cannot
be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.importing.draft import Draft, plain_number, result, seconds
from gateway.importing.imported import Account, Imported, Path, Refused
from gateway.importing.places import addressed, key_variable, preset_of
from gateway.importing.secrets import credential, variable
from gateway.importing.source import items, mapping, number, text_of, truth, whole

NAME: Final = "omniroute"
# Strategy → (ours, what differs; "" nothing).
_STRATEGIES: Final[Mapping[str, tuple[str, str]]] = {
    "priority": ("priority", ""),
    "fill-first": ("priority", ""),
    "weighted": ("weighted", ""),
    "round-robin": ("round_robin", ""),
    "random": ("random", ""),
    "strict-random": ("random", ""),
    "least-used": ("least_used", "Of the last hour, there of all time."),
    "cost-optimized": ("cheapest", "By what this request is estimated to cost, there by the price of input."),
    "context-optimized": ("largest_context", ""),
    "p2c": ("score", "By health and latency of all, there of two that are drawn."),
    "auto": ("score", "By health, stability and headroom; there by twelve factors."),
    "headroom": ("score", "By what is left of limits and quotas, and health."),
    "reset-aware": ("score", "By what is left of limits and quotas; when they are reset is not looked at."),
    "reset-window": ("score", "By what is left of limits and quotas; when they are reset is not looked at."),
    "lkgp": ("priority", "A session stays with what served it last, there every request does."),
    "context-relay": ("priority", "No summary is handed on when an account is used up."),
    "fusion": ("panel", "It ends with the time-outs of its models, there after 90 s."),
    "pipeline": ("pipeline", ""),
}
_PATIENT: Final = frozenset(("headroom", "reset-aware", "reset-window"))
_PAST: Final = re.compile(
    r"(?i)(createdAt|updatedAt|lastUsed|lastError|lastTest|testStatus|expiresAt|tokenExpires|rateLimitedUntil|backoff|health|"
    r"consecutive|errorCode|lastRefresh|lastSync|machineId|_at$|^id$|usage|sortOrder|streamDefault|priorityLocked)"
)


def looks_like(tree: Any) -> str | None:
    """Why a tree is OmniRoute's; None where it is not."""
    top = mapping(tree)
    if "omniroute" in str(mapping(top.get("_meta")).get("version", "")):
        return "its `_meta` says so"
    return "it has `providerConnections`" if "providerConnections" in top else None


def read(tree: Any) -> Imported:
    """The import of one export. Raises `Refused`."""
    if not isinstance(tree, dict):
        raise Refused("OmniRoute's export is an object with `providerConnections` and `combos`.")
    state = Reader(Draft(tree), Account())
    for index, row in enumerate(items(tree.get("providerNodes"))):
        if isinstance(row, dict):
            state.node(row, ("providerNodes", index))
    families: dict[str, list[tuple[Mapping[str, Any], Path]]] = {}
    for index, row in enumerate(items(tree.get("providerConnections"))):
        if isinstance(row, dict) and text_of(row.get("provider")) is not None:
            families.setdefault(str(row["provider"]), []).append((row, ("providerConnections", index)))
    for name, rows in families.items():
        state.family(name, rows)
    combos = [(row, ("combos", index)) for index, row in enumerate(items(tree.get("combos"))) if isinstance(row, dict)]
    state.combos(combos)
    for index, row in enumerate(items(tree.get("apiKeys"))):
        if isinstance(row, dict):
            state.key(row, ("apiKeys", index))
    draft, account = state.draft, state.account
    account.unsupported(
        ("settings",), "Settings of the dashboard are not read: what of them is routing is written here."
    )
    for alias, target in mapping(mapping(tree.get("settings")).get("modelAliases")).items():
        state.alias(alias, target, ("settings", "modelAliases", alias))
    account.exact(("_meta",), (), "It says what the file is.")
    for word in ("usageHistory", "domainCostHistory", "domainBudgets"):
        account.unsupported((word,), "It is a record of what was.")
    if not draft.keys:
        draft.gateway["auth"] = "open"
    account.differs(
        "Who may call", "anybody, unless REQUIRE_API_KEY is set", "`keys:`, or anybody on this machine alone"
    )
    account.differs("Failures", "every answer that is no success moves on, a 402 to another vendor's free model",
                    "kinds that another model may mend move on, never beyond the combo")  # fmt: skip
    account.differs("Retries", "1 on the same target, 30 sends of one request", "0 to 2 by the kind, 12 sends")
    return result(NAME, draft, account, tree)


class Reader:
    """Reads one export. `prefixes`: what stands before the slash of a model → the provider here."""

    def __init__(self, draft: Draft, account: Account) -> None:
        self.draft = draft
        self.account = account
        self.prefixes: dict[str, str] = {}
        self.nodes: dict[str, tuple[str, dict[str, Any], Account]] = {}
        self.routes: dict[str, str] = {}

    def node(self, row: Mapping[str, Any], path: Path) -> None:
        """A provider of one's own; its keys are those of the connections that name it."""
        prefix, url = text_of(row.get("prefix")), text_of(row.get("baseUrl"))
        name = prefix or text_of(row.get("name"))
        if name is None or url is None:
            self.account.unsupported(path, "It has no prefix or no base URL.")
            return
        protocol = "anthropic" if "anthropic" in str(row.get("type")) else "openai-chat"
        aside = Account()
        wish, settings = addressed(self.draft, aside, (*path, "baseUrl"), url, name, "", protocol)
        for word in ("prefix", "name", "type", "apiType", "id"):
            aside.exact((*path, word), ("providers", wish))
        headers = self.draft.headers(aside, (*path, "customHeaders"), row.get("customHeaders"), wish)
        if headers:
            settings["headers"] = headers
        for word in ("chatPath", "modelsPath"):
            if text_of(row.get(word)) is not None:
                aside.manual((*path, word), ("providers", wish), "The wire's own path is used.")
        for key in filter(None, (text_of(row.get("id")), prefix, text_of(row.get("name")))):
            self.nodes.setdefault(key, (wish, settings, aside))

    def family(self, name: str, rows: list[tuple[Mapping[str, Any], Path]]) -> None:
        """The connections of one provider: one declaration with a key for each."""
        account, draft = self.account, self.draft
        usable: list[tuple[Mapping[str, Any], Path]] = []
        for row, path in rows:
            if truth(row.get("isActive", True)) is False:
                account.unsupported(path, "It is not active, so it was left out.")
            elif text_of(row.get("authType")) not in (None, "apikey", "api_key", "none"):
                account.unsupported(path, "It signs in with an account, not with a key; only keys can be used here.")
            else:
                usable.append((row, path))
        if not usable:
            return
        node = self.nodes.get(name)
        preset = preset_of(name)
        own = mapping(usable[0][0].get("providerSpecificData"))
        url = text_of(own.get("baseUrl"))
        aside = Account()
        if node is not None:
            wish, settings, said = node
            settings = dict(settings)
            account_of_node = said
        elif url is not None:
            wish, settings = addressed(draft, aside, (*usable[0][1], "providerSpecificData", "baseUrl"), url, name)
            account_of_node = Account()
        elif preset is not None:
            wish, settings, account_of_node = name, {"preset": preset}, Account()
            if preset in ("bedrock", "vertex", "azure-classic", "cloudflare", "databricks"):
                settings |= _needs(preset, name)
        else:
            for _, path in usable:
                account.unsupported(path, f"Left out. Nothing here speaks to {name!r}.")
            return
        self._keys(usable, wish, settings, aside)
        provider = draft.provider(wish, settings)
        account.adopt(account_of_node, ("providers", wish), ("providers", provider))
        account.adopt(aside, ("providers", wish), ("providers", provider))
        for key in (name, wish):
            self.prefixes.setdefault(key, provider)
        if node is not None:
            self.prefixes.update({key: provider for key, value in self.nodes.items() if value is node})
        pattern = f"{provider}/*"
        draft.models[pattern] = {"provider": provider, "id": "*"}
        for row, path in usable:
            account.exact((*path, "provider"), ("models", pattern), "Any of its models is asked for as provider/model.")
            self._told(row, path, ("providers", provider))

    def _keys(
        self, rows: list[tuple[Mapping[str, Any], Path]], wish: str, settings: dict[str, Any], aside: Account
    ) -> None:
        pool: dict[str, Any] = {}
        order = sorted(range(len(rows)), key=lambda index: (whole(rows[index][0].get("priority")) or 1, index))
        for tier, index in enumerate(order):
            row, path = rows[index]
            key = row.get("apiKey")
            label = (
                re.sub(r"[^A-Za-z0-9._-]+", "-", text_of(row.get("name")) or f"key-{index + 1}").strip("-._")
                or f"key-{index + 1}"
            )
            label = label if label not in pool else f"{label}-{index + 1}"
            several = len(rows) > 1
            name = variable(wish, label, "API_KEY") if several else key_variable(wish)
            place: Path = ("providers", wish, "api_keys", label) if several else ("providers", wish, "api_key")
            if text_of(key) is not None:
                ref = credential(aside, self.draft.names, (*path, "apiKey"), key, None, name, place)
            else:
                ref = {"env": name}
                aside.manual(
                    (*path, "name"), place, f"The export holds no key: put it into the environment variable {name}."
                )
            pool[label] = {"key": ref, "tier": min(tier, 100)} if several and tier else ref
            aside.exact((*path, "priority"), place, "One is used until it cannot be, then the next.")
            most = whole(row.get("maxConcurrent"))
            limits = mapping(row.get("rateLimitOverrides"))
            bounds: dict[str, Any] = {"concurrent": most} if most else {}
            for word, ours, span in (("rpm", "requests", "minute"), ("tpm", "tokens", "minute")):
                if bound := whole(limits.get(word)):
                    bounds[ours] = f"{bound}/{span}"
                    aside.approximate(
                        (*path, "rateLimitOverrides", word),
                        place,
                        "Over a sliding minute; more get 429 or go elsewhere.",
                    )
            if most:
                aside.approximate((*path, "maxConcurrent"), place, "One more goes elsewhere; there it waits.")
            if bounds:
                held = pool[label] if "key" in pool[label] else {"key": pool[label]}
                pool[label] = {**held, "limits": bounds}
        if len(pool) == 1:
            entry = next(iter(pool.values()))
            settings["api_key"] = entry.get("key", entry)
            if "limits" in entry:
                settings["limits"] = entry["limits"]
        else:
            settings["api_keys"] = pool

    def _told(self, row: Mapping[str, Any], path: Path, place: Path) -> None:
        for word, value in row.items():
            here: Path = (*path, word)
            if self.account.said(here):
                continue
            if word in ("name", "authType", "isActive"):
                self.account.exact(here, place)
            elif value in (None, "", {}, [], False):
                self.account.exact(here, (), "Nothing is said by it.")
            elif word == "defaultModel":
                self.account.unsupported(here, "Every request names its model.")
            elif _PAST.search(word):
                self.account.unsupported(here, "It is a record of what was, no setting.")
            else:
                self.account.unsupported(here, "No setting of a provider here says this.")

    def combos(self, rows: Sequence[tuple[Mapping[str, Any], Path]]) -> None:
        """All combos; those that refer to others find them whatever their order."""
        account, draft = self.account, self.draft
        names: dict[str, str] = {}
        for row, _ in rows:
            name = text_of(row.get("name"))
            if name is not None and name not in names:
                names[name] = draft.route(name)
                draft.combos[names[name]] = {}
        dropped: set[str] = set()
        built: dict[str, tuple[list[dict[str, Any]], Mapping[str, Any], Path]] = {}
        for row, path in rows:
            name = text_of(row.get("name"))
            if name is None or names[name] in built:
                account.unsupported(path, "It has no name, or one that another combo has.")
                continue
            built[names[name]] = (self._steps(row, path, names, names[name]), row, path)
        while empty := [name for name, (steps, _, _) in built.items() if not steps and name not in dropped]:
            for name in empty:
                dropped.add(name)
                account.unsupported(built[name][2], "None of its steps was imported, so the combo was left out.")
                del draft.combos[name]
                for steps, _, _ in built.values():
                    steps[:] = [step for step in steps if step["model"] != name]
        for name, (steps, row, path) in built.items():
            if name not in dropped:
                self._combo(name, steps, row, path)
        _without_circles(draft, account, {name: path for name, (_, _, path) in built.items()})

    def _steps(self, row: Mapping[str, Any], path: Path, names: Mapping[str, str], own: str) -> list[dict[str, Any]]:
        account = self.account
        steps: list[dict[str, Any]] = []
        for index, step in enumerate(items(row.get("models"))):
            here: Path = (*path, "models", index)
            said = step if isinstance(step, dict) else {"model": step}
            reference = text_of(said.get("comboName"))
            if reference is not None:
                target = names.get(reference)
            else:
                target = self._model(
                    text_of(said.get("model")), text_of(said.get("provider") or said.get("providerId")), names
                )
            if target is None or target == own or any(each["model"] == target for each in steps):
                account.unsupported(
                    here, "It names no provider that was imported, the combo itself, or what is listed already."
                )
                continue
            found: dict[str, Any] = {"model": target}
            weight = number(said.get("weight"))
            if text_of(row.get("strategy")) == "weighted" and weight is not None and weight >= 0:
                found["weight"] = plain_number(weight)
            steps.append(found)
            account.exact(here, ("combos", own))
            if isinstance(step, dict) and text_of(step.get("connectionId")) is not None:
                account.unsupported((*here, "connectionId"), "A step is not bound to one credential.")
        if steps and all(each.get("weight", 1) == 0 for each in steps):
            for each in steps:
                each.pop("weight", None)
        return steps

    def _model(self, model: str | None, provider: str | None, names: Mapping[str, str]) -> str | None:
        if model is None:
            return None
        if provider is None and model in names:
            return names[model]
        prefix, slash, rest = model.partition("/")
        if provider is not None and not (slash and prefix == provider):
            prefix, rest = provider, model
        there = self.prefixes.get(prefix)
        if there is None or not rest or "*" in rest:
            return None
        route = f"{there}/{rest}"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*", route) or len(route) > 200:
            return None
        if route not in self.draft.models:
            self.draft.models[route] = {"provider": there, "id": rest}
        return route

    def _combo(self, name: str, steps: list[dict[str, Any]], row: Mapping[str, Any], path: Path) -> None:
        account = self.account
        wanted = text_of(row.get("strategy")) or "priority"
        ours, differs = _STRATEGIES.get(
            wanted, ("priority", "Nothing here is like it: targets are tried as they are written.")
        )
        place: Path = ("combos", name)
        entry: dict[str, Any] = {"strategy": ours, "targets": steps}
        config = mapping(row.get("config"))
        if ours == "panel":
            judge = self._model(text_of(config.get("judgeModel")), None, {})
            if judge is None or len(steps) < 2:
                entry, differs = {"targets": steps}, "Its judge is not known here, so it is a plain order."
            else:
                entry |= {"judge": judge, "least": 2}
                account.exact((*path, "config", "judgeModel"), (*place, "judge"))
        elif ours == "pipeline" and len(steps) < 2:
            entry = {"targets": steps}
        if wanted == "strict-random":
            entry["deck"] = True
        elif wanted in _PATIENT:
            entry["score"] = {"headroom": 3, "health": 1}
        elif wanted == "p2c":
            entry["score"] = {"health": 1, "latency": 1}
        if wanted in ("lkgp",):
            entry["sticky"] = {"for": "15m"}
        hold = whole(config.get("stickyRoundRobinLimit"))
        if hold and ours == "round_robin" and hold <= 1000:
            entry["hold"] = hold
            account.exact((*path, "config", "stickyRoundRobinLimit"), (*place, "hold"))
        if ours != "weighted":
            for step in steps:
                step.pop("weight", None)
        timeout = number(config.get("targetTimeoutMs"))
        if timeout is not None and 0 < timeout < 3e10:
            for step in steps:
                step["timeouts"] = {"total": seconds(timeout / 1000)}
            account.exact((*path, "config", "targetTimeoutMs"), (*place, "targets"))
        retries = whole(config.get("maxRetries"))
        if retries is not None:
            for step in steps:
                step["retries"] = {"attempts": min(retries, 10)}
            account.approximate(
                (*path, "config", "maxRetries"), (*place, "targets"), "By the kind of failure 2 at most."
            )
        self.draft.combos[name] = entry
        self.routes[str(row.get("name"))] = name
        if name == row.get("name"):
            account.exact((*path, "name"), place)
        else:
            account.manual((*path, "name"), place, f"The name cannot be used here: ask for {name!r}.")
        if differs:
            account.approximate((*path, "strategy"), place, differs)
        else:
            account.exact((*path, "strategy"), place)
        for word, value in row.items():
            here: Path = (*path, word)
            if account.said(here) or word == "models":
                continue
            if value in (None, "", {}, [], False):
                account.exact(here, (), "Nothing is said by it.")
            elif word == "system_message":
                account.manual(here, (), "Write a policy: `when: {model: …}, do: {system: {prefix: …}}`.")
            elif _PAST.search(word):
                account.unsupported(here, "It is a record of what was, or belongs to the dashboard.")
            else:
                account.unsupported(here, "No setting of a combo here says this.")

    def alias(self, alias: str, target: Any, path: Path) -> None:
        """One name for another."""
        found = self._model(text_of(target), None, self.routes)
        if found is None:
            self.account.unsupported(path, "It stands for nothing that was imported.")
        elif alias.count("*") > 1 or self.draft.taken(alias) or self.draft.route(alias, pattern=True) != alias:
            self.account.manual(path, (), "Its name is another's, or cannot be used here: rename it.")
        else:
            self.draft.aliases[alias] = found
            self.account.exact(path, ("aliases", alias))

    def key(self, row: Mapping[str, Any], path: Path) -> None:
        """A caller's key."""
        account, draft = self.account, self.draft
        wish = re.sub(r"[^A-Za-z0-9._-]+", "-", text_of(row.get("name")) or "key").strip("-._") or "key"
        name = wish if wish not in draft.keys else f"{wish}-{len(draft.keys) + 1}"
        place: Path = ("keys", name)
        variable_name = draft.names.of(text_of(row.get("key")) or name, variable(name, "KEY"))
        entry: dict[str, Any] = {"from": {"env": variable_name}}
        account.manual((*path, "key"), place, f"Put the key into the environment variable {variable_name}.")
        account.exact((*path, "name"), place)
        allow = [
            self.routes[each]
            for each in items(row.get("allowedCombos"))
            if isinstance(each, str) and each in self.routes
        ]
        allow += [each for each in items(row.get("allowedModels")) if isinstance(each, str) and each in draft.models]
        if items(row.get("allowedCombos")) or items(row.get("allowedModels")):
            entry["allow"] = list(dict.fromkeys(allow))
            for word in ("allowedCombos", "allowedModels"):
                account.approximate(
                    (*path, word),
                    (*place, "allow"),
                    "What was imported of it; nothing gets around it here, no `auto` either.",
                )
        if truth(row.get("isActive", True)) is False or truth(row.get("isBanned")):
            entry["disabled"] = True
            account.exact((*path, "isActive"), (*place, "disabled"))
        sessions = whole(row.get("maxSessions"))
        if sessions:
            entry["limits"] = {"sessions": sessions}
            account.exact((*path, "maxSessions"), (*place, "limits", "sessions"))
        for word, span in (("dailyUsageLimitUsd", "day"), ("weeklyUsageLimitUsd", "week")):
            most = number(row.get(word))
            if most is not None and most > 0:
                budget = f"{name}-{span}"
                draft.budgets[budget] = {"limit": f"{plain_number(most)} USD", "per": span, "scope": {"key": name}}
                account.approximate((*path, word), ("budgets", budget), "Money is reserved before a request is sent.")
        draft.keys[name] = entry
        for word, value in row.items():
            here: Path = (*path, word)
            if account.said(here):
                continue
            if value in (None, "", {}, [], False):
                account.exact(here, (), "Nothing is said by it.")
            elif _PAST.search(word) or word == "isActive":
                account.exact(here, place) if word == "isActive" else account.unsupported(
                    here, "It is a record, no setting."
                )
            else:
                account.manual(here, place, "Say it by hand: `limits`, `expires`, `allow` of the key, or a policy.")


def _needs(preset: str, name: str) -> dict[str, Any]:
    if preset in ("bedrock", "vertex"):
        found: dict[str, Any] = {"region": {"env": variable(name, "REGION")}}
        return found | ({"project": {"env": variable(name, "PROJECT")}} if preset == "vertex" else {})
    return {"base_url": {"env": variable(name, "BASE_URL")}}


def _without_circles(draft: Draft, account: Account, paths: Mapping[str, Path]) -> None:
    """Takes steps out that would lead a combo back to itself."""

    def reaches(start: str, goal: str) -> bool:
        seen: set[str] = set()
        todo = [start]
        while todo:
            name = todo.pop()
            if name == goal:
                return True
            if name not in seen and name in draft.combos:
                seen.add(name)
                todo.extend(each["model"] for each in draft.combos[name].get("targets", ()))
        return False

    for name, path in paths.items():
        targets = draft.combos.get(name, {}).get("targets", [])
        kept = [each for each in targets if not reaches(each["model"], name)]
        if len(kept) < len(targets):
            account.unsupported((*path, "models"), "Some of its steps lead back to it; they were left out.")
            if kept:
                draft.combos[name]["targets"] = kept
            else:
                del draft.combos[name]
