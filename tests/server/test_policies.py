"""Policies, guardrails, teams and addresses, over sockets and on several clients' wires."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from tests.conftest import ADMIN, KEY

CARD = "4111 1111 1111 1111"
CONFIG = r"""
version: 1
gateway: {listen: "127.0.0.1:0", workers: 1, trusted_proxies: [127.0.0.1], log: {level: debug}}
providers:
  eu: {preset: sandbox, tags: [eu]}
  us: {preset: sandbox, tags: [us]}
  messages: {preset: sandbox, protocol: anthropic, tags: [us]}
models:
  near: {provider: eu, id: sandbox}
  far: {provider: us, id: sandbox}
  claude: {provider: messages, id: claude-sonnet-4-5}
  hidden: {provider: eu, id: sandbox, visibility: internal}
combos:
  both: [far, near]
  asked:
    strategy: when
    targets:
      - {model: far, when: {headers: {x-where: far}}}
      - {model: near, when: {headers: {x-where: near}}}
teams: {finance: {allow: [near, far, both, asked, claude]}}
keys:
  caller: {from: {env: CALLER_KEY}, team: finance, trust: [user, tags], tags: [paid]}
  admin: {from: {env: ADMIN_KEY}, admin: true, allow: [far]}
policies:
  - {name: no tea, when: {headers: {x-case: deny}}, do: {deny: {status: 418, message: No tea here.}}}
  - {name: outside, when: {headers: {x-case: office}, not: {client_ip: 192.0.2.0/24}}, do: {deny: {message: Outside.}}}
  - {name: elsewhere, when: {headers: {x-case: route}}, do: {route: hidden}}
  - {name: stays, when: {headers: {x-case: eu}, model: both}, require: {tags: [eu]}}
  - {name: here, when: {headers: {x-case: nowhere}, model: both}, require: {tags: [eu]}}
  - {name: there, when: {headers: {x-case: nowhere}, model: both}, require: {not_tags: [eu]}}
  - {name: words, when: {headers: {x-case: words}}, do: {system: {prefix: Be brief.}, redact: [{pattern: secret}]}}
  - {name: tagged, when: {user: u1, tags: vip}, do: {deny: {status: 403, message: Trusted.}}}
"""
GUARDED = r"""
guardrails:
  cards: {pattern: '\b\d{4}([ -]?\d{4}){3}\b', on: [response], do: redact, instead: "[card]"}
  blocked: {pattern: forbidden, on: [response], do: reject}
  unasked: {pattern: unmentionable, do: reject}
  noticed: {pattern: curious, on: [request, response], do: flag}
