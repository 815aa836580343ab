"""Pictures of routes: what is drawn is what would serve."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.engine.graph import Arrow, Box, Graph, mermaid, svg

TEXT = """
version: 1
gateway: {auth: open}
providers: {sandbox: {}, other: {preset: sandbox}}
models:
  claude: {provider: sandbox}
  gpt: {provider: sandbox}
  house: {provider: other}
  both: {deployments: [{provider: sandbox}, {provider: other}]}
aliases: {gpt-4: gpt, "claude-*": claude}
combos:
  fast: {strategy: weighted, targets: [{model: claude, weight: 80}, {model: gpt, weight: 20}]}
  tiered: [{group: [house, gpt], strategy: least_busy}, claude, fast]
fallbacks:
  fast: [{on: [rate_limit, timeout], to: [house]}, {to: [both]}]
"""
DRAWN = """\
flowchart LR
  n0(["tiered<br/>priority"])
  n1{{"least_busy"}}
  n2["house<br/>other"]
  n3["gpt<br/>sandbox"]
  n4["claude<br/>sandbox"]
  n5{{"fast<br/>weighted"}}
  n6{{"both<br/>least_busy"}}
  n7["both@sandbox<br/>sandbox"]
  n8["both@other<br/>other"]
  n1 --> n2
  n1 --> n3
  n0 -->|"1"| n1
  n0 -->|"2"| n4
  n5 -->|"80%"| n4
  n5 -->|"20%"| n3
  n5 -.->|"rate_limit, timeout"| n2
  n6 --> n7
  n6 --> n8
  n5 -.->|"any failure"| n6
  n0 -->|"3"| n5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "router.yaml"
    path.write_text(TEXT)
    return path


def run(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["graph", "-c", str(file), *arguments])


def test_one_name_with_all_that_it_can_reach(file: Path) -> None:
    assert run(file, "tiered").stdout == DRAWN


def test_without_names_every_route_that_is_more_than_a_model(file: Path) -> None:
    shown = run(file).stdout
    for name in ("both", "fast", "tiered", "gpt-4", "claude-*"):
        assert f'(["{name}' in shown, name
    assert '(["claude"' not in shown
    assert '(["gpt"' not in shown


def test_the_picture_holds_every_word(file: Path) -> None:
    root = ElementTree.fromstring(run(file, "--format", "svg").stdout)
    words = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("fast") == 1
    for word in ("tiered", "priority", "80%", "rate_limit, timeout", "any failure", "both@other"):
        assert word in words, word
    dashed = [each for each in root.iter("{http://www.w3.org/2000/svg}path") if each.get("stroke-dasharray")]
    assert len(dashed) == 2


def test_words_are_quoted() -> None:
    graph = Graph((Box("n0", "route", ('a"&<b>',)), Box("n1", "target", ("t",))), (Arrow("n0", "n1", '"'),))
    assert '(["a#quot;#amp;#lt;b#gt;"])' in mermaid(graph)
    assert '-->|"#quot;"|' in mermaid(graph)
    ElementTree.fromstring(svg(graph))


def test_what_cannot_be_drawn(file: Path) -> None:
    result = run(file, "fsat")
    assert result.exit_code == 1
    assert "did you mean 'fast'?" in result.stderr
    file.write_text(TEXT.replace("provider: other", "provider: othr"))
    assert run(file).exit_code == 1
