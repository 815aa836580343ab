// Asks a gateway in every way that the AI SDK has, and prints what came of it: one JSON object by "upstream scenario".
// Standard input: {"url", "key", "models": {upstream: model}, "thinks": {upstream: [words]}, "client"}.
// What must come of it is said in test_ai_sdk.py.

import { readFileSync } from "node:fs";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false; // they go where the answer goes

const { url, key: apiKey, models, thinks, client } = JSON.parse(readFileSync(0, "utf8"));

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey });
const google = createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey });

const MODELS = {
  "openai-chat": (name) => openai.chat(name),
  "openai-responses": (name) => openai.responses(name),
  anthropic: (name) => anthropic(name),
  gemini: (name) => google(`models/${name}`), // a name with a slash is a path to this provider
};

// How each is told to think. OpenAI's provider goes by the model's name unless it is told that this one reasons.
const THINKING = {
  "openai-chat": { openai: { reasoningEffort: "medium", forceReasoning: true } },
  "openai-responses": {
    openai: {
      reasoningEffort: "medium",
      reasoningSummary: "auto",
      forceReasoning: true,
      store: false,
      include: ["reasoning.encrypted_content"],
    },
  },
  anthropic: { anthropic: { thinking: { type: "enabled", budgetTokens: 2000 } } },
  gemini: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } } },
};

const PLAIN = {
  "openai-responses": { openai: { store: false } },
  anthropic: { anthropic: { structuredOutputMode: "outputFormat" } },
};

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

const CITY = z.object({ city: z.string() });
const tools = {
  weather: tool({ description: "The weather of a city.", inputSchema: CITY, execute: async () => "sun" }),
  time: tool({ description: "The time in a city.", inputSchema: CITY, execute: async () => "noon" }),
};
const CALL = 'call weather({"city":"Oslo"})';
const CALLS = 'call weather({"city":"Oslo"}) and call time({"city":"Rome"})';

const drained = async (stream) => {
  for await (const part of stream.fullStream) if (part.type === "error") throw part.error;
};

const thoughtOf = (step) => (step.reasoningText ?? "").split(" ").filter(Boolean).length;

const steps = (all) => all.map((step) => step.toolCalls.map((call) => [call.toolName, call.input]));

const SCENARIOS = {
  plain: async (ask) => {
    const { text, finishReason, usage } = await generateText(ask("hello there"));
    return { text, finishReason, usage: [usage.inputTokens, usage.outputTokens] };
  },
  stream: async (ask) => {
    const stream = streamText({ ...ask("hello there"), onError: () => {} });
    const pieces = [];
    for await (const piece of stream.textStream) pieces.push(piece);
    const usage = await stream.usage;
    return { pieces, finishReason: await stream.finishReason, usage: [usage.inputTokens, usage.outputTokens] };
  },
  system: async (ask) => ({ text: (await generateText({ ...ask("hello"), system: "Be brief." })).text }),
  image: async (ask) => {
    const content = [{ type: "text", text: "what is it" }, { type: "image", image: PNG }];
    const { prompt: _, ...rest } = ask("");
    return { text: (await generateText({ ...rest, messages: [{ role: "user", content }] })).text };
  },
  loop: async (ask) => {
    const answer = await generateText({ ...ask(CALLS), tools, stopWhen: stepCountIs(4) });
    return { text: answer.text, steps: steps(answer.steps) };
  },
  "loop streamed": async (ask) => {
    const stream = streamText({ ...ask(CALLS), tools, stopWhen: stepCountIs(4), onError: () => {} });
    await drained(stream);
    return { text: await stream.text, steps: steps(await stream.steps) };
  },
  object: async (ask) => {
    const schema = z.object({ name: z.string(), age: z.number().int() });
    const { output } = await generateText({ ...ask("who"), output: Output.object({ schema }) });
    return { name: typeof output.name, age: Number.isInteger(output.age) };
  },
  reasoning: async (ask, client, words) => {
    const thinking = { tools, stopWhen: stepCountIs(4), providerOptions: THINKING[client] };
    const answer = await generateText({ ...ask(CALL, ...words), ...thinking });
    return { text: answer.text, steps: steps(answer.steps), thought: thoughtOf(answer.steps[0]) };
  },
  "reasoning streamed": async (ask, client, words) => {
    const thinking = { tools, stopWhen: stepCountIs(4), providerOptions: THINKING[client], onError: () => {} };
    const stream = streamText({ ...ask(CALL, ...words), ...thinking });
    await drained(stream);
    const all = await stream.steps;
    return { text: await stream.text, steps: steps(all), thought: thoughtOf(all[0]) };
  },
  long: async (ask) => {
    const { finishReason, usage } = await generateText({ ...ask("hello", "tokens=40"), maxOutputTokens: 16 });
    return { finishReason, output: usage.outputTokens };
  },
  error: async (ask) => {
    const told = {};
    for (const word of ["status=400", "status=429", "status=500", "overloaded"]) {
      try {
        await generateText(ask("x", word));
      } catch (error) {
        told[word] = [error.name, error.statusCode];
      }
    }
    return told;
  },
  broken: async (ask) => {
    const stream = streamText({ ...ask("one two", "error-at=3"), onError: () => {} });
    let text = "";
    let failed = false;
    for await (const part of stream.fullStream) {
      if (part.type === "text-delta") text += part.text;
      if (part.type === "error") failed = true;
    }
    return { text, failed };
  },
};

const out = {};
for (const [upstream, name] of Object.entries(models)) {
  const ask = (prompt, ...words) => ({
    model: MODELS[client]([`${upstream}/${name}`, ...words].join(":")),
    prompt,
    maxRetries: 0,
    providerOptions: PLAIN[client],
  });
  for (const [scenario, play] of Object.entries(SCENARIOS)) {
    try {
      out[`${upstream} ${scenario}`] = await play(ask, client, thinks[upstream]);
    } catch (error) {
      out[`${upstream} ${scenario}`] = { threw: String(error), body: error.responseBody ?? null };
    }
  }
}
process.stdout.write(JSON.stringify(out));