"""

WIRES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "TEXT"}]}),
    "openai-responses": ("/v1/responses", {"input": "TEXT"}),
    "anthropic": ("/v1/messages", {"max_tokens": 500, "messages": [{"role": "user", "content": "TEXT"}]}),
    "gemini": ("/v1beta/models/MODEL:generateContent", {"contents": [{"role": "user", "parts": [{"text": "TEXT"}]}]}),
    "ollama": ("/api/chat", {"stream": False, "messages": [{"role": "user", "content": "TEXT"}]}),
}


def ask(
    url: str,
    wire: str,
    model: str,
    text: str = "hello",
    case: str = "",
    key: str = KEY,
    stream: bool = False,
    **headers: str,
) -> httpx.Response:
    path, body = WIRES[wire]
    sent = json.loads(json.dumps(body).replace("TEXT", text))
    if wire == "gemini":
        path = path.replace("MODEL", model)
        if stream:
            path = path.replace(":generateContent", ":streamGenerateContent") + "?alt=sse"
    else:
        sent |= {"model": model, "stream": stream}
    headers = {"x-api-key": key, "x-case": case, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(url + path, json=sent, headers=headers, timeout=20)


@pytest.fixture(scope="module")
def url(launch_once: Any) -> str:
    found: str = launch_once(CONFIG).url
    return found


def test_what_policies_do_on_every_wire(url: str) -> None:
    for wire in WIRES:
        denied = ask(url, wire, "near", case="deny")
        assert denied.status_code == 418, denied.text
        assert "No tea here." in denied.text

        led = ask(url, wire, "far", case="route")
        assert led.status_code == 403, "the team may not use what the policy leads to"

        assert ask(url, wire, "both").headers["x-gateway-model"] == "far"
        near = ask(url, wire, "both", case="eu")
        assert (near.status_code, near.headers["x-gateway-model"]) == (200, "near"), near.text

        nowhere = ask(url, wire, "both", case="nowhere")
        assert nowhere.status_code == 403
        assert "the policy 'here' and the policy 'there' forbid them all" in nowhere.text

        worded = ask(url, wire, "near", text="my secret", case="words")
        assert "You said: my [redacted]" in worded.text, worded.text

        assert ask(url, wire, "asked", x_where="near").headers["x-gateway-model"] == "near"
        assert ask(url, wire, "asked", x_where="far").headers["x-gateway-model"] == "far"
        assert ask(url, wire, "asked", x_where="away").status_code == 400


def test_who_is_believed_what(url: str) -> None:
    said = {"x_gateway_user": "u1", "x_gateway_tags": "vip, other"}
    assert ask(url, "openai-chat", "far", **said).status_code == 403
    assert ask(url, "openai-chat", "far", key=ADMIN, **said).status_code == 200, "this key trusts nothing"
    path, body = WIRES["anthropic"]
    named = {**body, "model": "far", "metadata": {"user_id": "u1"}}
    answer = httpx.post(url + path, json=named, headers={"x-api-key": KEY, "x-gateway-tags": "vip"}, timeout=20)
    assert answer.status_code == 403

    inside = ask(url, "openai-chat", "far", case="office", x_forwarded_for="192.0.2.7")
    assert inside.status_code == 200
    for spoofed in ("203.0.113.9", "192.0.2.7, 203.0.113.9", "192.0.2.7, junk"):
        assert ask(url, "openai-chat", "far", case="office", x_forwarded_for=spoofed).status_code == 403

    assert ask(url, "openai-chat", "hidden").status_code == 404
    assert ask(url, "openai-chat", "near", key=ADMIN).status_code == 403


def words_of(wire: str, answer: httpx.Response) -> str:
    """The text of an answer, streamed or whole."""
    lines = [line.removeprefix("data:").strip() for line in answer.text.splitlines() if not line.startswith("event:")]
    events = [json.loads(line) for line in lines if line.startswith("{")] if len(lines) > 1 else [answer.json()]
    found: list[str] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in ("content", "text", "delta") and isinstance(inner, str):
                    found.append(inner)
                else:
                    visit(inner)
        elif isinstance(value, list):
            for inner in value:
                visit(inner)

    for event in events:
        if event.get("type", "").endswith((".done", ".completed")):
            continue  # said again
        visit(event)
    return "".join(found)


def test_guardrails_of_answers_whole_and_streamed(launch: Any) -> None:
    running = launch(CONFIG + GUARDED)
    url = running.url
    for wire in WIRES:
        for model in ("far", "claude"):
            for stream in (False, True):
                answer = ask(url, wire, model, text=f"my card {CARD} ok", stream=stream)
                assert answer.status_code == 200, answer.text
                assert CARD not in answer.text
                assert "my card [card] ok" in words_of(wire, answer), (wire, model, stream, answer.text)

        refused = ask(url, wire, "near", text="this is forbidden")
        assert refused.status_code == 400
        assert "'blocked' does not let this answer pass" in refused.text

        unasked = ask(url, wire, "near", text="an unmentionable thing")
        assert unasked.status_code == 400
        assert "'unasked' does not let this request pass" in unasked.text

        broken = ask(url, wire, "far", text="word " * 40 + "forbidden " + "word " * 40, stream=True)
        assert broken.status_code == 200
        assert "'blocked' does not let this answer pass" in broken.text, broken.text
        assert "forbidden" not in broken.text
        assert words_of(wire, broken).count("word") > 30, "what came before it was told"

    ask(url, "openai-chat", "near", text="how curious")
    log = running.log.read_text().splitlines()
    flagged = [line for line in log if "guardrail flagged" in line]
    assert len(flagged) == 1
    assert "guardrail=noticed on=request" in flagged[0]
    last = [line for line in log if " request " in line][-1]
    assert "('paid', 'noticed')" in last


COPYING = r"""
version: 1
gateway: {listen: "127.0.0.1:0", workers: 1, auth: open}
providers: {sandbox: {}}
models: {near: {provider: sandbox, id: sandbox}, far: {provider: sandbox, id: sandbox}}
policies:
  - {name: copies, when: {headers: {x-case: copy}}, do: {mirror: {to: far}}}
"""


def test_copies(launch: Any) -> None:
    url = launch(COPYING).url

    def copies() -> float:
        lines = httpx.get(f"{url}/metrics", timeout=10).text.splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith("gateway_mirror") and "_total" in line
        )

    ask(url, "openai-chat", "near", text="first")
    ask(url, "openai-chat", "near", text="another", case="copy")
    ask(url, "anthropic", "near", text="another", case="copy", stream=True)
    deadline = time.monotonic() + 10
    while copies() < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert copies() == 2


def test_no_cache(launch: Any) -> None:
    rule = "  - {name: fresh, when: {headers: {x-case: fresh}}, do: {no_cache: true}}\n"
    url = launch(COPYING + rule + "cache: {exact: {ttl: 10m}}\n").url
    for wire in ("openai-chat", "anthropic"):
        seen = [ask(url, wire, "near", case=case).headers["x-gateway-cache"] for case in ("", "", "fresh", "")]
        assert seen == ["miss", "hit", "bypass", "hit"]
