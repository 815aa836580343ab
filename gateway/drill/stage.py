"""The stage of a drill: the configuration behind the real server, its providers redirected to fakes, and a client.

`staged` changes nothing that decides where a request goes. What it changes is where requests could leak out, wait or be
remembered: every credential is a made-up one (also where clouds would sign), state is in memory, nothing is cached or
recorded, and callers need no key, or are the one key that was named. Each request is redirected when it is sent, so the
engine compiles the origins, time-outs and paths that would serve.

Must not live here: faults (scenarios.py), what came of them (judging.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from random import Random
from typing import Final

import msgspec

from gateway.config.load import references
from gateway.config.model import Config, Provider
from gateway.config.refs import Ref, Secrets, stand_in
from gateway.drill.upstreams import MARK, Fake
from gateway.engine.build import build
from gateway.engine.engine import Engine
from gateway.engine.live import Live
from gateway.failure import Failed, Failure, Kind
from gateway.protocols import PROTOCOLS
from gateway.providers.catalog import PRESETS
from gateway.providers.signing import SIGNERS
from gateway.routing.run import Tools
from gateway.server.listening import served
from gateway.server.serving import Serving
from gateway.state.meters import Meters
from gateway.state.pool import StatePool
from gateway.store.memory import Memory
from gateway.transport.contract import Origin, Request, Response, Timeouts
from gateway.transport.pool import Transport

PROVIDER_HEADER: Final = "x-drill-provider"
EPOCH: Final = 1_767_225_600.0  # 2026-01-01: the wall clock when a drill begins
HOST: Final = "127.0.0.1"
CALLER: Final = "drill-caller-0123456789abcdef"
PATIENCE: Final = 3600.0  # virtual seconds after which a client gives up: the request hangs
_CHAT: Final = PROTOCOLS["openai-chat"]


class Seen(msgspec.Struct, frozen=True):
    """What a client saw of one request. `at` and `seconds` are virtual seconds.

    `end`: `whole`, `refused` (a status that says so), `broken` (an answer that began and did not end well) or `hung`.
    `sends`: requests that providers were sent meanwhile, mirrored ones too. `provider`: whose answer it was, or "".
    """

    at: float
    seconds: float
    streamed: bool
    status: int
    end: str
    code: str
    sends: int
    provider: str


class Staged(msgspec.Struct, frozen=True):
    """A configuration that is ready to be drilled. `credentials`: by provider, names by their made-up numbers."""

    config: Config
    secrets: Secrets
    credentials: dict[str, dict[str, str]]
    protocols: dict[str, str]


def staged(config: Config, secrets: Secrets, caller: str | None = None) -> Staged:
    """The configuration for a stage. `caller`: the key that calls; None is nobody in particular.

    Raises KeyError where there is no such key.
    """
    values = secrets.handed_on()
    for _, needed in references(config):
        values.setdefault(needed.key, stand_in(needed))
    providers: dict[str, Provider] = {}
    credentials: dict[str, dict[str, str]] = {}
    protocols: dict[str, str] = {}
    count = 0
    for name, provider in config.providers.items():
        named: dict[str, Ref | None] = {key: each.key for key, each in provider.api_keys.items()} or {
            "default": provider.api_key
        }
        marks: dict[str, Ref] = {}
        credentials[name] = {}
        for key, ref in named.items():
            if ref is None or ref.none:
                continue
            marks[key] = Ref(env=f"{MARK}{count:04d}")
            values[marks[key].key] = f"{MARK}{count:04d}"
            credentials[name][f"{count:04d}"] = key
            count += 1
        providers[name] = _harmless(name, provider, marks)
        preset = PRESETS.get(provider.preset or name)
        protocols[name] = provider.protocol or (preset.protocol if preset is not None else _CHAT.name)
    keys = dict(config.keys)
    if caller is not None:
        digest = f"sha256:{sha256(CALLER.encode()).hexdigest()}"
        keys[caller] = keys[caller].model_copy(
            update={"hash": digest, "from_": None, "disabled": False, "expires": None}
        )
    auth = "open" if caller is None else "keys"
    gateway = config.gateway.model_copy(update={"auth": auth, "state": "memory", "ledger": None, "trusted_proxies": []})
    update = {"providers": providers, "keys": keys, "gateway": gateway, "cache": None}
    return Staged(config.model_copy(update=update), Secrets(values), credentials, protocols)


def _harmless(name: str, provider: Provider, marks: dict[str, Ref]) -> Provider:
    """A provider with made-up credentials, sent as they are where a cloud would have them sign."""
    preset = PRESETS.get(provider.preset or name)
    scheme = provider.auth or (preset.auth if preset is not None else "")
    fresh: dict[str, object] = {"headers": {**provider.headers, PROVIDER_HEADER: name}}
    if scheme in SIGNERS:
        fresh["auth"] = "bearer"
    if provider.api_keys:
        fresh["api_keys"] = {
            key: each.model_copy(update={"key": marks.get(key, each.key)}) for key, each in provider.api_keys.items()
        }
    elif "default" in marks:
        fresh["api_key"] = marks["default"]
    return provider.model_copy(update=fresh)


class Stage:
    """A running gateway, its fakes and a client, on a loop whose time is virtual. Made by `opened`."""

    def __init__(self, what: Staged, seed: int, revision: str) -> None:
        self._what = what
        self._seed = seed
        self._revision = revision
        self._transport = Transport()
        self._client = Transport()
        self._loop = asyncio.get_running_loop()
        self.fakes = {name: Fake(protocol, what.credentials[name]) for name, protocol in what.protocols.items()}
        self.sends: list[tuple[str, str]] = []  # (provider, credential)
        self.port = 0
        self._asked = 0
        self._live = Live()
        self._serving = Serving(
            live=self._live,
            pool=StatePool(),
            tools=Tools(
                send=self._send,
                clock=self._loop.time,
                wall=self._wall,
                sleep=asyncio.sleep,
                random=Random(seed),  # noqa: S311 - the same drill is the same every time
                emit=lambda _: None,
            ),
            ask_metrics=_nothing,
            ask_change=lambda what, who, to: _nothing(),
        )

    @property
    def engine(self) -> Engine:
        """What serves."""
        return self._live.engine

    def now(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def reset(self) -> None:
        """A fresh start: everybody is well, and the gateway remembers nothing."""
        store = Memory(clock=self._wall)
        state = StatePool(store)
        state.meters = Meters(store, clock=self._loop.time)
        for fake in self.fakes.values():
            fake.ill, fake.refuses = None, False
        self._serving.tools.random.seed(self._seed)
        self._live.swap(build(self._what.config, self._what.secrets, state, revision=self._revision))
        self._serving.pool = state
        self._serving.swapped(self._live.engine)

    async def ask(self, model: str, streamed: bool) -> Seen:
        """One chat request, read to its end."""
        self._asked += 1
        began, sent = self.now(), len(self.sends)
        body = {
            "model": model,
            "stream": streamed,
            "messages": [{"role": "user", "content": f"Question {self._asked}."}],
        }
        request = Request(
            origin=Origin("http", HOST, self.port),
            target="/v1/chat/completions",
            headers=(("content-type", "application/json"), ("authorization", f"Bearer {CALLER}")),
            body=msgspec.json.encode(body),
            timeouts=Timeouts(idle=PATIENCE, total=PATIENCE),
        )
        status, end, code, provider = 0, "hung", "", ""
        try:
            answer = await self._client(request)
            status, provider = answer.status, answer.header("x-gateway-provider") or ""
            end = "broken"
            end, code = _ending(status, await answer.read_all(1 << 24), streamed)
            answer.close()
        except Failed as failed:
            code = str(failed.failure.kind)
            end = "hung" if failed.failure.kind is Kind.TIMEOUT else "broken"
        seen = len(self.sends) - sent
        return Seen(began, round(self.now() - began, 3), streamed, status, end, code, seen, provider)

    def _wall(self) -> float:
        return EPOCH + self._loop.time()

    async def _send(self, request: Request) -> Response:
        """To the fake of the provider that is meant; to nobody else."""
        headers = dict(request.headers)
        fake = self.fakes.get(headers.get(PROVIDER_HEADER, ""))
        if fake is None:
            raise Failed(
                Failure(kind=Kind.CONNECTION, message="a drill sends nothing beyond its providers", sent=False)
            )
        credential = fake.credential(headers)
        self.sends.append((headers[PROVIDER_HEADER], credential))
        port = fake.refusing if fake.refuses else fake.port
        return await self._transport(msgspec.structs.replace(request, origin=Origin("http", HOST, port)))


async def _nothing() -> bytes:
    """Stands where a server would ask its supervisor."""
    return b"{}"


def _ending(status: int, body: bytes, streamed: bool) -> tuple[str, str]:
    """(how it ended, the code of the error where there was one)."""
    if status != 200:
        return "refused", _code(body)
    if not streamed:
        try:
            _CHAT.decode_response(body)
        except Exception as error:  # whatever it is, the client could not read it
            return "broken", type(error).__name__
        return "whole", ""
    sniffer = _CHAT.stream_sniffer(False)
    sniffer.feed(body)
    if sniffer.failure is None:
        sniffer.finish()
    if sniffer.failure is not None:
        return "broken", next(
            (_code(frame) for frame in body.split(b"data: ") if frame.startswith(b'{"error"')), ""
        ) or (str(sniffer.failure.kind))
    return ("whole", "") if sniffer.content else ("broken", "empty")


def _code(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body)["error"]
        return str(error.get("code") or error.get("type") or "")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "unreadable"


@asynccontextmanager
async def opened(what: Staged, seed: int, revision: str) -> AsyncIterator[Stage]:
    """A stage, until it is left. The running loop's time must be virtual (loop.py)."""
    stage = Stage(what, seed, revision)
    for fake in stage.fakes.values():
        await fake.begin()
    try:
        stage.reset()
        async with served(stage._serving) as stage.port:
            yield stage
    finally:
        stage._transport.close()
        stage._client.close()
        for fake in stage.fakes.values():
            await fake.end()
