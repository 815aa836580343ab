"""`explain`, `test` and the server say the same of a request: its path, its status, its attempts.

Configurations, requests and faults are made by chance. The dry walk is asked just before the rehearsal's server is, on
the very Engine and state; the real server runs the same file as a process, in front of sandboxes on sockets.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from gateway.config.load import Loaded, load
from gateway.config.model_tests import Faults, TestRequest
from gateway.engine.access import ANYONE
from gateway.engine.clients import Received
from gateway.engine.dry import Dry
from gateway.engine.known import KNOWN
from gateway.engine.shadow import Fault, Given
from gateway.failure import Kind
from gateway.protocols import PROTOCOLS
from gateway.rehearsal.request import Outgoing, outgoing
from gateway.rehearsal.stage import Stage
from gateway.rehearsal.world import World
from gateway.sandbox.serve import Upstream, start
from gateway.sandbox.wires import Wire
from tests.rehearsal.generated import CERTAIN, CHANCY, FAULTS, TOLD, WIRES, Made, made

BASES = dict.fromkeys(WIRES, "http://upstream.test/v1")


class Said(NamedTuple):
    """What is compared of one request."""

    path: tuple[str, ...]
    status: int
    attempts: int


def compiled(case: Made) -> Loaded:
    file = Path("router.yaml")
    text = msgspec.json.encode(case.config)
    return load([file], known=KNOWN, environ={}, texts={file: text}, stand_ins=True)


def good(
    seed: int, bases: dict[str, str], strategies: tuple[str, ...], tag: str, faulty: Sequence[dict[str, Any]] = FAULTS
) -> Made:
    """The first case of a seed that its checks find no fault with."""
    rng = Random(seed)
    while True:
        case = made(rng, bases, strategies, tag, faulty)
        if not compiled(case).diagnostics.has_errors:
            return case


def assumed(faults: dict[str, Faults], used: dict[str, int]) -> Given:
    """What is left of some faults, as a dry walk is told it."""

    def of(name: str) -> tuple[Fault, ...]:
        said = faults[name]
        left = said[min(used.get(name, 0), len(said) - 1) :]
        return tuple(Fault(kind=Kind(str(each.kind)) if each.kind is not None else None) for each in left)

    return Given(faults={name: of(name) for name in faults})


def walked(world: World, received: Received, given: Given, seed: int) -> Said:
    with Dry() as dry:
        found = dry.walk(world.engine, ANYONE, received, given, seed=seed, now=world.clock())
    return Said(found.path, found.status, len(found.path))


def received_of(sent: Outgoing, request: TestRequest, wall: float) -> Received:
    protocol = PROTOCOLS[request.protocol or "openai-chat"]
    named = request.protocol == "gemini"
    head = protocol.decode_head(sent.body, request.model if named else None, request.stream if named else None)
    return Received(protocol=protocol, head=head, headers=dict(sent.headers), wall=wall)


async def rehearsed(world: World, case: Made) -> list[tuple[Said, Said]]:
    """Each request as the rehearsal has it, and as the dry walk foretold it."""
    world.upstreams.befall(case.faults)
    found: list[tuple[Said, Said]] = []
    with ThreadPoolExecutor(1) as pool:
        for turn, said in enumerate(case.requests):
            request = TestRequest.model_validate(said)
            sent = outgoing(request, None)
            used = {name: sum(each.target == name for each in world.upstreams.sent) for name in case.faults}
            given = assumed(case.faults, used)
            foretold = pool.submit(walked, world, received_of(sent, request, world.wall()), given, turn).result()
            world.tools.random.seed(turn)
            happened = await world.ask(sent)
            assert happened.reply is not None and happened.finished is not None
            trials = [trial.target for trial in happened.trials]
            found.append((Said(tuple(trials), happened.reply.status, happened.finished.attempts), foretold))
    return found


def played(case: Made) -> tuple[Loaded, list[tuple[Said, Said]]]:
    loaded = compiled(case)
    stage = Stage(loaded)
    return loaded, stage.run(lambda world: rehearsed(world, case), wall=1_800_000_000.0, seed=0)


@pytest.mark.parametrize("block", range(4))
def test_a_dry_walk_foretells_what_a_rehearsal_does(block: int) -> None:
    """With every strategy: chance begins alike, so it ends alike."""
    lengths: set[int] = set()
    for number in range(15):
        case = good(block * 1000 + number, BASES, CHANCY, str(number))
        _, pairs = played(case)
        for turn, (said, foretold) in enumerate(pairs):
            assert said == foretold, (block, number, turn, case.requests[turn], msgspec.json.encode(case.config))
            lengths.add(len(said.path))
    assert {0, 1, 2, 3} <= lengths


async def served(url: str, case: Made, journal: deque[Any], tag: str) -> list[Said]:
    """Each request as the real server has it: its path is what arrived at the upstreams."""
    found = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for said in case.requests:
            journal.clear()
            sent = outgoing(TestRequest.model_validate(said), None)
            answer = await client.post(sent.path, content=sent.body, headers=dict(sent.headers))
            arrived = [re.search(rf"(m\d-{tag})\b", f"{entry.path} {entry.body!r}") for entry in journal]
            path = tuple(match[1] for match in arrived if match is not None)
            attempts = int(answer.headers.get("x-gateway-attempts", "0"))
            found.append(Said(path, answer.status_code, attempts))
    return found


def reloaded(gateway: Any, revision: str) -> None:
    gateway.wait(lambda health: health["revision"] == revision)


async def listening() -> dict[str, Upstream]:
    """An upstream of each wire, which write into one journal."""
    journal: deque[Any] = deque(maxlen=100)
    upstreams = {}
    for wire in WIRES:
        upstreams[wire] = await start(wire=Wire(wire))
        upstreams[wire].journal = journal
    return upstreams


async def test_the_server_does_what_was_foretold(launch: Any) -> None:
    """The same files on sockets: one process, reloaded with each."""
    upstreams = await listening()
    bases = {wire: upstream.url for wire, upstream in upstreams.items()}
    gateway: Any = None
    asked = 0
    for number in range(15):
        tag = f"t{number}"
        case = good(50_000 + number, bases, CERTAIN, tag, TOLD)
        loop = asyncio.get_running_loop()
        loaded, pairs = await loop.run_in_executor(None, played, case)
        text = msgspec.json.encode(case.config).decode()
        if gateway is None:
            gateway = await loop.run_in_executor(None, launch, text)
        else:
            gateway.write(text)
            await loop.run_in_executor(None, reloaded, gateway, loaded.revision)
        told = await served(gateway.url, case, upstreams[WIRES[0]].journal, tag)
        for turn, (said, (rehearsed_, foretold)) in enumerate(zip(told, pairs, strict=True)):
            assert said == rehearsed_ == foretold, (number, turn, case.requests[turn], text)
            asked += 1
    assert asked == 60
    for upstream in upstreams.values():
        await upstream.close()


async def test_a_file_with_tests_is_served_as_without(launch: Any) -> None:
    """What is said in `tests:` is nothing to the server, and what they say of it is true."""
    text = (Path(__file__).parent.parent.parent / "router.yaml").read_text().replace("127.0.0.1:8080", "127.0.0.1:0")
    assert "\ntests:" in text
    gateway = await asyncio.get_running_loop().run_in_executor(None, launch, text)
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        sent = outgoing(TestRequest(model="smart"), None)
        answer = await client.post(sent.path, content=sent.body, headers=dict(sent.headers))
    assert answer.headers["x-gateway-model"] == "large"
    assert answer.json()["usage"]["completion_tokens"] == 200
