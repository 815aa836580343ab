"""Paths that a file names: the state's directory, the ledger's file of SQLite, the authorities of a provider.

A relative one begins in the directory of the file that says it, as an `include` and a `{file: …}` do, wherever the
gateway is started; also where its words come from the environment. A configuration keeps them as they are written, so
that the same file is the same one in every place; what is served is `anchored`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as File
from typing import Final

from gateway.config.model import Config, Disk
from gateway.config.read import Path
from gateway.config.refs import Ref, Secrets
from gateway.config.written import name_of

_STATE: Final[Path] = ("gateway", "state")
LEDGER: Final[Path] = ("gateway", "ledger")
_SQLITE: Final = "sqlite:///"


def directories(config: Config, directory_of: Callable[[Path], File]) -> dict[str, str]:
    """By `written.name_of` of what has a path: the directory, absolute, of the file in which it is written."""
    found: list[Path] = []
    if isinstance(config.gateway.state, Disk):
        found.append(_STATE)
    if config.gateway.ledger is not None:
        found.append(LEDGER)
    found += [
        _provider(name)
        for name, provider in config.providers.items()
        if provider.tls is not None and provider.tls.ca is not None
    ]
    return {name_of(path): str(directory_of(path).absolute()) for path in found}


def anchored(config: Config, secrets: Secrets, directories: Mapping[str, str]) -> Config:
    """The configuration with paths that do not depend on where anybody is; what `directories` does not name stays."""
    gateway = config.gateway
    changed: dict[str, object] = {}
    if isinstance(gateway.state, Disk) and (here := directories.get(name_of(_STATE))) is not None:
        changed["state"] = gateway.state.model_copy(update={"disk": str(File(here) / gateway.state.disk)})
    ledger = gateway.ledger
    if ledger is not None and (here := directories.get(name_of(LEDGER))) is not None:
        url = secrets.value(ledger.url) if isinstance(ledger.url, Ref) else ledger.url
        if url.startswith(_SQLITE):  # such a URL holds no password
            changed["ledger"] = ledger.model_copy(update={"url": ledger_in(here, url)})
    providers = dict(config.providers)
    for name, provider in config.providers.items():
        here = directories.get(name_of(_provider(name)))
        if here is not None and provider.tls is not None and provider.tls.ca is not None:
            tls = provider.tls.model_copy(update={"ca": str(File(here) / provider.tls.ca)})
            providers[name] = provider.model_copy(update={"tls": tls})
    return config.model_copy(update={"gateway": gateway.model_copy(update=changed), "providers": providers})


def ledger_in(directory: File | str, url: str) -> str:
    """A ledger's URL whose file, where it is a relative one, is in a directory."""
    file = url.removeprefix(_SQLITE)
    return url if file in (url, "", ":memory:") else f"{_SQLITE}{File(directory) / file}"


def _provider(name: str) -> Path:
    return ("providers", name, "tls", "ca")
