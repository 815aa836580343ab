"""A running configuration without its secrets: what `GET /-/config` answers, and the Engine that is compiled of it.

Secrets are told by their references and by the first eight hex digits of their SHA-256, which is what a compiled
program knows of them; so an Engine compiled here has the digest of the one that serves. Headers that a provider is
sent may hold anything, so their values are told as such digests too. A password in `egress_proxy` is masked, and with
it the digest cannot be had again: `masked` names the places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from gateway.config.load import references
from gateway.config.model import Config
from gateway.config.refs import Secrets, stand_in
from gateway.engine.build import build
from gateway.engine.engine import Engine

FORMAT: Final = 1
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{8}")


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """`config` as in the file, fully written out. `secrets`: digests by reference. `format`: of this document."""

    format: int = FORMAT
    revision: str
    digest: str
    config: dict[str, Any]
    secrets: dict[str, str] = {}
    masked: tuple[str, ...] = ()


def marks_of(config: Config, secrets: Secrets) -> dict[str, str]:
    """The digests of all secrets that are known, by `Ref.key`."""
    refs = {ref.key: ref for _, ref in references(config)}
    return {key: secrets.mark(ref) for key, ref in sorted(refs.items()) if secrets.knows(ref)}


def headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with digests in the place of their values; what is a digest already stays."""
    return {
        name.lower(): value if _DIGEST.fullmatch(value) else f"sha256:{sha256(value.encode()).hexdigest()[:8]}"
        for name, value in sorted(headers.items())
    }


def published(engine: Engine, config: Config, secrets: Secrets) -> Published:
    """What may be told of a configuration that runs."""
    told = config.model_dump(mode="json", by_alias=True)
    masked: list[str] = []
    for name, provider in config.providers.items():
        entry = told["providers"][name]
        if provider.headers:
            entry["headers"] = headers_of(provider.headers)
        for field in ("egress_proxy", "base_url"):
            url = getattr(provider, field)
            if url is not None and urlsplit(url).username is not None:
                parts = urlsplit(url)
                entry[field] = urlunsplit(parts._replace(netloc="masked@" + parts.netloc.rpartition("@")[2]))
                masked.append(f"providers.{name}.{field}")
    return Published(
        revision=engine.revision,
        digest=engine.digest,
        config=told,
        secrets=marks_of(config, secrets),
        masked=tuple(masked),
    )


def received(said: Published) -> tuple[Config, Engine]:
    """The configuration that a server told, compiled. Raises ValueError for what this program cannot read: another
    format, or fields that it does not know."""
    if said.format != FORMAT:
        raise ValueError(f"it has format {said.format}, and this program reads {FORMAT}")
    config = Config.model_validate_json(msgspec.json.encode(said.config))
    made_up = {ref.key: stand_in(ref) for _, ref in references(config)}
    return config, build(config, Secrets(made_up, made_up=made_up, marks=said.secrets), revision=said.revision)
