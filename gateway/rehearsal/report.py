"""What became of tests, written down: lines for people, JSON and JUnit XML for programs.

A test that failed points at what it expected, in its file, and shows what was there instead and how it came to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import msgspec

from gateway.config.read import Path
from gateway.diagnostics import junit, text
from gateway.diagnostics.diagnostic import Diagnostic, diagnose
from gateway.engine.places import ways
from gateway.events import Finished, Skipped, Trial
from gateway.rehearsal.coverage import Covered
from gateway.rehearsal.perform import Asked, Played
from gateway.rehearsal.reading import code_of, message_of
from gateway.rehearsal.stage import Stage

VERSION: Final = 1


def findings(played: Played, stage: Stage) -> list[Diagnostic]:
    """What a test missed, each at its place; what happened is told once."""
    told = "\n".join(story(played, stage))
    found = []
    for number, missed in enumerate(played.missed):
        path = ".".join(map(str, missed.path))
        words = ".".join(map(str, missed.path[missed.path.index("expect") + 1 :]))
        detail = f"{words}: expected {missed.expected}, got {missed.actual}"
        if number == len(played.missed) - 1:
            detail = f"{detail}\n{told}"
        found.append(diagnose("test-failed", detail, stage.loaded.span(missed.path), path))
    return found


def story(played: Played, stage: Stage) -> list[str]:
    """What happened, line by line."""
    lines = []
    for number, asked in enumerate(played.asked):
        which = f"step {number + 1}: " if len(played.asked) > 1 else ""
        lines.append(f"{which}{_asked(asked)}")
        lines += [f"  {line}" for line in _course(asked, stage)]
    return lines


def _asked(asked: Asked) -> str:
    request = asked.request
    said = [f"POST {asked.outgoing.path}"]
    for word, value in (("model", request.model), ("key", request.key)):
        if value is not None:
            said.append(f"{word} {value}")
    if request.stream:
        said.append("streamed")
    return ", ".join(said)


def _course(asked: Asked, stage: Stage) -> Iterable[str]:
    happened = asked.happened
    finished = happened.finished
    record = finished.record if finished is not None else None
    if finished is not None and record is not None:
        for name in record.policies:
            yield f"the policy {name!r} holds{_by(policy_place(name, stage))}"
        for each in record.skipped:
            yield f"passed over {each.target}{_by(target_place(each.target, finished, stage))}: {each.why}"
        for trial in record.trials:
            ended = "answered" if trial.kind is None else trial.kind + (f" ({trial.status})" if trial.status else "")
            by = _by(target_place(trial.target, finished, stage))
            yield f"sent to {trial.target}{by} with {trial.credential}: {ended} after {trial.seconds:.3g}s"
    if happened.reply is None:
        yield "no answer came"
        return
    said = f"{happened.reply.status} after {happened.seconds:.3g}s"
    codes, message = code_of(happened.reply.body), message_of(happened.reply.body)
    yield said + (f", {codes[0]}" if codes else "") + (f": {message}" if message else "")


def _by(place: str | None) -> str:
    return f" ({place})" if place is not None else ""


def policy_place(name: str, stage: Stage) -> str | None:
    """Where a policy is written."""
    named = (index for index, policy in enumerate(stage.config.policies) if policy.name == name)
    return next((stage.loaded.at(("policies", index)) for index in named), None)


def target_place(name: str, finished: Finished, stage: Stage) -> str | None:
    """Where it is written that a request comes to a target: what names it, else the model itself."""
    record = finished.record
    for said in (finished.route, record.asked if record is not None else ""):
        route = stage.engine.route(said) if said else None
        for target, way in ways(route.node, stage.config) if route is not None else ():
            if target.name == name:
                model = ("models", target.model) if target.model in stage.config.models else ()
                return stage.loaded.at(way[-1] if way else model)
    return None


def lines(played: Sequence[Played], stage: Stage, *, colour: bool) -> str:
    """One line for each test, and for one that failed what it missed."""
    green, red, plain = ("\x1b[32m", "\x1b[1;31m", "\x1b[0m") if colour else ("", "", "")
    out = []
    for each in played:
        if not each.missed:
            out.append(f"{green}ok{plain}    {each.name}")
            continue
        out.append(f"{red}FAIL{plain}  {each.name}")
        out += [text.block(found, stage.loaded.sources, colour=colour) for found in findings(each, stage)]
    failed = sum(bool(each.missed) for each in played)
    requests = sum(each.requests for each in played)
    said = f"{len(played) - failed} passed" + (f", {failed} failed" if failed else "")
    out.append(f"{said}, {requests} request{'' if requests == 1 else 's'}")
    return "\n".join((*out, ""))


def as_json(played: Sequence[Played], stage: Stage, covered: Sequence[Covered] | None) -> str:
    """Everything, for programs. `version` is that of this form."""
    value: dict[str, Any] = {
        "version": VERSION,
        "revision": stage.loaded.revision,
        "passed": sum(not each.missed for each in played),
        "failed": sum(bool(each.missed) for each in played),
        "tests": [_row(each, stage) for each in played],
    }
    if covered is not None:
        value["coverage"] = {
            "touched": sum(each.touched for each in covered),
            "all": len(covered),
            "untouched": [
                {"kind": each.kind, "name": each.name, "at": _at(stage, each.path)}
                for each in covered
                if not each.touched
            ],
        }
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _at(stage: Stage, path: Path) -> str | None:
    return stage.loaded.at(path)


def _value_at(stage: Stage, path: Path) -> str | None:
    span = stage.loaded.span(path)
    return span.at if span is not None else None


def _row(played: Played, stage: Stage) -> dict[str, Any]:
    return {
        "name": played.name,
        "at": _at(stage, ("tests", played.index)),
        "passed": not played.missed,
        "requests": played.requests,
        "seconds": round(played.seconds, 6),
        "missed": [
            {
                "at": _value_at(stage, each.path),
                "path": ".".join(map(str, each.path)),
                "expected": each.expected,
                "actual": each.actual,
            }
            for each in played.missed
        ],
        "steps": [_step(asked) for asked in played.asked],
    }


def _step(asked: Asked) -> dict[str, Any]:
    happened = asked.happened
    finished = happened.finished
    return {
        "path": asked.outgoing.path,
        "status": happened.reply.status if happened.reply is not None else None,
        "seconds": round(happened.seconds, 6),
        "route": finished.route if finished is not None else None,
        "model": finished.model if finished is not None else None,
        "trials": [msgspec.to_builtins(each) for each in _trials(finished)],
        "skipped": [msgspec.to_builtins(each) for each in _skipped(finished)],
    }


def _trials(finished: Finished | None) -> Sequence[Trial]:
    return finished.record.trials if finished is not None and finished.record is not None else ()


def _skipped(finished: Finished | None) -> Sequence[Skipped]:
    return finished.record.skipped if finished is not None and finished.record is not None else ()


def as_junit(played: Sequence[Played], stage: Stage) -> str:
    """A suite for each file, a case for each test."""
    files: dict[str, list[Played]] = {}
    for each in played:
        span = stage.loaded.span(("tests", each.index))
        files.setdefault(span.path if span is not None else "router.yaml", []).append(each)
    failed = sum(bool(each.missed) for each in played)
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="gateway test" tests="{len(played)}" failures="{failed}">',
    ]
    for file, each_of in files.items():
        count = sum(bool(each.missed) for each in each_of)
        out.append(f'  <testsuite name={quoteattr(file)} tests="{len(each_of)}" failures="{count}">')
        out += [_case(file, each, stage) for each in each_of]
        out.append("  </testsuite>")
    return "\n".join((*out, "</testsuites>", ""))


def _case(file: str, played: Played, stage: Stage) -> str:
    head = f'    <testcase name={quoteattr(played.name)} classname={quoteattr(file)} time="{played.seconds:.3f}"'
    if not played.missed:
        return f"{head}/>"
    found = findings(played, stage)
    words = "\n".join(f"{each.span.at + ': ' if each.span is not None else ''}{each.detail}" for each in found)
    message = found[0].detail.partition("\n")[0]
    return (
        f'{head}><failure message={quoteattr(message)} type="test-failed">{junit.escaped(words)}</failure></testcase>'
    )


def uncovered(covered: Sequence[Covered], stage: Stage) -> str:
    """What no test touched, with its place, and the share that some did."""
    touched = sum(each.touched for each in covered)
    out = [f"  {each.kind} {each.name}  {_at(stage, each.path) or ''}".rstrip() for each in covered if not each.touched]
    share = touched / len(covered) if covered else 1.0
    head = f"coverage: {share:.0%}, {touched} of {len(covered)}" + ("; no test touched" if out else "")
    return "\n".join((head, *out, ""))
