"""Clouds that host a wire under paths of their own: one row per host.

- `azure-classic`: the deployment is in the path, the version of the API in the query
  (https://learn.microsoft.com/en-us/azure/foundry/openai/reference);
- `vertex-claude`: the model is in the path, the version of the wire in the body
  (https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai).

Every other provider has the wire's own path below its base URL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec

from gateway.protocols.contract import Edits, Protocol

AZURE_VERSION: Final = "2024-10-21"  # the last stable version of the classic data plane


class Host(msgspec.Struct, frozen=True):
    """`path`: wire, upstream id, streamed?, version of the API → below the base URL. `edits` are made to every body."""

    path: Callable[[Protocol, str, bool, str], str]
    edits: Edits = Edits()


def _own(protocol: Protocol, model: str, stream: bool, _version: str) -> str:
    return protocol.endpoint(model, stream)


def _azure_classic(protocol: Protocol, model: str, stream: bool, version: str) -> str:
    own = protocol.endpoint(model, stream)
    return f"/deployments/{quote(model, safe='*')}{own}?api-version={quote(version or AZURE_VERSION, safe='')}"


def _vertex_claude(_protocol: Protocol, model: str, stream: bool, _version: str) -> str:
    return f"/models/{quote(model, safe='@*')}:{'streamRawPredict' if stream else 'rawPredict'}"


OWN: Final = Host(_own)
HOSTS: Final[dict[str, Host]] = {
    "": OWN,
    "azure-classic": Host(_azure_classic),
    "vertex-claude": Host(
        _vertex_claude,
        Edits(set=(("anthropic_version", b'"vertex-2023-10-16"'),), model_in_body=False),
    ),
}
