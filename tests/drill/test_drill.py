"""Drills: what the scorecards say of configurations whose weaknesses are known; and that nothing leaves the host."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.config.load import Loaded, load
from gateway.drill.judging import Card, Outcome, judged
from gateway.drill.loop import VirtualLoop
from gateway.drill.rehearse import drill
from gateway.drill.scenarios import SCENARIOS
from gateway.drill.stage import Seen
from gateway.engine.known import KNOWN

TWO = """
version: 1
providers:
  openai: {api_keys: {one: {env: ONE}, two: {env: TWO}}}
  anthropic: {api_key: {env: THREE}}
models: {a: {provider: openai, id: gpt-4.1}, b: {provider: anthropic, id: claude-sonnet-4-5}}
combos: {both: [a, b]}
aliases: {other: both}
keys: {anna: {from: {env: ANNA}, allow: [both, a]}}
"""
TIMES = "defaults: {timeouts: {first_token: 4s, idle: 3s, total: 8s}}\n"


def loaded(tmp_path: Path, text: str) -> Loaded:
    file = tmp_path / "router.yaml"
    file.write_text(text)
    found = load([file], known=KNOWN, environ={}, stand_ins=True)
    assert found.config is not None
    return found


def drilled(tmp_path: Path, text: str, route: str, *scenarios: str, requests: int = 12, **more: Any) -> Card:
    rows = [SCENARIOS[name] for name in scenarios]
    (card,) = drill(loaded(tmp_path, text), [route], rows, requests=requests, seed=1, **more)
    return card


def by_name(card: Card) -> dict[str, Outcome]:
    assert card.problem == ""
    return {outcome.scenario: outcome for outcome in card.outcomes}


def test_two_providers_survive_what_one_does_not(tmp_path: Path) -> None:
    names = ("credential-dead", "rate-limited", "server-error", "provider-down", "malformed")
    card = drilled(tmp_path, TWO, "both", *names)
    assert card.primary == "openai" and card.targets == ("a", "b")
    assert {name: outcome.verdict for name, outcome in by_name(card).items()} == dict.fromkeys(names, "survives")
    assert card.grade == "A" and card.survived == 5
    alone = by_name(drilled(tmp_path, TWO, "a", *names))
    assert alone["credential-dead"].verdict == "survives", "the other credential of the provider serves"
    assert alone["credential-dead"].sends == 2
    assert alone["rate-limited"].saw == {"429 rate_limit_exceeded": 12}
    assert alone["provider-down"].grade == "F" and alone["provider-down"].refused == 12
    one = by_name(drilled(tmp_path, TWO.replace("keys: {anna", "keys: {bert: {from: {env: B}}, anna"), "b", *names[:1]))
    assert one["credential-dead"].saw == {"502 upstream_auth": 12}, "it has no other credential"


def test_time_outs_of_the_file_hold_as_they_are_written(tmp_path: Path) -> None:
    began = time.monotonic()
    without = by_name(drilled(tmp_path, TWO, "both", "black-hole", "slow-drip"))
    assert without["black-hole"].slowest == 600.1, "the default total of a whole answer, and then the other provider"
    assert without["black-hole"].whole == 12 and without["black-hole"].verdict == "degrades"
    assert without["slow-drip"].slowest == 60.0 and without["slow-drip"].verdict == "degrades"
    within = by_name(drilled(tmp_path, TWO + TIMES, "both", "black-hole", "stops-midway"))
    assert within["black-hole"].slowest == 8.1 and within["black-hole"].saw == {}
    capped = TWO + TIMES.replace("defaults: {", "defaults: {cap: {time: 8s}, ")
    assert capped != TWO + TIMES
    hole = by_name(drilled(tmp_path, capped, "both", "black-hole"))["black-hole"]
    assert (hole.slowest, hole.saw) == (8.0, {"504 upstream_timeout": 6}), "nothing is left for the other provider"
    assert within["stops-midway"].slowest == 3.0, "idle of 3 s"
    assert within["stops-midway"].saw == {"broken: upstream_interrupted": 6}
    assert time.monotonic() - began < 30.0, "hours of outage"


def test_everything_down_is_judged_by_clean_refusals_and_the_way_back(tmp_path: Path) -> None:
    found = by_name(drilled(tmp_path, TWO + TIMES, "both", "everything-down"))["everything-down"]
    assert (found.whole, found.refused, found.verdict) == (0, 12, "survives")
    assert found.back is not None and found.back > 0


def test_equal_seeds_give_equal_cards(tmp_path: Path) -> None:
    text = TWO.replace("both: [a, b]", "both: {strategy: random, targets: [a, b]}")
    names = ("server-error", "cut-midway", "everything-down")
    assert drilled(tmp_path, text, "both", *names) == drilled(tmp_path, text, "both", *names)


def test_a_route_that_is_refused_while_all_is_well_is_not_drilled(tmp_path: Path) -> None:
    text = TWO.replace("id: gpt-4.1}", "id: gpt-4.1, limits: {requests: 2/minute}}")
    card = drilled(tmp_path, text, "a", "provider-down")
    assert card.outcomes == () and card.grade == "F"
    assert card.problem == "a request is refused while every provider is well: 429 rate_limit_exceeded"


def test_a_key_calls_as_it_may(tmp_path: Path) -> None:
    assert drilled(tmp_path, TWO, "b", "server-error", caller=None).problem == ""
    card = drilled(tmp_path, TWO, "b", "server-error", caller="anna")
    assert card.problem == "a request is refused while every provider is well: 403 model_not_allowed"
    assert drilled(tmp_path, TWO, "both", "server-error", caller="anna").grade == "A"


WIRES = """
version: 1
gateway: {auth: open, state: {redis: {url: {env: REDIS}}}, ledger: {url: {env: LEDGER}}}
cache: {exact: {ttl: 1h}}
providers:
  openai: {api_key: {env: A}}
  openai-responses: {api_key: {env: B}}
  anthropic: {api_key: {env: C}, egress_proxy: "http://proxy.invalid:3128"}
  gemini: {api_key: {env: D}}
  vertex-claude: {project: p, region: europe-west1, api_key: {env: E}}
  bedrock: {region: eu-central-1, api_key: {env: F}}
  cohere: {api_key: {env: G}}
  ollama: {}
  azure-classic: {resource: r, api_key: {env: H}}
  house: {protocol: openai-chat, base_url: {env: HOUSE_URL}, tls: {verify: false}, headers: {x-team: a}}
