"""The presets: a provider is a row. Everything a row says can be overridden in router.yaml.

`base_url` is what precedes the wire's own path (`/chat/completions`); None where every installation has its own. Words
in braces are settings of the provider (`protocol`, `region`, `project`, `resource`). `auth` is a row of auth.py, `host` one of
hosts.py. What a quirk means is said by the wire that reads it (`protocols/*/request_out.py`). Each row's `docs` is the
page that states its URL, its authentication and its dialect.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Preset(msgspec.Struct, frozen=True):
    """One row. `needs_key`: without a credential the provider answers 401. `auth` "" is the wire's usual one."""

    name: str
    base_url: str | None
    docs: str
    protocol: str = "openai-chat"
    auth: str = ""
    needs_key: bool = True
    host: str = ""
    quirks: tuple[str, ...] = ()


_OPENAI: Final = ("max_completion_tokens", "developer", "custom_tools", "allowed_tools")
_THINKS: Final = ("reasoning_content", "top_k")
_MISTRAL: Final = (
    "no_stream_options", "nine_ids", "random_seed", "document_url", "no_user", "no_logprobs", "no_top_logprobs",
    "no_logit_bias", "no_service_tier", "no_prompt_cache_key", "no_metadata", "prefill_prefix",
)  # fmt: skip
_ROUTER: Final = (
    "reasoning_object", "reasoning_details", "cache_control", "top_k", "thought_signature", "developer", "prefill",
    "provider_hints",
)  # fmt: skip

