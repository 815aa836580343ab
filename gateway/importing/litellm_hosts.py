"""Where LiteLLM sends `prefix/model`, in our words: one row per prefix, and the clouds that need more than a row.

A row says what the provider is here, which variable LiteLLM reads the key from where the file has none, and, where
asking it here is not the same, what differs. Sources: https://docs.litellm.ai/docs/providers and the pages under it;
`litellm/litellm_core_utils/get_llm_provider_logic.py` for prefixes, base URLs and variables, and for which names have
a provider without a prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.importing.imported import Verdict


class Host(msgspec.Struct, frozen=True):
    """One prefix. `variable` "" needs no key. `differs` "" is exactly the same. `own_base`: LiteLLM's `api_base` is
    what precedes our wire's path, with `base_suffix` added where it is not there already."""

    settings: Mapping[str, Any]
    variable: str = ""
    differs: str = ""
    base_suffix: str = ""
    own_base: str = "protocol"  # the wire to declare where the source has a base URL of its own; "preset": the same one


def _preset(name: str, variable: str = "", differs: str = "", suffix: str = "") -> Host:
    return Host({"preset": name}, variable, differs, suffix, "preset")


def _at(url: str, variable: str) -> Host:
    return Host({"protocol": "openai-chat", "base_url": url}, variable)


