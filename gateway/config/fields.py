"""What the typed model knows of keys: which are known at a path, where else a key is known, what others call it.

`RENAMED` holds the words of other gateways, of SDKs and of earlier drafts that no typo explains; a rename that keeps the
value as it is can be made by a program, the others are said in words.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from gateway.config.model import Config
from gateway.config.read import Path

# by the kind of section: what others write → the key here
RENAMED: Final[dict[str, dict[str, str]]] = {
    "Config": {"provider": "providers", "model": "models", "alias": "aliases", "combo": "combos", "routes": "combos",
               "groups": "combos", "includes": "include", "api_keys": "keys", "users": "keys", "server": "gateway", "rules": "policies",
               "caching": "cache"},
    "Provider": {"url": "base_url", "api_base": "base_url", "endpoint": "base_url", "host": "base_url", "key": "api_key",
                 "token": "api_key", "apikey": "api_key", "keys": "api_keys", "type": "preset", "proxy": "egress_proxy",
                 "extra_headers": "headers"},
    "Model": {"model": "id", "model_id": "id", "model_name": "id", "upstream": "id", "context_window": "context",
              "context_length": "context", "max_context": "context", "max_output_tokens": "max_output", "cost": "price", "pricing": "price",
              "capabilities": "supports", "features": "supports"},
    "Deployment": {"model": "id", "model_id": "id"},
    "Combo": {"models": "targets", "members": "targets", "mode": "strategy", "routing_strategy": "strategy"},
    "Target": {"name": "model", "id": "model", "target": "model"},
    "FallbackRule": {"when": "on", "if": "on", "then": "to", "targets": "to", "models": "to"},
    "Key": {"sha256": "hash", "secret": "from", "models": "allow", "allowed_models": "allow", "group": "team"},
    "Budget": {"amount": "limit", "max": "limit", "period": "per", "window": "per", "duration": "per"},
    "Policy": {"if": "when", "match": "when", "then": "do", "action": "do", "actions": "do"},
    "Do": {"parameters": "set", "params": "set", "prompt": "system", "redirect": "route", "reject": "deny"},
    "Retries": {"max": "attempts", "max_retries": "attempts", "count": "attempts"},
    "Limits": {"rpm": "requests", "tpm": "tokens", "max_parallel_requests": "concurrent", "parallel": "concurrent"},
    "Disk": {"path": "disk"},
    "ExactCache": {"for": "ttl", "expires": "ttl"},
    "SemanticCache": {"similarity": "threshold"},
}  # fmt: skip
# what others write → what says it here, where the value has to be written otherwise too
SAID_OTHERWISE: Final[dict[str, dict[str, str]]] = {
    "Gateway": {"port": "`listen: 127.0.0.1:PORT`", "host": "`listen: HOST:8080`", "bind": "`listen: HOST:PORT`",
                "address": "`listen: HOST:PORT`", "log_level": "`log: {level: …}`"},
    "Provider": {"timeout": "`timeouts: {total: …}`", "rpm": "`limits: {requests: …/minute}`", "tpm": "`limits: {tokens: …/minute}`",
                 "max_retries": "`retries: {attempts: …}`", "models": "`models:` at the top level, each with its `provider`"},
    "Model": {"rpm": "`limits: {requests: …/minute}`", "tpm": "`limits: {tokens: …/minute}`", "timeout": "`timeouts: {total: …}`",
              "max_retries": "`retries: {attempts: …}`", "max_tokens": "`max_output` for what the model can, `request: {default: "
              "{max_tokens: …}}` for what is asked", "temperature": "`request: {default: {temperature: …}}`",
              "name": "`id` for the provider's name of it; its own name is the key",
              "aliases": "`aliases:` at the top level: `other-name: this-model`", "fallbacks": "`fallbacks:` at the top level"},
    "Combo": {"fallbacks": "`fallbacks:` at the top level, by the combo's name", "fallback": "`fallbacks:` at the top level, by the "
              "combo's name", "weights": "`weight:` in each target"},
    "Target": {"provider": "`model: NAME@PROVIDER`, or the name of a model, which has its provider"},
    "Key": {"key": "`from: {env: NAME}`, or `hash: sha256:…`", "budget": "`budgets:` at the top level, with `scope: {key: NAME}`",
            "name": "the entry's own key: `keys: {NAME: …}`", "rpm": "`limits: {requests: …/minute}`"},
}  # fmt: skip


def models_at(path: Path) -> list[type[BaseModel]]:
    """The sections that can stand at a path; none where a plain value does."""
    models: list[type[BaseModel]] = [Config]
    annotations: list[Any] = [Config]
    for step in path:
        following: list[Any] = []
        for annotation in annotations:
            following += _inside(annotation, step)
        annotations = following
    models = [model for annotation in annotations for model in _sections(annotation)]
    return list(dict.fromkeys(models))


def fields(path: Path) -> list[str]:
    """The keys that are known at a path."""
    return [name for model in models_at(path) for name in keys_of(model)]


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of one section, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def elsewhere(key: str) -> list[str]:
    """The places that know a key, as a person names them: `defaults`, `models.NAME`."""
    return sorted(_places().get(key, []), key=lambda place: place.count(".") + place.count("NAME"))


@cache
def _places() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for place, model in _all(Config, "", 0):
        for key in keys_of(model):
            if place not in found.setdefault(key, []):
                found[key].append(place)
    return found


def _all(model: type[BaseModel], place: str, depth: int) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section down to the third level, with its place."""
    yield place, model
    if depth >= 2:
        return
    for name, field in model.model_fields.items():
        written = field.alias or name
        named = _holds_many(field.annotation)
        for inner in _sections(field.annotation):
            if inner is not model:
                yield from _all(inner, ".".join(part for part in (place, written, named) if part), depth + 1)


def _holds_many(annotation: Any) -> str:
    origins = {get_origin(annotation), *(get_origin(inner) for inner in get_args(annotation))}
    return "NAME" if dict in origins else "-" if list in origins else ""


def _inside(annotation: Any, step: str | int) -> list[Any]:
    """What stands at one step into a value of some type."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found = [
            field.annotation
            for name, field in annotation.model_fields.items()
            if step in (name, field.alias) and step != ""
        ]
        if not found and isinstance(step, int):  # a short form: the list of a combo is its targets
            found = [field.annotation for name, field in annotation.model_fields.items() if name == "targets"]
            return [inner for each in found for inner in _inside(each, step)]
        return found
    if origin is Annotated:
        return _inside(get_args(annotation)[0], step)
    if origin in (Union, types.UnionType):
        return [each for inner in get_args(annotation) for each in _inside(inner, step)]
    if origin is dict:
        return [get_args(annotation)[1]] if isinstance(step, str) else []
    if origin is list:
        return [get_args(annotation)[0]] if isinstance(step, int) else []
    return []


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a type is, or that it holds by name or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, dict, Union, types.UnionType, Annotated):
        return [model for inner in get_args(annotation) for model in _sections(inner)]
    return []
