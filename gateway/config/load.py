"""THE pipeline: files → text → tree → typed model → checks. Serving, validating and everything else come this way.

Every stage collects what is wrong; a stage is only skipped where the one before left nothing to look at. The revision
is a SHA-256 over the bytes of all files and the fingerprints of all secrets: same input, same revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from gateway.config import handoff
from gateway.config.checks import CHECKS, Subject
from gateway.config.compose import Composed
from gateway.config.following import settled
from gateway.config.foreign import foreign
from gateway.config.known import Known
from gateway.config.model import Config, Redis
from gateway.config.paths import directories
from gateway.config.read import Path as TreePath
from gateway.config.refs import Ref, Resolver, Secrets, Unresolved, stand_in
from gateway.config.shape import shape_errors
from gateway.config.written import Places, lookup
from gateway.diagnostics.accepting import accepted
from gateway.diagnostics.diagnostic import Diagnostics, diagnose
from gateway.diagnostics.source import Source, Span


class Loaded:
    """What came of the files. `config` is None where they have no usable shape; `diagnostics` may refuse it still.

    `files` is everything whose change matters: files, directories of includes, files that hold secrets. `names` are
    those of the configuration's own files, `bytes` what they hold.
    """

    def __init__(
        self,
        config: Config | None,
        diagnostics: Diagnostics,
        composed: Composed,
        secrets: Secrets,
        files: Sequence[Path],
    ) -> None:
        self.config = config
        self.diagnostics = diagnostics
        self.secrets = secrets
        self.files = tuple(files)
        self.names = [name for name, _ in composed.bytes]
        self.bytes: Sequence[tuple[str, bytes]] = composed.bytes
        self.sources: Mapping[str, Source] = composed.sources
        self.revision = _revision(composed, secrets)
        self._composed = composed

    def span(self, path: TreePath, *, key: bool = False) -> Span | None:
        """Where a path of the configuration is written."""
        return self._composed.span(path, key=key)

    def owner(self, path: TreePath) -> str:
        """The name of the file that a path stands in, or that it would be added to. Raises KeyError where none could
        be read."""
        found = self._composed.place(path)
        if found is None:
            raise KeyError(".".join(map(str, path)))
        return found[0].path

    def data(self, name: str) -> bytes:
        """The bytes that were read of one of `names`."""
        return dict(self._composed.bytes)[name]

    @cached_property
    def places(self) -> Places:
        """Where everything is written, for `lookup`."""
        return self._composed.places()

    def at(self, path: TreePath) -> str | None:
        """`file:line:column` of a path of the typed configuration, also where it is written in a short form."""
        return lookup(self.places, path)

    def payload(self) -> bytes:
        """For `handoff.restore`. Raises ValueError where there is no configuration."""
        if self.config is None:
            raise ValueError("there is no configuration to hand on")
        return handoff.payload(
            self.config, self.secrets, self.places, directories(self.config, self._composed.directory)
        )


def load(
    paths: Sequence[Path],
    *,
    known: Known,
    environ: Mapping[str, str],
    texts: Mapping[Path, bytes] | None = None,
    stand_ins: bool = False,
    sealed: bool = False,
) -> Loaded:
    """Loads one configuration from its files; `texts` stand for files by their paths, as if they were written there.

    `sealed`: `texts` are all files of the configuration that there are; none is read, or included, from the disk.
    `stand_ins`: references that lead nowhere are no errors, what they would give is made up, and folders and files that
    are needed to serve are not looked for. For looking at a configuration where its environment is not: nothing is ever
    served so. Never raises for what the files hold.
    """
    composed = Composed(texts, sealed=sealed)
    for index, path in enumerate(paths):
        composed.add(path, may_override=index > 0)
    diagnostics = Diagnostics(composed.found)
    resolver = Resolver(environ, paths[0].parent if paths else Path(), stand_ins=stand_ins)
    config: Config | None = None
    values: dict[str, str] = {}
    made_up: dict[str, str] = {}
    other = foreign(composed)
    if other is not None:
        diagnostics = Diagnostics((other,))  # nothing else that is said of it is of use
    elif composed.anything:
        try:
            config = Config.model_validate(composed.value, context=resolver)
        except ValidationError as error:
            diagnostics.extend(shape_errors(error, composed, resolver))
    if config is not None:
        for where, ref in references(config):
            found = resolver.text(ref.env, ref.file, ref.default)
            if isinstance(found, Unresolved) and stand_ins:
                made_up[ref.key] = stand_in(ref)
            elif isinstance(found, Unresolved):
                place = composed.span(where)
                diagnostics.add(diagnose(found.code, found.detail, place, ".".join(map(str, where)), found.suggestion))
            else:
                values[ref.key] = found
        subject = Subject(config, known, composed, values, here=not stand_ins)
        for check in CHECKS:
            diagnostics.extend(check(subject))
    judged = settled(accepted(diagnostics, composed.sources))
    return Loaded(
        config, judged, composed, Secrets(values | made_up, made_up=made_up), [*composed.files, *resolver.files]
    )


def references(config: Config) -> Iterator[tuple[TreePath, Ref]]:
    """Every secret reference of a configuration, with where it stands."""
    for name, provider in config.providers.items():
        if provider.api_key is not None and not provider.api_key.none:
            yield ("providers", name, "api_key"), provider.api_key
        for key, credential in provider.api_keys.items():
            if not credential.key.none:
                yield ("providers", name, "api_keys", key), credential.key
    state = config.gateway.state
    if isinstance(state, Redis):
        yield ("gateway", "state", "redis", "url"), state.redis.url
    ledger = config.gateway.ledger
    if ledger is not None and isinstance(ledger.url, Ref):
        yield ("gateway", "ledger"), ledger.url
    for name, entry in config.keys.items():
        if entry.from_ is not None:
            yield ("keys", name, "from"), entry.from_


def _revision(composed: Composed, secrets: Secrets) -> str:
    digest = sha256()
    for name, data in composed.bytes:
        digest.update(f"{Path(name).name}\0{len(data)}\0".encode() + data)
    for fingerprint in secrets.fingerprints():
        digest.update(fingerprint.encode() + b"\0")
    return digest.hexdigest()
