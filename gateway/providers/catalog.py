"""The presets: a provider is a row. Everything a row says can be overridden in router.yaml.

`base_url` is what precedes the wire's own path (`/chat/completions`); None where every installation has its own.
Each row's `docs` is the page that states its URL and its authentication.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Preset(msgspec.Struct, frozen=True):
    """One row. `needs_key`: without a credential the provider answers 401. `stream_usage`: it understands
    `stream_options.include_usage`; where False, usage is taken from whatever the stream says by itself."""

    name: str
    base_url: str | None
    docs: str
    protocol: str = "openai-chat"
    auth: str = "bearer"
    needs_key: bool = True
    stream_usage: bool = True


_ROWS: Final = (
    Preset("sandbox", "sandbox://local/v1", "docs/sandbox.md", needs_key=False),
    Preset("openai", "https://api.openai.com/v1", "https://platform.openai.com/docs/api-reference"),
    Preset("openrouter", "https://openrouter.ai/api/v1", "https://openrouter.ai/docs/api-reference"),
    Preset("groq", "https://api.groq.com/openai/v1", "https://console.groq.com/docs/openai"),
    Preset("together", "https://api.together.xyz/v1", "https://docs.together.ai/docs/openai-api-compatibility"),
    Preset("fireworks", "https://api.fireworks.ai/inference/v1", "https://docs.fireworks.ai/tools-sdks/openai-compatibility"),
    Preset("deepseek", "https://api.deepseek.com/v1", "https://api-docs.deepseek.com"),
    Preset("xai", "https://api.x.ai/v1", "https://docs.x.ai/docs/api-reference"),
    Preset("mistral", "https://api.mistral.ai/v1", "https://docs.mistral.ai/api", stream_usage=False),
    Preset("perplexity", "https://api.perplexity.ai", "https://docs.perplexity.ai/guides/chat-completions-guide"),
    Preset("cerebras", "https://api.cerebras.ai/v1", "https://inference-docs.cerebras.ai/resources/openai"),
    Preset("sambanova", "https://api.sambanova.ai/v1", "https://docs.sambanova.ai/cloud/api-reference"),
    Preset("nvidia", "https://integrate.api.nvidia.com/v1", "https://docs.api.nvidia.com/nim/reference/llm-apis"),
    Preset("nebius", "https://api.studio.nebius.com/v1", "https://docs.nebius.com/studio/inference/api"),
    Preset("hyperbolic", "https://api.hyperbolic.xyz/v1", "https://docs.hyperbolic.xyz/docs/rest-api"),
    Preset("deepinfra", "https://api.deepinfra.com/v1/openai", "https://deepinfra.com/docs/openai_api"),
    Preset("novita", "https://api.novita.ai/v3/openai", "https://novita.ai/docs/guides/llm-api"),
    Preset("moonshot", "https://api.moonshot.ai/v1", "https://platform.moonshot.ai/docs/api/chat"),
    Preset("zhipu", "https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/dev/api"),
    Preset("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope"),
    Preset("minimax", "https://api.minimax.io/v1", "https://platform.minimax.io/docs/api-reference/text-openai-api"),
    Preset("siliconflow", "https://api.siliconflow.com/v1", "https://docs.siliconflow.com/en/api-reference/chat-completions"),
    Preset("huggingface", "https://router.huggingface.co/v1", "https://huggingface.co/docs/inference-providers"),
    Preset("github-models", "https://models.github.ai/inference", "https://docs.github.com/en/rest/models/inference"),
    Preset("vercel", "https://ai-gateway.vercel.sh/v1", "https://vercel.com/docs/ai-gateway/openai-compat"),
    Preset("cloudflare", None, "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility"),
    Preset("databricks", None, "https://docs.databricks.com/aws/en/machine-learning/model-serving/query-chat-models"),
    Preset("litellm", None, "https://docs.litellm.ai/docs/proxy/user_keys"),
    Preset("gateway", None, "README.md"),
    Preset("lm-studio", "http://127.0.0.1:1234/v1", "https://lmstudio.ai/docs/app/api/endpoints/openai", needs_key=False),
    Preset("llama-cpp", "http://127.0.0.1:8080/v1", "https://github.com/ggml-org/llama.cpp/tree/master/tools/server", needs_key=False),
    Preset("vllm", "http://127.0.0.1:8000/v1", "https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html", needs_key=False),
    Preset("sglang", "http://127.0.0.1:30000/v1", "https://docs.sglang.ai/basic_usage/openai_api.html", needs_key=False),
)  # fmt: skip

PRESETS: Final[dict[str, Preset]] = {row.name: row for row in _ROWS}