HOSTS: Final[Mapping[str, Host]] = {
    "openai": Host({"preset": "openai"}, "OPENAI_API_KEY"),
    "custom_openai": Host({"protocol": "openai-chat"}, "OPENAI_API_KEY"),
    "openai_like": Host({"protocol": "openai-chat"}, "OPENAI_LIKE_API_KEY"),
    "anthropic": _preset("anthropic", "ANTHROPIC_API_KEY", suffix="/v1"),
    "gemini": _preset("gemini", "GEMINI_API_KEY", suffix="/v1beta"),
    "cohere_chat": _preset("cohere", "COHERE_API_KEY", "It is asked through version 2 of its API."),
    "cohere": _preset("cohere", "COHERE_API_KEY", "It is asked through version 2 of its API."),
    "ollama_chat": _preset("ollama"),
    "ollama": _preset("ollama", "", "LiteLLM asks /api/generate with its own prompt, here /api/chat is asked."),
    "mistral": _preset("mistral", "MISTRAL_API_KEY"),
    "groq": _preset("groq", "GROQ_API_KEY"),
    "deepseek": _preset("deepseek", "DEEPSEEK_API_KEY"),
    "xai": _preset("xai", "XAI_API_KEY"),
    "together_ai": _preset("together", "TOGETHERAI_API_KEY"),
    "fireworks_ai": _preset("fireworks", "FIREWORKS_AI_API_KEY"),
    "perplexity": _preset("perplexity", "PERPLEXITYAI_API_KEY"),
    "cerebras": _preset("cerebras", "CEREBRAS_API_KEY"),
    "sambanova": _preset("sambanova", "SAMBANOVA_API_KEY"),
    "nvidia_nim": _preset("nvidia", "NVIDIA_NIM_API_KEY"),
    "nebius": _preset("nebius", "NEBIUS_API_KEY"),
    "hyperbolic": _preset("hyperbolic", "HYPERBOLIC_API_KEY"),
    "deepinfra": _preset("deepinfra", "DEEPINFRA_API_KEY"),
    "novita": _preset("novita", "NOVITA_API_KEY"),
    "moonshot": _preset("moonshot", "MOONSHOT_API_KEY"),
    "dashscope": _preset("dashscope", "DASHSCOPE_API_KEY"),
    "minimax": _preset("minimax", "MINIMAX_API_KEY", "It is asked on OpenAI's wire; LiteLLM has Anthropic's too."),
    "openrouter": _preset("openrouter", "OPENROUTER_API_KEY"),
    "github": _preset("github-models", "GITHUB_API_KEY", "GitHub Models has moved: here models.github.ai is asked."),
    "vercel_ai_gateway": _preset("vercel", "VERCEL_AI_GATEWAY_API_KEY"),
    "huggingface": _preset("huggingface", "HUGGINGFACE_API_KEY", "It is asked on OpenAI's wire.", "/v1"),
    "databricks": _preset("databricks", "DATABRICKS_API_KEY"),
    "litellm_proxy": _preset("litellm", "LITELLM_PROXY_API_KEY"),
    "lm_studio": _preset("lm-studio"),
    "llamafile": _preset("llama-cpp"),
    "hosted_vllm": _preset("vllm"),
    "vllm": _preset("vllm", "", "LiteLLM runs it inside its own process; here a server is asked."),
    "zai": _at("https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    "ai21": _at("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    "ai21_chat": _at("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    "baseten": _at("https://inference.baseten.co/v1", "BASETEN_API_KEY"),
    "meta_llama": _at("https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    "volcengine": _at("https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    "featherless_ai": _at("https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY"),
    "nscale": _at("https://inference.api.nscale.com/v1", "NSCALE_API_KEY"),
    "lambda_ai": _at("https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    "codestral": _at("https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    "friendliai": _at("https://api.friendli.ai/serverless/v1", "FRIENDLIAI_API_KEY"),
    "compactifai": _at("https://api.compactif.ai/v1", "COMPACTIFAI_API_KEY"),
    "amazon_nova": _at("https://api.nova.amazon.com/v1", "AMAZON_NOVA_API_KEY"),
}  # fmt: skip

# Names that LiteLLM knows without a prefix, by how they begin.
BARE: Final = (
    (
        re.compile(r"(gpt-|o[134](-|$)|chatgpt-|codex-|ft:gpt|computer-use|text-embedding-|dall-e|tts-|whisper)"),
        "openai",
    ),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "vertex_ai"),
    (re.compile(r"command-|c4ai-"), "cohere_chat"),
)
# Models that do not chat, by words in their ids.
_OTHER: Final = re.compile(
    r"(?i)(embed|embeddings|whisper|dall-e|gpt-image|-image(-|$)|imagen|stable-diffusion|stable-image|titan-image|canvas"
    r"|(^|[-/.])tts|text-to-speech|rerank|moderation|transcri|(^|[-/.])ocr(-|$)|realtime|veo-|sora-|codebert|(^|/)bge-"
    r"|doc-intelligence|voxtral|chirp|polly|speech)"
)
# What a `mode` of LiteLLM's says that is answered here.
MODES: Final = frozenset(("chat", "completion", "responses"))
_REGION: Final = re.compile(r"[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-\d")
_RESPONSES_ONLY: Final = re.compile(r"codex|deep-research|^o[13]-pro|computer-use-preview|gpt-5(\.\d)?-pro")


def split(model: str, custom: str | None) -> tuple[str | None, str]:
    """(prefix, the rest) of LiteLLM's `model`, with `custom_llm_provider` where there is one; None: nobody knows."""
    if custom:
        return custom, model.removeprefix(f"{custom}/")
    prefix, slash, rest = model.partition("/")
    if slash and (prefix in HOSTS or prefix in CLOUDS or prefix in UNSERVED):
        return prefix, rest
    for pattern, name in BARE:
        if not slash and pattern.match(model):
            return name, model
    return None, model


def serves_no_chat(model: str, mode: str | None) -> str | None:
    """Why a model cannot be imported for what it does; None where it chats, as far as can be told."""
    if mode is not None and mode not in MODES:
        return f"It is a model for {mode!r}; this gateway serves chat, responses and messages."
    if mode is None and _OTHER.search(model):
        return "By its name it does not chat; this gateway serves chat, responses and messages."
    return None


def responses_only(model: str) -> bool:
    """Whether LiteLLM asks an OpenAI model through the Responses API whatever its client speaks."""
    return _RESPONSES_ONLY.search(model) is not None


def aws_region(rest: str) -> tuple[str | None, str]:
    """(region, model) of `us-west-2/anthropic.claude…`."""
    first, slash, tail = rest.partition("/")
    return (first, tail) if slash and _REGION.fullmatch(first) else (None, rest)


# Prefixes that `litellm_clouds` knows.
CLOUDS: Final = frozenset(("azure", "azure_ai", "bedrock", "bedrock_converse", "vertex_ai", "vertex_ai_beta"))
# Prefixes that LiteLLM has and that nothing here speaks.
UNSERVED: Final = frozenset(
    [
        "aleph_alpha",
        "assemblyai",
        "auto_router",
        "aws_polly",
        "black_forest_labs",
        "clarifai",
        "cloudflare",
        "cloudflare_workers_ai",
        "dashscope_rerank",
        "deepgram",
        "elevenlabs",
        "fal_ai",
        "gigachat",
        "github_copilot",
        "heroku",
        "infinity",
        "jina_ai",
        "langfuse",
        "langgraph",
        "lemonade",
        "maritalk",
        "nlp_cloud",
        "oci",
        "oobabooga",
        "petals",
        "predibase",
        "recraft",
        "replicate",
        "runwayml",
        "sagemaker",
        "sagemaker_chat",
        "sagemaker_nova",
        "sarvam",
        "snowflake",
        "stability",
        "text-completion-codestral",
        "text-completion-openai",
        "triton",
        "voyage",
        "watsonx",
        "watsonx_text",
        "xinference",
    ]
)

EXACT: Final = Verdict.EXACT
