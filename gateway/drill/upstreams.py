"""The fake upstreams of a drill: one for each provider of the file, on a port of its own, ill when it is told to be.

The gateway's requests come as they would go to the provider, path and body; what they ask is not looked at beyond
whether a stream is wanted, since a real model's name means nothing to a sandbox. The answer is the sandbox's to a plain
question on the provider's wire. Who asks with which credential is known from the made-up secrets (`Mark`).

Must not live here: which illnesses there are (scenarios.py), how a request gets here (stage.py).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from gateway.ir.chat import Message, Request, Text
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect
from gateway.sandbox.plan import Plan
from gateway.sandbox.serve import Entry, Upstream
from gateway.sandbox.wires import BASES, Wire

WELL: Final = "tokens=4; latency=100ms"
MARK: Final = "drill-credential-"
_LINES: Final = "ndjson"  # a wire of lines streams unless it is told not to

Illness = Callable[[str], str | None]  # of a credential's name; what the sandbox is told, None for nothing


class Fake(Upstream):
    """One provider. `credentials`: names by the number in their made-up secret; `ill` is None while it is well, and
    `refuses` says that nobody listens."""

    def __init__(self, protocol: str, credentials: Mapping[str, str]) -> None:
        self.wire = Wire(protocol)
        super().__init__(self.wire, journal=1)
        self.ill: Illness | None = None
        self.refuses = False
        self._credentials = credentials
        self._questions = {stream: _question(protocol, stream) for stream in (False, True)}
        self._closed = socket.socket()  # bound, so that the port is nobody else's, and never listened on

    async def begin(self) -> None:
        """Listens on a free port of this host; `refusing` is another, where connections are refused."""
        await self.start("127.0.0.1", 0)
        self._closed.bind(("127.0.0.1", 0))

    @property
    def refusing(self) -> int:
        """A port that refuses connections."""
        port: int = self._closed.getsockname()[1]
        return port

    async def end(self) -> None:
        """Closes both ports and drops who is connected."""
        self._closed.close()
        await self.close()

    def answer(self, entry: Entry) -> Plan:
        """What the sandbox says to a plain question, in the illness of the credential that asks."""
        self.known.clear()
        credential = self.credential(entry.headers)
        words = self.ill(credential) if self.ill is not None else None
        target, body = self._questions[_streamed(entry, self.wire)]
        headers = {"content-type": "application/json", **_KNOWN_HEADERS, "x-sandbox": words or WELL}
        plan = self.sandbox.answer("POST", target, headers, body)
        return msgspec.structs.replace(plan, repeatable=False)

    def credential(self, headers: Mapping[str, str]) -> str:
        """The name of the credential that a request came with; "" where the provider wants none."""
        for value in headers.values():
            _, found, number = value.partition(MARK)
            if found:
                return self._credentials.get(number, "")
        return ""


_KNOWN_HEADERS: Final = {pair[0]: pair[1] for protocol in PROTOCOLS.values() for pair in protocol.headers}


def _question(protocol: str, stream: bool) -> tuple[str, bytes]:
    """(path, body) of a plain question on a wire."""
    wire = PROTOCOLS[protocol]
    asked = Request(
        origin=protocol,
        model="drill",
        messages=(Message("user", (Text("hello"),)),),
        max_tokens=64,
        stream=stream,
        stream_usage=stream,
    )
    body: dict[str, Any] = wire.encode_request(asked, Dialect("drill", "drill")).body
    return BASES[Wire(protocol)] + wire.endpoint("drill", stream), msgspec.json.encode(body)


def _streamed(entry: Entry, wire: Wire) -> bool:
    """Whether a stream is asked for: in the path's last word, or in the body, where some wires want one by default."""
    if "stream" in re.split("[:/]", entry.path.partition("?")[0])[-1].lower():
        return True
    try:
        said = msgspec.json.decode(entry.body)
    except msgspec.DecodeError:
        return False
    wanted = said.get("stream", _LINES in PROTOCOLS[wire].content_type) if isinstance(said, dict) else False
    return wanted is True
