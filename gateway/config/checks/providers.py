"""Providers: they exist, can be reached, have what they need to be asked, and are asked by somebody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from gateway.config.checks.subject import Subject
from gateway.config.known import PresetFacts
from gateway.config.model import Provider
from gateway.config.read import Path
from gateway.config.refs import Ref
from gateway.diagnostics.diagnostic import Diagnostic
from gateway.diagnostics.suggest import closest

HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# Headers that the gateway writes itself.
OURS: Final = frozenset(
    [
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "accept-encoding",
    ]
)


def _facts(subject: Subject, name: str, provider: Provider) -> PresetFacts | None:
    return subject.known.presets.get(provider.preset or name)


def unknown_providers(subject: Subject) -> Iterator[Diagnostic]:
    """Models name providers that are declared."""

    def unknown(name: str, path: Path) -> Iterator[Diagnostic]:
        if name in subject.config.providers:
            return
        near = closest(name, subject.config.providers)
        fix = f"did you mean {near!r}?" if near else None
        if fix is None and name in subject.known.presets:
            fix = f"add it: `providers: {{{name}: …}}`; there is a preset of that name"
        detail = f"{name!r} is not declared under `providers:`."
        yield subject.report("unknown-provider", detail, path, suggestion=fix, among=subject.config.providers)

    for model, entry in subject.config.models.items():
        if entry.provider is not None:
            yield from unknown(entry.provider, ("models", model, "provider"))
        elif not entry.deployments:
            detail = f"The model {model!r} needs a `provider`, or `deployments` where it is in several places."
            yield subject.report("missing-key", detail, ("models", model), key=True)
        for index, deployment in enumerate(entry.deployments):
            yield from unknown(deployment.provider, ("models", model, "deployments", index, "provider"))


def presets_and_protocols(subject: Subject) -> Iterator[Diagnostic]:
    """Presets and protocols are those there are."""
    presets, protocols = subject.known.presets, subject.known.protocols
    for name, provider in subject.config.providers.items():
        if provider.preset is not None and provider.preset not in presets:
            near = closest(provider.preset, presets)
            detail = f"{provider.preset!r} is no preset. Anything else is declared by `protocol:` and `base_url:`."
            fix = f"did you mean {near!r}?" if near else None
            yield subject.report("unknown-preset", detail, ("providers", name, "preset"), suggestion=fix, among=presets)
        if provider.protocol is not None and provider.protocol not in protocols:
            near = closest(provider.protocol, protocols)
            detail = f"{provider.protocol!r} is not spoken here. Known are: {', '.join(sorted(protocols))}."
            fix = f"did you mean {near!r}?" if near else None
            yield subject.report(
                "unknown-protocol", detail, ("providers", name, "protocol"), suggestion=fix, among=protocols
            )
        if provider.auth is not None and provider.auth not in subject.known.auths:
            near = closest(provider.auth, subject.known.auths)
            detail = f"{provider.auth!r} is not known. Known are: {', '.join(sorted(subject.known.auths))}."
            fix = f"did you mean {near!r}?" if near else None
            yield subject.report(
                "unknown-auth", detail, ("providers", name, "auth"), suggestion=fix, among=subject.known.auths
            )
        if provider.preset is None and name not in presets and provider.protocol is None:
            near = closest(name, presets)
            detail = f"{name!r} is no preset, so it must say which wire it speaks: `protocol: openai-chat`."
            fix = f"did you mean {near!r}?" if near else None
            yield subject.report("unknown-preset", detail, ("providers", name), key=True, suggestion=fix)


def base_urls(subject: Subject) -> Iterator[Diagnostic]:
    """Every provider has a base URL: absolute, without query and without credentials."""
    for name, provider in subject.config.providers.items():
        facts = _facts(subject, name, provider)
        if provider.base_url is None:
            if (facts is None and provider.protocol is not None) or (facts is not None and not facts.has_base_url):
                detail = (
                    f"{name!r} needs a `base_url`: what precedes the protocol's own path, such as http://host:8000/v1."
                )
                yield subject.report("missing-base-url", detail, ("providers", name), key=True)
            for word in facts.needs if facts is not None else ():
                if not getattr(provider, word):
                    detail = f"The address of {name!r} holds its {word}: add `{word}: …`, or a whole `base_url`."
                    yield subject.report("missing-setting", detail, ("providers", name), key=True)
            continue
        why = _not_a_base_url(provider.base_url)
        if why is not None:
            yield subject.report(
                "bad-base-url", f"{why} Write it as http://host:8000/v1.", ("providers", name, "base_url")
            )


def _not_a_base_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"It is not a URL: {error}."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "It is not an absolute http(s) URL."
    if parts.username is not None or parts.password is not None:
        return "It holds credentials, which belong into `api_key`."
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "It has a query or a fragment."
    if port == 0 or not url.isascii() or any(char.isspace() for char in url):
        return "It has a port or characters that cannot be used."
    for suffix in ("/chat/completions", "/completions", "/messages"):
        if parts.path.rstrip("/").endswith(suffix):
            return f"It ends in {suffix}, which the protocol adds by itself."
    return None


def credentials(subject: Subject) -> Iterator[Diagnostic]:
    """What needs a key has one, said in one way."""
    for name, provider in subject.config.providers.items():
        if provider.api_key is not None and provider.api_keys:
            detail = f"{name!r} has both. Put all of them under `api_keys:`, each with a name."
            yield subject.report("two-credentials", detail, ("providers", name, "api_keys"), key=True)
        facts = _facts(subject, name, provider)
        if provider.api_key is None and not provider.api_keys and facts is not None and facts.needs_key:
            variable = name.upper().replace("-", "_").replace(".", "_")
            detail = f"{name!r} answers 401 without one."
            fix = f"add `api_key: {{env: {variable}_API_KEY}}`, or `api_key: none` where a proxy adds it"
            yield subject.report("missing-api-key", detail, ("providers", name), key=True, suggestion=fix)


def bans(subject: Subject) -> Iterator[Diagnostic]:
    """A ban names statuses of errors, `4xx`, `5xx`, or kinds of failure, of which a want of money is none of theirs."""
    kinds = tuple(kind for kind in subject.known.failure_kinds if kind != "budget")
    for name, provider in subject.config.providers.items():
        for index, rule in enumerate(provider.bans):
            for at, word in enumerate(rule.on):
                if word in ("4xx", "5xx", *kinds) or (isinstance(word, int) and 400 <= word <= 599):
                    continue
                near = closest(word, kinds) if isinstance(word, str) else None
                yield subject.report(
                    "unknown-failure-kind",
                    f"{word!r} is no failure that a ban can name. Statuses from 400 to 599, 4xx, 5xx, and these kinds "
                    f"can: {', '.join(kinds)}.",
                    ("providers", name, "bans", index, "on", at),
                    suggestion=f"did you mean {near!r}?" if near else None,
                )


def usable_credentials(subject: Subject) -> Iterator[Diagnostic]:
    """What signs requests or fetches tokens can be made of the credential that is there."""
    for name, provider in subject.config.providers.items():
        facts = _facts(subject, name, provider)
        scheme = provider.auth or (facts.auth if facts is not None else "")
        named: list[tuple[Ref | None, Path]] = [
            (each.key, ("providers", name, "api_keys", key)) for key, each in provider.api_keys.items()
        ]
        if not named:
            place: Path = ("providers", name) if provider.api_key is None else ("providers", name, "api_key")
            named = [(provider.api_key, place)]
        for ref, path in named:
            secret = "" if ref is None or ref.none else subject.secrets.get(ref.key)
            reason = subject.known.judge(scheme, secret, provider.region) if secret is not None else None
            if reason is not None:
                yield subject.report("unusable-credential", reason, path, key=len(path) == 2)


def headers(subject: Subject) -> Iterator[Diagnostic]:
    """Headers can be sent, and none could split a request."""
    for name, provider in subject.config.providers.items():
        for header, value in provider.headers.items():
            path = ("providers", name, "headers", header)
            if not HEADER.fullmatch(header):
                detail = f"{header!r} is not a header name: letters, digits and - are."
                yield subject.report("bad-header", detail, path, key=True)
            elif header.lower() in OURS:
                yield subject.report("bad-header", f"The gateway writes {header!r} itself.", path, key=True)
            elif not HEADER_VALUE.fullmatch(value) or value != value.strip():
                detail = f"The value of {header!r} holds a line break, outer space or characters beyond Latin-1."
                yield subject.report("bad-header", detail, path)


def tls(subject: Subject) -> Iterator[Diagnostic]:
    """Certificates that are not checked are pointed out, and authorities can be read."""
    authorities = cache(subject.known.authorities)  # many providers may have the same
    for name, provider in subject.config.providers.items():
        if provider.tls is None:
            continue
        if provider.tls.ca is not None and subject.here:
            path = ("providers", name, "tls", "ca")
            why = authorities(subject.directory(path) / provider.tls.ca)
            if why is not None:
                yield subject.report("unusable-authorities", why, path)
        if not provider.tls.verify:
            detail = f"Anybody on the way to {name!r} can read and change requests. Name its authority with `tls.ca` instead."
            yield subject.report("unverified-tls", detail, ("providers", name, "tls", "verify"))


def unused(subject: Subject) -> Iterator[Diagnostic]:
    """A provider without models does nothing."""
    used = {model.provider for model in subject.config.models.values()}
    used |= {deployment.provider for model in subject.config.models.values() for deployment in model.deployments}
    for name in subject.config.providers:
        if name not in used:
            detail = f"No model has `provider: {name}`. Add one, or remove it."
            yield subject.report("inert-provider", detail, ("providers", name), key=True)