models:
  m0: {provider: openai, id: gpt-4.1, request: {set: {service_tier: flex}}}
  m1: {provider: openai-responses, id: gpt-4.1}
  m2: {provider: anthropic, id: claude-sonnet-4-5}
  m3: {provider: gemini, id: gemini-2.5-flash}
  m4: {provider: vertex-claude, id: claude-sonnet-4-5@20250929}
  m5: {provider: bedrock, id: "anthropic.claude-sonnet-4-5-20250929-v1:0"}
  m6: {provider: cohere, id: command-a-03-2025}
  m7: {provider: ollama, id: "llama3.1:8b"}
  m8: {provider: azure-classic, id: gpt-4.1}
  m9: {provider: house}
  "x/*": {provider: openai, id: "*"}
"""


def test_every_wire_cloud_and_store_is_drilled_without_leaving_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    went: set[str] = set()
    connect = socket.socket.connect

    def watched(sock: socket.socket, address: Any) -> Any:
        went.add(address[0])
        return connect(sock, address)

    async def resolved(*arguments: Any, **_: Any) -> Any:
        raise AssertionError(f"a name was looked up: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setattr(VirtualLoop, "getaddrinfo", resolved)
    file = tmp_path / "router.yaml"
    file.write_text(WIRES)
    ready = load([file], known=KNOWN, environ={}, stand_ins=True)
    assert {found.code for found in ready.diagnostics.errors} <= {"unusable-credential"}, "a library may be missing"
    cards = drill(ready, [], [SCENARIOS["overloaded"], SCENARIOS["cut-midway"]], requests=4, seed=1)
    assert {card.route: card.problem for card in cards} == dict.fromkeys([f"m{n}" for n in range(10)] + ["x/drill"], "")
    assert all(outcome.whole < 4 for card in cards for outcome in card.outcomes), "one provider each"
    assert all(outcome.back is not None for card in cards for outcome in card.outcomes)
    assert went <= {"127.0.0.1"}


def seen(end: str = "whole", seconds: float = 0.1, status: int = 200, code: str = "") -> Seen:
    return Seen(0.0, seconds, False, status, end, code, 1, "p")


@pytest.mark.parametrize(
    ("scenario", "ill", "back", "grade"),
    [
        ("server-error", [seen()] * 20, 3.0, "A"),
        ("server-error", [seen()] * 19 + [seen("broken")], 3.0, "B"),
        ("server-error", [seen()] * 16 + [seen("broken")] * 4, 3.0, "C"),
        ("server-error", [seen()] * 10 + [seen("refused", status=503, code="x")] * 10, 3.0, "D"),
        ("server-error", [seen()] * 9 + [seen("refused", status=503, code="x")] * 11, 3.0, "F"),
        ("server-error", [seen(seconds=10.2)] * 20, 3.0, "B"),
        ("server-error", [seen(seconds=50.2)] * 20, 3.0, "C"),
        ("server-error", [seen()] * 20, None, "B"),
        ("quota-exhausted", [seen()] * 20, None, "A"),
        ("everything-down", [seen("refused", status=503, code="x")] * 20, 3.0, "A"),
        ("everything-down", [seen("refused", status=500, code="")] * 20, 3.0, "F"),
        ("everything-down", [seen("hung")] * 20, 3.0, "F"),
    ],
)
def test_grades(scenario: str, ill: Sequence[Seen], back: float | None, grade: str) -> None:
    found = judged(SCENARIOS[scenario], ill, back, 0.1)
    assert found.grade == grade
    assert found.verdict == {"A": "survives", "F": "fails"}.get(grade, "degrades")


def test_virtual_time_passes_between_things_and_not_during_them() -> None:
    async def whole() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        began = loop.time()
        for _ in range(50):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()
        talked = loop.time() - began
        await asyncio.sleep(86_400.0)
        server.close()
        return talked, loop.time() - began - talked

    started = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        talked, slept = runner.run(whole())
    assert talked < 0.01 and slept == pytest.approx(86_400.0, abs=0.01)
    assert time.monotonic() - started < 5.0


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["drill", *map(str, arguments)])


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(TWO + TIMES)
    few = ("-c", file, "-r", "both", "-n", 4)
    good = run(*few, "-s", "server-error")
    assert (good.exit_code, good.stderr) == (0, "")
    assert good.stdout.splitlines()[0] == "both: A  (a, b; primary openai, 0.1 s when well)"
    assert "1 route, 1 of 1 scenarios survived; revision" in good.stdout
    assert run(*few, "-s", "cut-midway", "--min-grade", "A").exit_code == 1
    assert run(*few, "-s", "cut-midway", "--min-grade", "F").exit_code == 0
    document = json.loads(run(*few, "-s", "cut-midway", "-s", "server-error", "--format", "json").stdout)
    assert document["version"] == 1 and [each["scenario"] for each in document["routes"][0]["outcomes"]] == [
        "cut-midway",
        "server-error",
    ]
    page = run(*few, "-s", "cut-midway", "--format", "markdown").stdout
    assert page.startswith("| route | grade | cut-midway |\n|---|---|---|\n| `both` | **")
    assert [line.split()[0] for line in run("--list").stdout.splitlines()] == list(SCENARIOS)


def test_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(TWO)
    for arguments, code, words in (
        (("-r", "boht"), 2, "there is no route 'boht'; did you mean 'both'?"),
        (("-s", "black-whole"), 2, "there is no scenario 'black-whole'; did you mean 'black-hole'?"),
        (("--key", "ana"), 2, "there is no key 'ana'; did you mean 'anna'?"),
    ):
        found = run("-c", file, *arguments)
        assert (found.exit_code, found.stdout) == (code, "") and words in found.stderr
    file.write_text(TWO.replace("provider: openai,", "provider: openia,"))
    found = run("-c", file)
    assert found.exit_code == 1 and "unknown-provider" in found.stderr


def test_the_page_shows_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "drills.md").read_text()
    for name in ("OPENAI_API_KEY", "OPENAI_SPARE_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    pairs = re.findall(r"```yaml\n(.*?)```\n\n```text\n(.*?)```", page, re.S)
    for (text, shown), code in zip(pairs, (1, 0), strict=True):
        (tmp_path / "router.yaml").write_text(text)
        found = run()
        assert (found.stdout, found.exit_code) == (shown, code)
    assert f"```text\n{run('--list').stdout}```" in page


def test_every_strategy_that_learns_goes_back_to_who_recovered(tmp_path: Path) -> None:
    names = ("rate-limited", "server-error", "provider-down", "black-hole", "cut-midway")
    combos = {
        "fastest": "{strategy: fastest, targets: [a, b]}",
        **{
            preset: f"{{strategy: score, score: {preset}, targets: [a, b]}}" for preset in ("fast", "cheap", "reliable")
        },
    }
    text = TWO.replace("both: [a, b]", ", ".join(f"{name}: {combo}" for name, combo in combos.items()))
    text = text.replace("other: both", "other: fast").replace("[both, a]", "[fast, a]") + TIMES
    for name in combos:
        found = by_name(drilled(tmp_path, text, name, *names))
        backs = {scenario: outcome.back for scenario, outcome in found.items()}
        assert all(back is not None and back <= 300.0 for back in backs.values()), (name, backs)
