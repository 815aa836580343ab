"""LiteLLM's clouds in our words: Azure's deployments, Bedrock's regions and keys, Vertex AI's projects.

Sources: https://docs.litellm.ai/docs/providers/azure (api_base, api_version, `AZURE_API_*`),
https://docs.litellm.ai/docs/providers/bedrock (regions, the order in which credentials are looked for),
https://docs.litellm.ai/docs/providers/vertex (`vertex_project`, `vertex_location`, `vertex_credentials`, application
default credentials where there are none).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from gateway.importing.draft import Draft
from gateway.importing.imported import Account, Path
from gateway.importing.litellm_hosts import aws_region
from gateway.importing.secrets import credential, is_variable, variable
from gateway.importing.source import text_of

Settings: TypeAlias = dict[str, Any]

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_AZURE: Final = re.compile(r"https://([a-z0-9][a-z0-9-]*)\.openai\.azure\.com(/openai)?")


class Place(msgspec.Struct, frozen=True):
    """What a cloud makes of one deployment: a provider's settings under a wished name, the id there, and how true it
    is to LiteLLM: `differs` "" is the same. `no`: why it cannot be imported."""

    wish: str = ""
    settings: Mapping[str, Any] = {}
    id: str = ""
    differs: str = ""
    no: str | None = None


class Where(msgspec.Struct, frozen=True):
    """One deployment of the source: its parameters, where they stand, and what is being built."""

    params: Mapping[str, Any]
    path: Path
    draft: Draft
    account: Account

    def text(self, *names: str) -> tuple[str | None, Path]:
        """The first of some parameters that is text, and where it stands."""
        for name in names:
            found = text_of(self.params.get(name))
            if found is not None:
                return found, (*self.path, name)
        return None, self.path

    def plain(self, wish: str, key: str, *names: str) -> str | dict[str, str] | None:
        """A setting that may be a reference, with its finding; None where none of the parameters is there."""
        found, at = self.text(*names)
        if found is None:
            return None
        env = referred(found)
        if env is not None and not is_variable(env):
            self.account.unsupported(at, "It refers to something that is no environment variable.")
            return None
        if env is None and not _WORD.fullmatch(found):
            name = self.draft.names.of(found, variable(wish, key))
            self.account.manual(at, ("providers", wish, key), f"Put it into the environment variable {name}.")
            return {"env": name}
        self.account.exact(at, ("providers", wish, key))
        return found if env is None else {"env": env}


def referred(text: str) -> str | None:
    """The variable of `os.environ/NAME`; None where a text is no reference."""
    return text.removeprefix("os.environ/") if text.startswith("os.environ/") else None


def _azure(where: Where, rest: str) -> Place:
    for part in ("o_series/", "gpt5_series/", "responses/"):
        rest = rest.removeprefix(part)
    settings: Settings = {"preset": "azure-classic"}
    base, at = where.text("api_base", "base_url")
    named = None
    if base is not None:
        match = _AZURE.fullmatch(base.rstrip("/"))
        named = match[1] if match else None
    wish = "azure"
    differs = ""
    if named is not None:
        settings["resource"] = named
        where.account.exact(at, ("providers", wish, "resource"))
    elif base is None:
        settings["base_url"] = {"env": "AZURE_OPENAI_BASE_URL"}
        where.account.differs(
            "Azure without `api_base`", "AZURE_API_BASE is read", "AZURE_OPENAI_BASE_URL is, and ends in /openai"
        )
    elif (env := referred(base)) is not None and is_variable(env):
        settings["base_url"] = {"env": env}
        where.account.manual(
            at, ("providers", wish, "base_url"), f"{env} must end in /openai here: add it to its value."
        )
    else:
        url = base.rstrip("/") if base.rstrip("/").endswith("/openai") else f"{base.rstrip('/')}/openai"
        settings["base_url"] = where.draft.base_url(where.account, at, url, wish, ("providers", wish, "base_url"))
    version = where.plain(wish, "api_version", "api_version")
    if version is not None:
        settings["api_version"] = version
    else:
        where.account.differs("Azure's `api_version`", "LiteLLM's own default, or AZURE_API_VERSION", "2024-10-21")
    entra = [name for name in ("azure_ad_token", "tenant_id", "client_id", "client_secret", "azure_username",
                               "azure_password", "azure_scope") if name in where.params]  # fmt: skip
    if entra:
        settings["auth"] = "entra"
        if {"tenant_id", "client_id", "client_secret"} <= where.params.keys():
            settings["api_key"] = {"env": "AZURE_ENTRA"}
            why = "Put {tenant_id, client_id, client_secret} as one JSON object into the variable AZURE_ENTRA."
        else:
            settings["api_key"] = "none"
            why = "Microsoft Entra's default credentials are used here: give the process an identity."
        for name in entra:
            where.account.manual((*where.path, name), ("providers", wish, "auth"), why)
    else:
        settings["api_key"] = _key(where, wish, "AZURE_API_KEY")
    return Place(wish, settings, rest, differs)


def _azure_ai(where: Where, rest: str) -> Place:
    if rest.startswith(("agents/", "doc-intelligence/")):
        return Place(no="Azure's agents and document intelligence are no chat models.")
    claude = rest.startswith("claude")
    wish = "azure-ai"
    settings: Settings = {"protocol": "anthropic" if claude else "openai-chat"}
    if not claude:
        settings["auth"] = "api-key"
    base, at = where.text("api_base", "base_url")
    place = ("providers", wish, "base_url")
    path = "/anthropic/v1" if claude else "/openai/v1 or /models"
    if base is not None and (env := referred(base)) is not None and is_variable(env):
        settings["base_url"] = {"env": env}
        where.account.manual(at, place, f"{env} must hold what precedes the wire's own path here, as …{path}.")
    elif base is not None:
        settings["base_url"] = where.draft.base_url(where.account, at, base, wish, place)
        where.account.approximate(at, place, f"LiteLLM completes the path by itself; here it must end as …{path}.")
    else:
        settings["base_url"] = {"env": "AZURE_AI_API_BASE"}
    settings["api_key"] = _key(where, wish, "AZURE_AI_API_KEY")
    model = rest.removeprefix("model_router/")
    return Place(wish, settings, model, "LiteLLM completes Azure AI's path and version by itself.")


def _aws(where: Where, rest: str) -> Place:
    rest = rest.removeprefix("converse/")
    invoked = rest.startswith("invoke/")
    rest = rest.removeprefix("invoke/").removeprefix("converse/").removeprefix("converse_like/")
    region, model = aws_region(rest)
    wish = "bedrock"
    if rest.startswith(("agent/", "agentcore/", "async_invoke/")):
        return Place(no="Agents and asynchronous invocations are not served here.")
    if rest.startswith(("llama/", "deepseek_r1/", "qwen2/", "qwen3/", "openai/")):
        return Place(no="An imported model is asked in its own format, which nothing here speaks.")
    settings: Settings = {"preset": "bedrock"}
    said = where.plain(wish, "region", "aws_region_name", "region_name")
    settings["region"] = said or region or {"env": "AWS_REGION_NAME", "default": "us-west-2"}
    names = [name for name in where.params if name.startswith("aws_") and name != "aws_region_name"]
    static = {"aws_access_key_id", "aws_secret_access_key"} <= set(names)
    for name in names:
        at = (*where.path, name)
        if name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token") and static:
            where.account.manual(
                at, ("providers", wish, "api_key"), "Put ACCESS_KEY_ID:SECRET_ACCESS_KEY into the variable AWS_KEYS."
            )
        elif name == "aws_bedrock_runtime_endpoint":
            endpoint, _ = where.text(name)
            if endpoint is not None and referred(endpoint) is None:
                settings["base_url"] = where.draft.base_url(
                    where.account, at, endpoint, wish, ("providers", wish, "base_url")
                )
        else:
            where.account.manual(
                at,
                ("providers", wish),
                "Credentials come from AWS's own chain here: set it in the environment or a profile.",
            )
    if static:
        settings["api_key"] = {"env": "AWS_KEYS"}
    elif where.params.get("api_key") is not None:
        settings["preset"] = "bedrock-key"
        settings["api_key"] = _key(where, wish, "AWS_BEARER_TOKEN_BEDROCK")
    differs = "" if str(where.params.get("model")).startswith("bedrock/converse/") else (
        "It is asked through Converse; LiteLLM asks " + ("it" if invoked else "some models") + " through InvokeModel."
    )  # fmt: skip
    return Place(wish, settings, model, differs)


def _google(where: Where, rest: str) -> Place:
    claude = rest.startswith("claude")
    if not claude and not rest.startswith("gemini") and rest != "*":
        return Place(no="Of Vertex AI's models Gemini and Claude are served here; this one has a wire of its own.")
    wish = "vertex-claude" if claude else "vertex"
    settings: Settings = {"preset": wish}
    project = where.plain(wish, "project", "vertex_project", "vertex_ai_project")
    settings["project"] = project or {"env": "VERTEXAI_PROJECT"}
    region = where.plain(wish, "region", "vertex_location", "vertex_ai_location")
    settings["region"] = region or {"env": "VERTEXAI_LOCATION", "default": "us-central1"}
    found, at = where.text("vertex_credentials", "vertex_ai_credentials")
    place = ("providers", wish, "api_key")
    if found is None:
        settings["api_key"] = "none"
    elif found.startswith("os.environ/"):
        settings["api_key"] = credential(
            where.account, where.draft.names, at, found, referred(found), variable(wish, "CREDENTIALS"), place
        )
        where.account.approximate(
            at, place, "The variable must hold the JSON itself; LiteLLM takes a path there as well."
        )
    elif found.lstrip().startswith("{") or "\n" in found or len(found) > 500:
        settings["api_key"] = credential(
            where.account, where.draft.names, at, found, None, variable(wish, "CREDENTIALS"), place
        )
    else:
        settings["api_key"] = {"file": found}
        where.account.exact(at, place)
    return Place(wish, settings, rest)


def _key(where: Where, wish: str, default: str) -> dict[str, str] | str:
    found, at = where.text("api_key")
    if found is None:
        return {"env": default}
    place = ("providers", wish, "api_key")
    return credential(where.account, where.draft.names, at, found, referred(found), default, place)


# Prefix → what it makes of a deployment and of the model's name after the prefix.
CLOUD: Final[Mapping[str, Callable[[Where, str], Place]]] = {
    "azure": _azure,
    "azure_ai": _azure_ai,
    "bedrock": _aws,
    "bedrock_converse": _aws,
    "vertex_ai": _google,
    "vertex_ai_beta": _google,
}
