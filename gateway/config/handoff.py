"""A checked configuration on its way to another process: JSON of the model, the secrets beside it, what is written
where, and the directories in which its relative paths begin.

What is read back was written by `payload` in this program; it is typed again, but not checked again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.config.model import Config
from gateway.config.paths import anchored
from gateway.config.refs import Secrets
from gateway.config.written import Places


class _Payload(msgspec.Struct, frozen=True):
    config: bytes
    secrets: dict[str, str]
    places: dict[str, str]
    directories: dict[str, str]


def payload(config: Config, secrets: Secrets, written: Places, directories: Mapping[str, str]) -> bytes:
    """All of it as bytes; `directories` are those of `paths.directories`.

    They hold secrets in clear: they go over a private channel and nowhere else.
    """
    model = config.model_dump_json(by_alias=True).encode()
    return msgspec.msgpack.encode(_Payload(model, secrets.handed_on(), dict(written), dict(directories)))


def restore(data: bytes) -> tuple[Config, Secrets]:
    """What `payload` was given, with paths as they are written."""
    taken = msgspec.msgpack.decode(data, type=_Payload)
    return Config.model_validate_json(taken.config), Secrets(taken.secrets)


def places(data: bytes) -> Places:
    """Where everything is written that `payload` was given."""
    return msgspec.msgpack.decode(data, type=_Payload).places


def here(data: bytes, config: Config, secrets: Secrets) -> Config:
    """What is served of what `restore` gave: its paths do not depend on where this process is."""
    return anchored(config, secrets, msgspec.msgpack.decode(data, type=_Payload).directories)
