"""Credentials that are no header of their own: requests signed by SigV4, tokens of Google and of Microsoft Entra.

What must be fetched (a token, a role's keys) is fetched in a thread, kept, and fetched again before it expires while
the old one still serves; a request waits only where there is nothing valid to send. With everything at hand `headers`
never suspends. The clouds' own libraries are optional (`pip install gateway[aws]`, `[gcp]`, `[azure]`), imported where
they are used; SigV4 itself needs none, and keys that the configuration gives need no library either.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html,
https://google-auth.readthedocs.io, https://learn.microsoft.com/en-us/python/api/overview/azure/identity-readme.

Must not live here: who is asked with which scheme (engine), what a refused credential does (routing).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new as hmac
from importlib.util import find_spec
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from gateway.failure import Failed, Failure, Kind
from gateway.providers.auth import Headers, Signer

T = TypeVar("T")
Clock: TypeAlias = Callable[[], float]  # seconds since the epoch

EARLY: Final = 300.0  # seconds before the end from which a new one is fetched beside the requests
LAST: Final = 30.0  # seconds before the end from which requests wait for the new one
PAUSE: Final = 15.0  # seconds between attempts to fetch beside the requests
GOOGLE_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
AZURE_SCOPE: Final = "https://cognitiveservices.azure.com/.default"

# Exceptions of the libraries that say that the network failed, by name: importing them would need the libraries.
_NETWORK: Final = frozenset(
    "OSError TransportError HTTPClientError MetadataRetrievalError ServiceRequestError ServiceResponseError".split()
)


class MissingExtra(Exception):  # noqa: N818 - it reads as what is wrong
    """A library that a scheme needs is not installed; the message says how to install it."""


def needs(module: str, extra: str) -> None:
    """Raises `MissingExtra` where a library is not there."""
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise MissingExtra(f"{module} is not installed: pip install 'gateway[{extra}]'")


class Kept(Generic[T]):
    """Something fetched that expires. `fetch` runs in a thread and gives (value, seconds since the epoch or None)."""

    __slots__ = ("_clock", "_expires", "_fetch", "_not_before", "_task", "_value")

    def __init__(self, fetch: Callable[[], tuple[T, float | None]], clock: Clock = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._value: T | None = None
        self._expires: float | None = None
        self._not_before = 0.0
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The value. Raises `Failed`: `auth` where there is none to be had, `connection` where nobody answered."""
        if self._value is not None:
            now = self._clock()
            left = float("inf") if self._expires is None else self._expires - now
            if left > EARLY:
                return self._value
            if left > LAST:
                if now >= self._not_before:
                    self._not_before = now + PAUSE
                    self._start()
                return self._value
        return await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[T]:
        """The one fetch that is under way."""
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.create_task(self._refresh())
            task.add_done_callback(_looked_at)
        return task

    async def _refresh(self) -> T:
        try:
            value, self._expires = await asyncio.to_thread(self._fetch)
        except Exception as error:  # the libraries raise what they like
            raise Failed(_failure(error)) from error
        self._value = value
        return value


def _looked_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _failure(error: Exception) -> Failure:
    """The failure of a fetch. Only the exception's name is told: its words may hold what must not be."""
    network = any(kind.__name__ in _NETWORK for kind in type(error).__mro__)
    kind = Kind.CONNECTION if network else Kind.AUTH
    return Failure(kind=kind, message=f"no credential could be fetched: {type(error).__name__}", sent=False)


# AWS.


class Keys:
    """AWS credentials; `token` is there where they are temporary."""

    __slots__ = ("access", "secret", "token")

    def __init__(self, access: str, secret: str, token: str | None = None) -> None:
        self.access = access
        self.secret = secret
        self.token = token

    def __repr__(self) -> str:
        return f"Keys({self.access[:4]}…)"


def keys_of(secret: str) -> Keys:
    """Keys as one secret: `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`, or a JSON object with these names in
    small letters. Raises ValueError, which does not show them."""
    if secret.lstrip().startswith("{"):
        try:
            fields = json.loads(secret)
            token = fields.get("session_token")
            return Keys(str(fields["access_key_id"]), str(fields["secret_access_key"]), str(token) if token else None)
        except (ValueError, KeyError):
            raise ValueError("AWS keys need access_key_id and secret_access_key") from None
    parts = secret.strip().split(":", 2)
    if len(parts) < 2 or not all(parts):
        raise ValueError("AWS keys are written ACCESS_KEY_ID:SECRET_ACCESS_KEY or …:SESSION_TOKEN")
    return Keys(*parts)


def _digest(key: bytes, text: str) -> bytes:
    return hmac(key, text.encode(), sha256).digest()


def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key that a day's requests to a service are signed with. `day` is YYYYMMDD."""
    key = _digest(f"AWS4{secret}".encode(), day)
    for word in (region, service, "aws4_request"):
        key = _digest(key, word)
    return key


