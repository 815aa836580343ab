"""`python -m tests.interop`: every agent over every upstream wire, a table, and the table of docs/interop.md.

python -m tests.interop                                     about 5 minutes
python -m tests.interop --agent Codex --wire cohere -v      one, and what it said
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.interop.agents import AGENTS, run
from tests.interop.stage import HERE, MODULES, WIRES, Stage, lacking, stage

DOCUMENT = HERE.parents[1] / "docs/interop.md"
BEGIN, END = "<!-- the table of `make interop` -->", "<!-- its end -->"


def attempt(stage: Stage, agent: str, wire: str, verbose: bool) -> tuple[str, float]:
    """One agent over one wire: "" where it did what it was asked, else what went wrong; and its seconds."""
    secret = f"WALNUT-{secrets.token_hex(3)}"
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True) as place:
        code, out, errors = run(agent, stage.url, f"over-{wire}", Path(place), secret)
    took = time.monotonic() - began
    paths = stage.asked()
    wrong = ""
    if code is None:
        wrong = "it did not end"
    elif secret not in out:
        wrong = f"the answer lacks the secret (exit code {code})"
    elif len(paths) < 2 or not all(path.startswith(WIRES[wire][2]) for path in paths):
        wrong = f"the upstream was asked for {paths}"
    elif "Traceback" in stage.running.log.read_text():
        wrong = "the gateway raised"
    if verbose or wrong:
        sys.stderr.write(f"--- {agent} over {wire}: {wrong or 'well'}; asked: {paths}\n{out}\n{errors[-3000:]}\n")
        if wrong:
            sys.stderr.write(stage.running.log.read_text()[-3000:] + "\n")
    return wrong, took


def table(results: dict[tuple[str, str], str], agents: list[str], wires: list[str]) -> str:
    """Markdown; an agent a row, a wire a column."""
    rows = [["", *(f"`{wire}`" for wire in wires)], ["---"] * (len(wires) + 1)]
    rows += [[agent, *("no" if results[agent, wire] else "yes" for wire in wires)] for agent in agents]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def versions() -> str:
    """What package.json pins, as a sentence's list."""
    package = json.loads((HERE / "package.json").read_text())
    pinned: dict[str, str] = package["dependencies"] | package["optionalDependencies"]
    return ", ".join(f"{name} {version}" for name, version in sorted(pinned.items()))


def document(text: str, written: str) -> str:
    """The document with a new table between its marks."""
    begin, end = re.escape(BEGIN), re.escape(END)
    new, count = re.subn(f"{begin}.*?{end}", lambda _: f"{BEGIN}\n{written}\n{END}", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError("docs/interop.md has lost the marks of its table")
    return new


def main() -> int:
    """Returns 1 where something is missing or an agent failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", action="append", choices=list(AGENTS), help="only this one; may be repeated")
    parser.add_argument("--wire", action="append", choices=list(WIRES), help="only this one; may be repeated")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the agents said")
    options = parser.parse_args()
    if (lack := lacking()) is not None:
        sys.stderr.write(lack + "\n")
        return 1
    agents, wires = options.agent or list(AGENTS), options.wire or list(WIRES)
    agents = [agent for agent in agents if (MODULES / AGENTS[agent][0]).is_dir()]
    results: dict[tuple[str, str], str] = {}
    with tempfile.TemporaryDirectory(prefix="interop-") as place, stage(Path(place)) as playing:
        for agent in agents:
            for wire in wires:
                wrong, took = attempt(playing, agent, wire, options.verbose)
                results[agent, wire] = wrong
                print(f"{agent} over {wire}: {wrong or 'yes'} ({took:.1f} s)", flush=True)
    written = f"{versions()}.\n\n{table(results, agents, wires)}"
    print("\n" + written)
    if agents == list(AGENTS) and wires == list(WIRES):
        DOCUMENT.write_text(document(DOCUMENT.read_text(), written))
    return int(any(results.values()))


if __name__ == "__main__":
    raise SystemExit(main())
