"""A checked configuration on its way to another process: JSON of the model, and the secrets beside it.

What is read back was written by `payload` in this program; it is typed again, but not checked again.
"""

from __future__ import annotations

import msgspec

from gateway.config.model import Config
from gateway.config.refs import Secrets


class _Payload(msgspec.Struct, frozen=True):
    config: bytes
    secrets: dict[str, str]


def payload(config: Config, secrets: Secrets) -> bytes:
    """Both as bytes. They hold secrets in clear: they go over a private channel and nowhere else."""
    return msgspec.msgpack.encode(_Payload(config.model_dump_json(by_alias=True).encode(), secrets.handed_on()))


def restore(data: bytes) -> tuple[Config, Secrets]:
    """What `payload` was given."""
    taken = msgspec.msgpack.decode(data, type=_Payload)
    return Config.model_validate_json(taken.config), Secrets(taken.secrets)
