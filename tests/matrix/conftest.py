"""One gateway process for all cells, in front of a sandbox on a socket for each wire, and a client of each SDK.

Any model of an upstream is `WIRE/ID`, where the ID's words say how it behaves; those below `leave-WIRE/` are at a
sandbox of their own, so that its connections are those of the one request that a test asked.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from gateway.sandbox.serve import Upstream, start
from gateway.sandbox.wires import Wire
from tests.conftest import KEY, Running
from tests.matrix.asking import Speaker
from tests.matrix.cells import CLIENTS, UPSTREAMS

HEAD = """
version: 1
gateway: {listen: "127.0.0.1:0", workers: 1}
defaults: {retries: {attempts: 0}}
keys: {caller: {from: {env: CALLER_KEY}}}
"""


class Stage(msgspec.Struct, frozen=True):
    """What the cells play on."""

    url: str
    upstreams: dict[str, Upstream]
    quiet: dict[str, Upstream]
    clients: dict[str, Speaker]


def _file(upstreams: dict[str, Upstream], quiet: dict[str, Upstream]) -> str:
    providers, models = {}, {}
    for prefix, servers in (("", upstreams), ("leave-", quiet)):
        for wire, server in servers.items():
            preset = UPSTREAMS[wire].preset
            providers[prefix + wire] = {"preset": preset, "base_url": server.url, "api_key": {"env": "CALLER_KEY"}}
            models[f"{prefix}{wire}/*"] = {"provider": prefix + wire, "id": "*"}
    sections = {"providers": providers, "models": models}
    return HEAD + "".join(f"{name}: {json.dumps(section)}\n" for name, section in sections.items())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The gateway, its upstreams and its clients."""
    upstreams = {wire: await start(wire=Wire(wire)) for wire in UPSTREAMS}
    quiet = {wire: await start(wire=Wire(wire)) for wire in UPSTREAMS}
    running = Running(tmp_path_factory.mktemp("matrix"), _file(upstreams, quiet))
    clients: dict[str, Any] = {name: made(running.url, KEY) for name, made in CLIENTS.items()}
    yield Stage(running.url, upstreams, quiet, clients)
    for client in clients.values():
        await client.close()
    running.stop()
    for server in (*upstreams.values(), *quiet.values()):
        await server.close()
    log = running.log.read_text()
    assert "Traceback" not in log, log
