"""Caches: they keep something, for some time, and the embedding model of the semantic one is a model that embeds."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.checks.subject import Subject
from gateway.config.model import Model
from gateway.config.patterns import part, specificity
from gateway.diagnostics.diagnostic import Diagnostic


def kept(subject: Subject) -> Iterator[Diagnostic]:
    """A cache says what it keeps, and keeps it for some time."""
    cache = subject.config.cache
    if cache is None:
        return
    if cache.exact is None and cache.semantic is None:
        detail = "It keeps nothing. Add `exact: {ttl: 10m}`, or `semantic:`."
        yield subject.report("bad-value", detail, ("cache",), key=True)
    for name, kind in (("exact", cache.exact), ("semantic", cache.semantic)):
        if kind is not None and kind.ttl <= 0:
            detail = "An answer that is kept for no time is never given again. Write how long, or remove it."
            yield subject.report("bad-value", detail, ("cache", name, "ttl"))


def embedding_model(subject: Subject) -> Iterator[Diagnostic]:
    """The semantic cache's model is one of the file, and each provider of it makes texts vectors."""
    cache = subject.config.cache
    if cache is None or cache.semantic is None:
        return
    name, path = cache.semantic.model, ("cache", "semantic", "model")
    meaning = subject.meaning(name)
    if meaning in subject.config.combos:
        detail = f"{name!r} is a combo. Vectors of two models cannot be compared: name one model."
        yield subject.report("bad-value", detail, path)
        return
    places = list(_places(subject, meaning))
    if not places:
        detail = f"There is no model {name!r}. Declare it in `models:`; `visibility: internal` keeps callers from it."
        yield subject.report("unknown-model", detail, path, suggestion=subject.did_you_mean(name), among=subject.names)
    for provider in places:
        if not _embeds(subject, provider):
            wires = ", ".join(sorted(subject.known.embedding))
            detail = f"The gateway cannot ask {provider!r} for embeddings. Providers of these protocols can: {wires}."
            yield subject.report("cannot-embed", detail, path)


def _places(subject: Subject, name: str) -> Iterator[str]:
    """The providers that a model is at; none where there is no such model."""
    if name in subject.places:
        yield name.rpartition("@")[2]
        return
    models = subject.config.models
    model: Model | None = models.get(name)
    if model is None:
        patterns = sorted((each for each in models if "*" in each), key=specificity)
        model = next((models[each] for each in patterns if part(each, name)), None)
    if model is not None:
        if model.provider is not None:
            yield model.provider
        yield from (deployment.provider for deployment in model.deployments)


def _embeds(subject: Subject, name: str) -> bool:
    provider = subject.config.providers.get(name)
    if provider is None:
        return True  # which is told where the model says so
    preset = subject.known.presets.get(provider.preset or name)
    if preset is not None and provider.protocol in (None, preset.protocol):
        return preset.embeds
    return (provider.protocol or "openai-chat") in subject.known.embedding