def canonical_path(path: str) -> str:
    """The path as SigV4 signs it: without dot segments and empty ones, and encoded once more than it is sent."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    end = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{end}", safe="/~")


def _canonical_query(query: str) -> str:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in pairs)


def authorization(
    method: str, target: str, headers: Mapping[str, str], payload: str, access: str, key: bytes, scope: str
) -> str:
    """The `Authorization` of a request.

    `target` is path and query as sent, `headers` those that are signed, names in lower case, `x-amz-date` among them,
    `payload` the SHA-256 of the body in hexadecimal, `scope` is day/region/service/aws4_request.
    """
    path, _, query = target.partition("?")
    names = sorted(headers)
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    signed = ";".join(names)
    request = "\n".join((method, canonical_path(path), _canonical_query(query), lines, signed, payload))
    text = "\n".join(("AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha256(request.encode()).hexdigest()))
    signature = hmac(key, text.encode(), sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={signed}, Signature={signature}"


class SigV4:
    """See `auth.Signer`. `keys` are given, or kept and fetched."""

    __slots__ = ("_clock", "_key", "_key_of", "_keys", "_region", "_service")

    def __init__(
        self, keys: Keys | Kept[Keys], region: str, service: str = "bedrock", clock: Clock = time.time
    ) -> None:
        self._keys = keys
        self._region = region
        self._service = service
        self._clock = clock
        self._key_of: tuple[str, str] = ("", "")
        self._key = b""

    async def headers(self, method: str, host: str, target: str, body: bytes) -> Headers:
        """The headers to add. `host` is the `Host` header that will be sent, `target` path and query as sent."""
        keys = self._keys if isinstance(self._keys, Keys) else await self._keys.get()
        moment = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
        day = moment[:8]
        if self._key_of != (day, keys.secret):
            self._key = signing_key(keys.secret, day, self._region, self._service)
            self._key_of = (day, keys.secret)
        sent = {"x-amz-date": moment}
        if keys.token is not None:
            sent["x-amz-security-token"] = keys.token
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        signed = {"host": host, **sent}
        value = authorization(method, target, signed, sha256(body).hexdigest(), keys.access, self._key, scope)
        return (*sent.items(), ("authorization", value))


def default_keys(profile: str | None = None) -> Callable[[], tuple[Keys, float | None]]:
    """A fetch from botocore's chain: environment, files, SSO, containers, instances. Raises `MissingExtra`."""
    needs("botocore", "aws")
    found: list[Any] = []

    def fetch() -> tuple[Keys, float | None]:
        import botocore.session

        if not found:
            credentials = botocore.session.Session(profile=profile).get_credentials()
            if credentials is None:
                raise LookupError("botocore found no credentials")
            found.append(credentials)
        frozen = found[0].get_frozen_credentials()
        expires = getattr(found[0], "_expiry_time", None)  # only credentials that expire have it
        keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
        return keys, expires.timestamp() if isinstance(expires, datetime) else None

    return fetch


# Tokens.


class Bearer:
    """See `auth.Signer`: a token that is fetched and kept."""

    __slots__ = ("_tokens",)

    def __init__(self, tokens: Kept[str]) -> None:
        self._tokens = tokens

    async def headers(self, _method: str, _host: str, _target: str, _body: bytes) -> Headers:
        """The token's header."""
        return (("authorization", f"Bearer {await self._tokens.get()}"),)


def _object(secret: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(secret)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a JSON object")
    return value


def google_tokens(secret: str, scope: str = GOOGLE_SCOPE) -> Callable[[], tuple[str, float | None]]:
    """A fetch of Google's tokens: `secret` is the JSON of a service account or of another credential of Google's,
    "" leaves it to Application Default Credentials. Raises `MissingExtra`, ValueError."""
    needs("google.auth", "gcp")
    info = _object(secret, "a service account's key") if secret else None
    found: list[Any] = []

    def fetch() -> tuple[str, float | None]:
        import google.auth
        import google.auth.transport.requests
        from google.oauth2 import service_account

        if not found:
            if info is None:
                found.append(google.auth.default(scopes=[scope])[0])
            elif info.get("type") == "service_account":
                found.append(service_account.Credentials.from_service_account_info(info, scopes=[scope]))
            else:
                found.append(google.auth.load_credentials_from_dict(info, scopes=[scope])[0])
        credentials = found[0]
        credentials.refresh(google.auth.transport.requests.Request())
        expires = credentials.expiry  # UTC, without saying so
        return str(credentials.token), expires.replace(tzinfo=UTC).timestamp() if expires is not None else None

    return fetch


def azure_tokens(secret: str, scope: str = AZURE_SCOPE) -> Callable[[], tuple[str, float | None]]:
    """A fetch of Entra's tokens: `secret` is JSON with tenant_id, client_id and client_secret, "" leaves it to
    DefaultAzureCredential. Raises `MissingExtra`, ValueError."""
    needs("azure.identity", "azure")
    info = _object(secret, "an Entra application's secret") if secret else None
    if info is not None and not {"tenant_id", "client_id", "client_secret"} <= info.keys():
        raise ValueError("an Entra application's secret needs tenant_id, client_id and client_secret")
    found: list[Any] = []

    def fetch() -> tuple[str, float | None]:
        from azure.identity import ClientSecretCredential, DefaultAzureCredential

        if not found and info is not None:
            found.append(ClientSecretCredential(info["tenant_id"], info["client_id"], info["client_secret"]))
        elif not found:
            found.append(DefaultAzureCredential())
        token = found[0].get_token(scope)
        return str(token.token), float(token.expires_on)

    return fetch


def _sigv4(secret: str, region: str | None) -> Signer:
    if not region:
        raise ValueError("SigV4 needs a region")
    return SigV4(keys_of(secret) if secret else Kept(default_keys()), region)


# Scheme → (secret or "", region) → Signer. They raise `MissingExtra` and ValueError, and fetch nothing yet.
SIGNERS: Final[dict[str, Callable[[str, str | None], Signer]]] = {
    "sigv4": _sigv4,
    "google": lambda secret, _region: Bearer(Kept(google_tokens(secret))),
    "entra": lambda secret, _region: Bearer(Kept(azure_tokens(secret))),
}
