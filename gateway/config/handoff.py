"""A checked configuration on its way to another process: JSON of the model, the secrets beside it, and what is written
where.

What is read back was written by `payload` in this program; it is typed again, but not checked again.
"""

from __future__ import annotations

import msgspec

from gateway.config.model import Config
from gateway.config.refs import Secrets
from gateway.config.written import Places


class _Payload(msgspec.Struct, frozen=True):
    config: bytes
    secrets: dict[str, str]
    places: dict[str, str]


def payload(config: Config, secrets: Secrets, written: Places) -> bytes:
    """All of it as bytes. They hold secrets in clear: they go over a private channel and nowhere else."""
    model = config.model_dump_json(by_alias=True).encode()
    return msgspec.msgpack.encode(_Payload(model, secrets.handed_on(), dict(written)))


def restore(data: bytes) -> tuple[Config, Secrets]:
    """What `payload` was given, but for the places."""
    taken = msgspec.msgpack.decode(data, type=_Payload)
    return Config.model_validate_json(taken.config), Secrets(taken.secrets)


def places(data: bytes) -> Places:
    """Where everything is written that `payload` was given."""
    return msgspec.msgpack.decode(data, type=_Payload).places