_ROWS: Final = (
    Preset("sandbox", "sandbox://{protocol}/v1", "docs/sandbox.md", needs_key=False, quirks=_OPENAI),
    Preset("openai", "https://api.openai.com/v1", "https://platform.openai.com/docs/api-reference", quirks=_OPENAI),
    Preset("openai-responses", "https://api.openai.com/v1", "https://platform.openai.com/docs/api-reference/responses", "openai-responses"),
    Preset("anthropic", "https://api.anthropic.com/v1", "https://platform.claude.com/docs/en/api/overview", "anthropic"),
    Preset("gemini", "https://generativelanguage.googleapis.com/v1beta", "https://ai.google.dev/api", "gemini"),
    Preset("vertex", "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/google", "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference", "gemini", "google"),
    Preset("vertex-claude", "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/anthropic", "https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai", "anthropic", "google", host="vertex-claude"),
    Preset("bedrock", "https://bedrock-runtime.{region}.amazonaws.com", "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html", "bedrock-converse", "sigv4", needs_key=False),
    Preset("bedrock-key", "https://bedrock-runtime.{region}.amazonaws.com", "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html", "bedrock-converse", "bearer"),
    Preset("azure", "https://{resource}.openai.azure.com/openai/v1", "https://learn.microsoft.com/en-us/azure/foundry/openai/api-version-lifecycle", auth="api-key", quirks=_OPENAI),
    Preset("azure-classic", "https://{resource}.openai.azure.com/openai", "https://learn.microsoft.com/en-us/azure/foundry/openai/reference", auth="api-key", host="azure-classic", quirks=_OPENAI),
    Preset("azure-entra", "https://{resource}.openai.azure.com/openai/v1", "https://learn.microsoft.com/en-us/azure/foundry/openai/how-to/managed-identity", auth="entra", needs_key=False, quirks=_OPENAI),
    Preset("ollama", "http://127.0.0.1:11434", "https://docs.ollama.com/api/chat", "ollama", needs_key=False),
    Preset("cohere", "https://api.cohere.com", "https://docs.cohere.com/reference/chat", "cohere"),
    Preset("openrouter", "https://openrouter.ai/api/v1", "https://openrouter.ai/docs/api-reference", quirks=_ROUTER),
    Preset("groq", "https://api.groq.com/openai/v1", "https://console.groq.com/docs/openai", quirks=("max_completion_tokens", "no_logprobs", "no_top_logprobs", "no_logit_bias", "prefill")),
    Preset("together", "https://api.together.xyz/v1", "https://docs.together.ai/docs/openai-api-compatibility", quirks=("top_k",)),
    Preset("fireworks", "https://api.fireworks.ai/inference/v1", "https://docs.fireworks.ai/tools-sdks/openai-compatibility", quirks=_THINKS),
    Preset("deepseek", "https://api.deepseek.com/v1", "https://api-docs.deepseek.com", quirks=("reasoning_content",)),
    Preset("deepseek-beta", "https://api.deepseek.com/beta", "https://api-docs.deepseek.com/guides/chat_prefix_completion", quirks=("reasoning_content", "prefill_prefix")),
    Preset("xai", "https://api.x.ai/v1", "https://docs.x.ai/docs/api-reference"),
    Preset("mistral", "https://api.mistral.ai/v1", "https://docs.mistral.ai/api", quirks=_MISTRAL),
    Preset("perplexity", "https://api.perplexity.ai", "https://docs.perplexity.ai/guides/chat-completions-guide", quirks=("one_system", "top_k")),
    Preset("cerebras", "https://api.cerebras.ai/v1", "https://inference-docs.cerebras.ai/resources/openai", quirks=("max_completion_tokens",)),
    Preset("sambanova", "https://api.sambanova.ai/v1", "https://docs.sambanova.ai/cloud/api-reference", quirks=("top_k",)),
    Preset("nvidia", "https://integrate.api.nvidia.com/v1", "https://docs.api.nvidia.com/nim/reference/llm-apis"),
    Preset("nebius", "https://api.studio.nebius.com/v1", "https://docs.nebius.com/studio/inference/api", quirks=("top_k",)),
    Preset("hyperbolic", "https://api.hyperbolic.xyz/v1", "https://docs.hyperbolic.xyz/docs/rest-api", quirks=("top_k",)),
    Preset("deepinfra", "https://api.deepinfra.com/v1/openai", "https://deepinfra.com/docs/openai_api"),
    Preset("novita", "https://api.novita.ai/v3/openai", "https://novita.ai/docs/guides/llm-api", quirks=("top_k",)),
    Preset("moonshot", "https://api.moonshot.ai/v1", "https://platform.moonshot.ai/docs/api/chat", quirks=("reasoning_content", "prefill_partial")),
    Preset("zhipu", "https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/dev/api", quirks=("reasoning_content",)),
    Preset("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope", quirks=(*_THINKS, "prefill_partial")),
    Preset("minimax", "https://api.minimax.io/v1", "https://platform.minimax.io/docs/api-reference/text-openai-api"),
    Preset("siliconflow", "https://api.siliconflow.com/v1", "https://docs.siliconflow.com/en/api-reference/chat-completions", quirks=("top_k",)),
    Preset("huggingface", "https://router.huggingface.co/v1", "https://huggingface.co/docs/inference-providers"),
    Preset("github-models", "https://models.github.ai/inference", "https://docs.github.com/en/rest/models/inference"),
    Preset("vercel", "https://ai-gateway.vercel.sh/v1", "https://vercel.com/docs/ai-gateway/openai-compat", quirks=("reasoning_object", "cache_control")),
    Preset("cloudflare", None, "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility"),
    Preset("databricks", None, "https://docs.databricks.com/aws/en/machine-learning/model-serving/query-chat-models"),
    Preset("litellm", None, "https://docs.litellm.ai/docs/proxy/user_keys", quirks=(*_THINKS, "reasoning_effort", "cache_control", "developer")),
    Preset("gateway", None, "README.md", quirks=(*_THINKS, "reasoning_details", "reasoning_effort", "cache_control", "developer", "thought_signature", "custom_tools", "allowed_tools")),
    Preset("lm-studio", "http://127.0.0.1:1234/v1", "https://lmstudio.ai/docs/app/api/endpoints/openai", needs_key=False, quirks=("top_k",)),
    Preset("llama-cpp", "http://127.0.0.1:8080/v1", "https://github.com/ggml-org/llama.cpp/tree/master/tools/server", needs_key=False, quirks=(*_THINKS, "one_system", "prefill_unthinking")),
    Preset("vllm", "http://127.0.0.1:8000/v1", "https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html", needs_key=False, quirks=(*_THINKS, "one_system", "prefill_final")),
    Preset("sglang", "http://127.0.0.1:30000/v1", "https://docs.sglang.ai/basic_usage/openai_api.html", needs_key=False, quirks=(*_THINKS, "one_system", "prefill_final")),
)  # fmt: skip

PRESETS: Final[dict[str, Preset]] = {row.name: row for row in _ROWS}
