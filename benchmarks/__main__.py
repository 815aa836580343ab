"""`python -m benchmarks`: everything in one go, one table, and the raw samples as JSON.

python -m benchmarks              about 7 minutes
python -m benchmarks --quick      about 2 minutes, one round
python -m benchmarks --only json --only memory
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import configs, features, measure, translation
from benchmarks.measure import Candidate, Sample, Stage
from benchmarks.processes import ROOT, cores, free_port
from benchmarks.report import Results, promises, table

PARTS = ("json", "streams", "memory", "reload", "translation", "features")
CONNECTIONS = (1, 16, 64, 256)
SIZES = (10, 100, 1_000, 10_000)


def lacking() -> str | None:
    """What this machine lacks for the benchmarks, and how to get it on Debian; None where nothing."""
    missing = [program for program in ("nginx", "wrk", "taskset") if shutil.which(program) is None]
    if missing:
        return f"Not installed: {', '.join(missing)}. On Debian: apt-get install nginx-light wrk util-linux"
    if len(cores()) < 2:
        return "Two cores are needed: one for the candidate, one for the upstream and the load."
    return None


def note(text: str) -> None:
    """Progress, beside the results."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def compare(
    stage: Stage, parts: list[str], rounds: int, seconds: float, streams: int, ceiling: bool, peers: bool
) -> Results:
    """direct, nginx and the gateway, interleaved: in each round each scenario meets one after the other."""
    results: Results = {}
    with ExitStack() as stack:
        upstream = stage.start_upstream(stack)
        candidates = [Candidate("direct", upstream, None), stage.start_nginx(stack, upstream)]
        if not ceiling:
            port = free_port()
            candidates.append(stage.start_gateway(stack, configs.router(port, upstream), port)[0])
            litellm = stage.start_litellm(stack, upstream) if peers else None
            if litellm is not None:
                candidates.append(litellm)
        servers = [candidate.server for candidate in candidates if candidate.server is not None]
        scenarios: list[tuple[str, Callable[[Candidate], Sample]]] = []
        if "memory" in parts:
            scenarios.append((f"{streams} open streams", partial(measure.memory, stage, streams=streams)))
        if "json" in parts:
            for count in CONNECTIONS:
                name = f"JSON, {count} connection{'s' if count > 1 else ''}"
                scenarios.append((name, partial(measure.json_load, stage, connections=count, seconds=seconds)))
        if "streams" in parts:
            for name, model in (("flooded", "flood"), ("paced 20 ms", "paced")):
                scenarios.append(
                    (
                        f"100 streams, {name}",
                        partial(measure.stream_load, stage, model=model, streams=100, seconds=max(seconds, 2.5)),
                    )
                )
        for number in range(rounds):
            for name, scenario in scenarios:
                if number and "open streams" in name:
                    continue  # memory idle is that of a fresh start: once
                for candidate in candidates:
                    if candidate.server is None and "open streams" in name:
                        continue
                    for server in servers:
                        if server is candidate.server:
                            server.resume()
                        else:
                            server.pause()
                    note(f"round {number + 1}: {name}: {candidate.name}")
                    results.setdefault(name, {}).setdefault(candidate.name, []).append(scenario(candidate))
    return results


def reload_by_size(stage: Stage, sizes: Sequence[int], times: int) -> Results:
    """Start-up and reload time by the number of models in the file."""
    results: Results = {}
    with ExitStack() as stack:
        upstream = stage.start_upstream(stack)
        for size in sizes:
            note(f"start and reload: {size} models")
            results[f"{size:,} models"] = {"gateway": [measure.reloads(stage, upstream, size, times)]}
    return results


def main() -> int:
    """Returns 1 where something is missing or, with --check, where a promise was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, no 10,000 models")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, per measure")
    parser.add_argument("--streams", type=int, default=1000, help="open at once for the memory measure")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench.json", help="where the samples go")
    parser.add_argument("--ceiling", action="store_true", help="direct and nginx only: what the harness can show")
    parser.add_argument("--peers", action="store_true", help="also LiteLLM, where `litellm` is on the PATH")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a promise was missed")
    options = parser.parse_args()
    lack = lacking()
    if lack is not None:
        note(lack)
        return 1
    rounds, seconds, times = (1, 2.0, 2) if options.quick else (options.rounds, options.seconds, 5)
    sizes = SIZES[:3] if options.quick else SIZES
    parts = options.only or list(PARTS)
    began = time.monotonic()
    usable = cores()
    gateway_core, load_core = usable[:2]
    results: Results = {}
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as place:
        stage = Stage(Path(place), gateway_core, load_core)
        if set(parts) - {"reload", "translation", "features"}:
            results |= compare(stage, parts, rounds, seconds, options.streams, options.ceiling, options.peers)
        if "reload" in parts and not options.ceiling:
            results |= reload_by_size(stage, sizes, times)
        translated = None
        if "translation" in parts and not options.ceiling:
            note("translation: microseconds per event")
            translated = translation.measured(stage, 10 if options.quick else 40, seconds / 2, note)
        ruled = None
        if "features" in parts and not options.ceiling:
            ruled = features.measured(stage, seconds / 2, note)
    took = time.monotonic() - began
    print(f"{platform.machine()}, {len(usable)} cores, Python {platform.python_version()}, {rounds} round(s)")
    print(f"core {gateway_core}: the candidate; core {load_core}: the upstream and the load; {took:.0f} s in all\n")
    print(
        table(
            results,
            [name for name in ("direct", "nginx", "gateway", "litellm") if any(name in by for by in results.values())],
        )
    )
    for what in stage.disturbed:
        print(f"DISTURBED: something else used the candidate's core: {what}")
    kept = promises(results)
    if translated is not None:
        print("\n" + translated.text())
        kept += translated.promises()
    if ruled is not None:
        print("\n" + features.text(ruled))
        kept += features.promises(ruled)
    print("\n" + "\n".join(promise.line() for promise in kept))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(
        json.dumps(
            {
                "seconds": took,
                "results": results,
                "translation": translated.samples() if translated else None,
                "features": ruled,
            },
            indent=1,
        )
        + "\n"
    )
    print(f"\nsamples: {options.json}")
    return 1 if options.check and not all(promise.kept for promise in kept) else 0


if __name__ == "__main__":
    sys.exit(main())
