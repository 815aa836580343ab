"""SigV4 against AWS's published vectors; tokens and keys that are fetched, kept and renewed. No network."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from hashlib import sha256
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gateway.failure import Failed, Kind
from gateway.providers import signing
from gateway.providers.auth import AUTH
from gateway.providers.signing import Bearer, Kept, Keys, MissingExtra, SigV4, authorization, keys_of, signing_key

# The credentials, date and scope of AWS's SigV4 test suite (aws-sig-v4-test-suite).
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MOMENT, EPOCH = "20150830T123600Z", 1440938160.0
SCOPE = "20150830/us-east-1/service/aws4_request"
EMPTY = sha256(b"").hexdigest()

VECTORS = {
    "get-vanilla": ("GET", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": ("POST", "/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "get-vanilla-query-order-key-case": (
        "GET", "/?Param2=value2&Param1=value1", {}, b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-empty-query-key": (
        "GET", "/?Param1=value1", {}, b"", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    "get-relative-relative": (
        "GET", "/example1/example2/../..", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-slashes": (
        "GET", "//example//", {}, b"", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    "get-utf8": ("GET", "/ሴ", {}, b"", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    "get-header-value-trim": (
        "GET", "/", {"my-header1": "value1", "my-header2": '"a   b   c"'}, b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-header-key-sort": (
        "POST", "/", {"my-header1": "value1"}, b"", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    "post-sts-header-before": (
        "POST", "/",
        {"x-amz-security-token": (
            "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuw"
            "thAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHN"
            "VXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
        )}, b"", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
    "post-x-www-form-urlencoded": (
        "POST", "/", {"content-type": "application/x-www-form-urlencoded"}, b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_vectors(name: str) -> None:
    method, target, headers, body, signature = VECTORS[name]
    key = signing_key(SECRET, "20150830", "us-east-1", "service")
    sent = {"host": "example.amazonaws.com", "x-amz-date": MOMENT, **headers}
    value = authorization(method, target, sent, sha256(body).hexdigest(), ACCESS, key, SCOPE)
    signed = ";".join(sorted(sent))
    assert value == f"AWS4-HMAC-SHA256 Credential={ACCESS}/{SCOPE}, SignedHeaders={signed}, Signature={signature}"


def test_a_model_id_is_encoded_once_more_than_it_is_sent() -> None:
    path = "/model/us.amazon.nova-2-lite-v1%3A0/converse"
    assert signing.canonical_path(path) == "/model/us.amazon.nova-2-lite-v1%253A0/converse"


def run_now(coroutine: Any) -> Any:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it suspended")


def test_keys_at_hand_never_suspend() -> None:
    signer = SigV4(Keys(ACCESS, SECRET, "TOKEN"), "us-east-1", "service", clock=lambda: EPOCH)
    headers = dict(run_now(signer.headers("POST", "example.amazonaws.com", "/", b"")))
    assert headers["x-amz-date"] == MOMENT
    assert headers["x-amz-security-token"] == "TOKEN"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in headers["authorization"]
    again = dict(run_now(signer.headers("POST", "example.amazonaws.com", "/", b"{}")))
    assert again["authorization"] != headers["authorization"], "the body is signed"


def test_the_day_changes() -> None:
    now = [EPOCH]
    signer = SigV4(Keys(ACCESS, SECRET), "us-east-1", "service", clock=lambda: now[0])
    first = dict(run_now(signer.headers("GET", "example.amazonaws.com", "/", b"")))
    assert first["authorization"].endswith(VECTORS["get-vanilla"][4])
    now[0] += 86400
    assert "20150831/" in dict(run_now(signer.headers("GET", "example.amazonaws.com", "/", b"")))["authorization"]
    now[0] = EPOCH
    assert dict(run_now(signer.headers("GET", "example.amazonaws.com", "/", b""))) == first


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("AKID:secret", ("AKID", "secret", None)),
        ("AKID:se/cr+et:to=ken", ("AKID", "se/cr+et", "to=ken")),
        ('{"access_key_id":"A","secret_access_key":"B","session_token":"C"}', ("A", "B", "C")),
        ('{"access_key_id":"A","secret_access_key":"B"}', ("A", "B", None)),
    ],
)
def test_keys_as_one_secret(text: str, wanted: tuple[str, str, str | None]) -> None:
    keys = keys_of(text)
    assert (keys.access, keys.secret, keys.token) == wanted
    assert keys.secret not in repr(keys)


@pytest.mark.parametrize("text", ["", "AKIDONLY", ":x", "{", '{"access_key_id":"A"}', "a::b"])
def test_unusable_keys_are_not_shown(text: str) -> None:
    with pytest.raises(ValueError) as raised:
        keys_of(text)
    assert "AKIDONLY" not in str(raised.value)


class Source:
    """A fetch that counts."""

    def __init__(self, lasts: float | None, clock: list[float]) -> None:
        self.lasts = lasts
        self.clock = clock
        self.count = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> tuple[str, float | None]:
        self.gate.wait(5)
        if self.error is not None:
            raise self.error
        self.count += 1
        return f"token-{self.count}", None if self.lasts is None else self.clock[0] + self.lasts


async def settled(source: Source, count: int) -> None:
    for _ in range(500):
        if source.count >= count:
            await asyncio.sleep(0.002)
            return
        await asyncio.sleep(0.002)


async def test_a_token_is_fetched_once_and_kept() -> None:
    clock = [1000.0]
    source = Source(3600, clock)
    kept = Kept(source, lambda: clock[0])
    assert await asyncio.gather(*(kept.get() for _ in range(20))) == ["token-1"] * 20
    assert run_now(kept.get()) == "token-1"
    assert source.count == 1


async def test_a_token_is_renewed_beside_the_requests_and_awaited_only_at_its_end() -> None:
    clock = [1000.0]
    source = Source(3600, clock)
    kept = Kept(source, lambda: clock[0])
    await kept.get()
    clock[0] += 3600 - signing.EARLY + 1
    assert run_now(kept.get()) == "token-1", "the old one serves meanwhile"
    await settled(source, 2)
    assert run_now(kept.get()) == "token-2"
    clock[0] += 3600 - signing.LAST + 1
    assert await kept.get() == "token-3"


async def test_a_failure_beside_the_requests_harms_nobody_and_is_not_repeated_at_once() -> None:
    clock = [1000.0]
    source = Source(3600, clock)
    kept = Kept(source, lambda: clock[0])
    await kept.get()
    source.error = RuntimeError("no")
    clock[0] += 3600 - signing.EARLY + 1
    for _ in range(5):
        assert run_now(kept.get()) == "token-1"
        await asyncio.sleep(0.005)
    source.error = None
    assert run_now(kept.get()) == "token-1"
    await asyncio.sleep(0.01)
    assert source.count == 1
    clock[0] += signing.PAUSE + 1
    assert run_now(kept.get()) == "token-1"
    await settled(source, 2)
    assert run_now(kept.get()) == "token-2"


async def test_what_never_expires_is_kept() -> None:
    clock = [0.0]
    source = Source(None, clock)
    kept = Kept(source, lambda: clock[0])
    await kept.get()
    clock[0] = 1e12
    assert run_now(kept.get()) == "token-1"


async def test_a_request_that_goes_away_does_not_stop_the_fetch() -> None:
    clock = [0.0]
    source = Source(3600, clock)
    source.gate.clear()
    kept = Kept(source, lambda: clock[0])
    waiting = asyncio.create_task(kept.get())
    other = asyncio.create_task(kept.get())
    await asyncio.sleep(0.01)
    waiting.cancel()
    source.gate.set()
    assert await other == "token-1"
    with pytest.raises(asyncio.CancelledError):
        await waiting


class TransportError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("secret-in-words"), Kind.AUTH),
        (TransportError("secret-in-words"), Kind.CONNECTION),
        (ConnectionResetError("secret-in-words"), Kind.CONNECTION),
    ],
)
async def test_a_fetch_that_fails(error: Exception, kind: Kind) -> None:
    source = Source(None, [0.0])
    source.error = error
    with pytest.raises(Failed) as raised:
        await Bearer(Kept(source)).headers("POST", "h", "/", b"")
    failure = raised.value.failure
    assert failure.kind is kind and not failure.sent
    assert type(error).__name__ in failure.message and "secret" not in failure.message


async def test_a_bearer() -> None:
    signer = Bearer(Kept(Source(3600, [time.time()])))
    assert await signer.headers("POST", "h", "/", b"") == (("authorization", "Bearer token-1"),)


@pytest.mark.parametrize(
    ("scheme", "module", "extra"),
    [("sigv4", "botocore", "aws"), ("google", "google.auth", "gcp"), ("entra", "azure.identity", "azure")],
)
def test_a_missing_library_is_named_with_its_extra(
    scheme: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=rf"{module}.*gateway\[{extra}\]"):
        signing.SIGNERS[scheme]("", "us-east-1")


def test_given_keys_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "find_spec", lambda _name: None)
    signer = signing.SIGNERS["sigv4"]("AKID:secret", "eu-west-1")
    assert "/eu-west-1/bedrock/aws4_request" in dict(run_now(signer.headers("POST", "h", "/", b"")))["authorization"]


def test_a_region_is_needed() -> None:
    with pytest.raises(ValueError, match="region"):
        signing.SIGNERS["sigv4"]("AKID:secret", None)


@pytest.mark.parametrize("scheme", ["google", "entra"])
@pytest.mark.parametrize("secret", ["no json, but secret-words", "[1]"])
def test_secrets_of_the_wrong_form_are_not_shown(scheme: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "find_spec", lambda _name: object())
    with pytest.raises(ValueError) as raised:
        signing.SIGNERS[scheme](secret, None)
    assert "secret-words" not in str(raised.value)


def installed(monkeypatch: pytest.MonkeyPatch, **modules: object) -> None:
    """Stands in for libraries: names with `__` for dots."""
    monkeypatch.setattr(signing, "find_spec", lambda _name: object())
    for name, value in modules.items():
        dotted = name.replace("__", ".")
        module = ModuleType(dotted)
        module.__dict__.update(vars(value) if isinstance(value, SimpleNamespace) else {})
        monkeypatch.setitem(sys.modules, dotted, module)
    for name in modules:
        dotted = name.replace("__", ".")
        parent, _, child = dotted.rpartition(".")
        if parent in sys.modules:
            monkeypatch.setattr(sys.modules[parent], child, sys.modules[dotted], raising=False)


async def test_the_default_chain_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    class Credentials:
        _expiry_time = None

        def get_frozen_credentials(self) -> SimpleNamespace:
            return SimpleNamespace(access_key="AKID", secret_key="S", token="T")

    class Session:
        def __init__(self, profile: str | None) -> None:
            assert profile is None

        def get_credentials(self) -> Credentials:
            return Credentials()

    installed(monkeypatch, botocore=None, botocore__session=SimpleNamespace(Session=Session))
    headers = dict(await signing.SIGNERS["sigv4"]("", "us-east-1").headers("POST", "h", "/", b""))
    assert headers["x-amz-security-token"] == "T" and "Credential=AKID/" in headers["authorization"]


async def test_no_credentials_in_the_default_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    session = SimpleNamespace(Session=lambda profile: SimpleNamespace(get_credentials=lambda: None))
    installed(monkeypatch, botocore=None, botocore__session=session)
    with pytest.raises(Failed) as raised:
        await signing.SIGNERS["sigv4"]("", "us-east-1").headers("POST", "h", "/", b"")
    assert raised.value.failure.kind is Kind.AUTH


async def test_googles_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import datetime

    class Credentials:
        token = None
        expiry = None

        def refresh(self, _request: object) -> None:
            self.token, self.expiry = "ya29", datetime(2099, 1, 1)

    accounts: list[object] = []

    def account(info: object, scopes: list[str]) -> Credentials:
        accounts.append((info, scopes))
        return Credentials()

    installed(
        monkeypatch,
        google=None,
        google__auth=SimpleNamespace(default=lambda scopes: (Credentials(), "project")),
        google__auth__transport=None,
        google__auth__transport__requests=SimpleNamespace(Request=object),
        google__oauth2=SimpleNamespace(
            service_account=SimpleNamespace(Credentials=SimpleNamespace(from_service_account_info=account))
        ),
    )
    for secret in ("", json.dumps({"type": "service_account"})):
        signer = signing.SIGNERS["google"](secret, None)
        assert await signer.headers("POST", "h", "/", b"") == (("authorization", "Bearer ya29"),)
    assert accounts == [({"type": "service_account"}, [signing.GOOGLE_SCOPE])]


async def test_entras_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    class Credential:
        def __init__(self, *given: str) -> None:
            self.given = given

        def get_token(self, scope: str) -> SimpleNamespace:
            assert scope == signing.AZURE_SCOPE
            return SimpleNamespace(token="-".join(("entra", *self.given)), expires_on=int(time.time()) + 3600)

    installed(
        monkeypatch,
        azure=None,
        azure__identity=SimpleNamespace(ClientSecretCredential=Credential, DefaultAzureCredential=Credential),
    )
    secret = json.dumps({"tenant_id": "t", "client_id": "c", "client_secret": "s"})
    for given, wanted in (("", "entra"), (secret, "entra-t-c-s")):
        signer = signing.SIGNERS["entra"](given, None)
        assert await signer.headers("POST", "h", "/", b"") == (("authorization", f"Bearer {wanted}"),)
    with pytest.raises(ValueError, match="client_secret"):
        signing.SIGNERS["entra"]('{"tenant_id":"t"}', None)


def test_the_simple_schemes() -> None:
    assert AUTH["bearer"]("k") == (("authorization", "Bearer k"),)
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        assert AUTH[name]("k") == ((name, "k"),)
