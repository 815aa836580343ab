"""Where configurations that are compared come from: files, a revision of git, a running server.

- `router.yaml`, or several files of one configuration in order: `base.yaml,prod.yaml`.
- `git:REV[:PATH]`: the files as they are at a revision, with what they include; without PATH those of the other side.
- `http(s)://HOST[:PORT]`: what a server runs (`GET /-/config`), asked with the key in `GATEWAY_KEY`.

Files are compiled as they would be served, only that secrets and settings of an environment that is not here are made
up, each of its own. Whatever fails raises `Unusable` with what a person should read.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.config.load import Loaded, load
from gateway.diagnostics.text import render
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.engine.planning.picture import Side
from gateway.engine.published import Published, marks_of, received

if TYPE_CHECKING:
    from urllib.error import HTTPError

DEFAULT: Final = "router.yaml"
WITHIN: Final = 10.0  # seconds that a server has to answer
KEY: Final = "GATEWAY_KEY"


class Unusable(Exception):  # noqa: N818 - it says what a source is
    """Nothing can be compiled of a source; `text` says why, with its newline."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def side(source: str, other: str, environ: Mapping[str, str]) -> Side:
    """What a source compiles to. `other`: the source on the other side, whose files a bare `git:REV` means.

    Raises Unusable.
    """
    if is_url(source):
        return _running(source, environ)
    if source.startswith("git:"):
        revision, names = of_git(source, other)
        loaded = at_revision(revision, names, environ)
        label = f"git:{revision}:{','.join(names)}"
    else:
        loaded = load([Path(name) for name in source.split(",")], known=KNOWN, environ=environ, stand_ins=True)
        label = source
    return compiled(label, loaded)


def is_url(source: str) -> bool:
    """Whether a source is a running server."""
    return source.startswith(("http://", "https://"))


def of_git(source: str, other: str) -> tuple[str, list[str]]:
    """The revision of a `git:` source and the paths that are meant, as they are written."""
    revision, _, path = source.removeprefix("git:").partition(":")
    if not path:
        path = other.removeprefix("git:").partition(":")[2] if other.startswith("git:") else other
    return revision or "HEAD", (DEFAULT if not path or is_url(path) else path).split(",")


def compiled(label: str, loaded: Loaded) -> Side:
    """A configuration that was loaded, as one side. Raises Unusable where it has errors."""
    if loaded.config is None or loaded.diagnostics.has_errors:
        found = render(loaded.diagnostics, loaded.sources, colour=False)
        raise Unusable(f"{found}gateway: {label} has errors, so there is nothing to compare\n")
    engine = build(loaded.config, loaded.secrets, revision=loaded.revision)
    return Side(label, loaded.config, engine, marks_of(loaded.config, loaded.secrets), loaded.at)


def at_revision(revision: str, names: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """A configuration as it is at a revision. What it includes is looked for there too, and nowhere else. Raises
    Unusable."""
    first = Path(names[0])
    directory = next((each for each in first.absolute().parents if each.is_dir()), Path.cwd())
    root = Path(git(directory, "rev-parse", "--show-toplevel").decode().strip())
    git(
        directory,
        "rev-parse",
        "--verify",
        "--quiet",
        f"{revision}^{{commit}}",
        why=f"there is no revision {revision!r}",
    )
    texts: dict[Path, bytes] = {}
    for name in names:
        path = Path(name)
        within = os.path.relpath(os.path.realpath(path), root)
        why = f"{within} is not in git at {revision}"
        texts[path] = git(root, "show", f"{revision}:{Path(within).as_posix()}", why=why)
        for include in _includes(path, texts[path]):
            texts.update(_matching(root, revision, path.parent, include))
    return load([Path(name) for name in names], known=KNOWN, environ=environ, texts=texts, sealed=True, stand_ins=True)


def _includes(path: Path, data: bytes) -> list[str]:
    from gateway.config.read import read

    tree, _ = read(str(path), data)
    said = tree.value.get("include") if tree is not None else None
    return [each for each in said if isinstance(each, str)] if isinstance(said, list) else []


def _matching(root: Path, revision: str, base: Path, pattern: str) -> dict[Path, bytes]:
    """The files that a revision has where a pattern may match."""
    fixed = pattern.split("*", 1)[0].split("?", 1)[0].split("[", 1)[0]
    directory = fixed if fixed == pattern else fixed.rpartition("/")[0]
    within = os.path.relpath(os.path.realpath(base / directory), root)
    names = git(root, "ls-tree", "-r", "-z", "--name-only", revision, "--", within).decode().split("\0")
    found = {}
    for name in filter(None, names):
        if name.endswith((".yaml", ".yml")):
            found[base / os.path.relpath(root / name, os.path.realpath(base))] = git(root, "show", f"{revision}:{name}")
    return found


def git(directory: Path, *arguments: str, why: str = "") -> bytes:
    """What a git command says, in a directory. Raises Unusable with `why`, and what git said of it."""
    try:
        done = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise Unusable(f"gateway: git cannot be run: {error.strerror or error}\n") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[0]
        raise Unusable(f"gateway: {why or 'git failed'}{f' ({said})' if said else ''}\n")
    return done.stdout


def fetched(url: str, path: str, key: str | None) -> bytes:
    """What a server answers below its URL. Raises Unusable."""
    import urllib.error
    import urllib.request

    headers = {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(url.rstrip("/") + path, headers=headers)  # noqa: S310 - http or https: is_url
    try:
        with urllib.request.urlopen(request, timeout=WITHIN) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        raise Unusable(f"gateway: {url}{path} answered {error.code}{_why(error)}\n") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unusable(f"gateway: {url} cannot be reached: {reason}\n") from None


def _why(error: HTTPError) -> str:
    """What a refusal says, and what to do about it."""
    try:
        message = json.loads(error.read())["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = ""
    hint = f" Set {KEY} to the secret of a key with 'admin: true'." if error.code in (401, 403) else ""
    return f": {message}{hint}" if message or hint else ""


def _running(url: str, environ: Mapping[str, str]) -> Side:
    body = fetched(url, "/-/config", environ.get(KEY))
    try:
        said = msgspec.json.decode(body, type=Published)
        config, engine = received(said)
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise Unusable(f"gateway: what {url} runs cannot be read by this version: {error}\n") from None
    return Side(url, config, engine, said.secrets)
