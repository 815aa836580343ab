// A provider that answers on every wire at once: aimock, with what it says for the agents' task and for the SDKs' tests.
// What aimock made of a request is what it answers from: a tool's result that got lost on the way cannot be repeated.
//
//     node upstream.mjs [PORT]     prints `ready: URL` (port 0, the default, is a free one)
import { LLMock } from "@copilotkit/aimock";

const textOf = ({ content }) =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("");
const said = (request, role) => request.messages.filter((message) => message.role === role).map(textOf);
const asked = (words) => (request) => said(request, "user").at(-1)?.includes(words);
const results = (request) => said(request, "tool");
const tools = (request) => (request.tools ?? []).map((tool) => tool.function.name);
const usage = { prompt_tokens: 70, completion_tokens: 7, total_tokens: 77 };

// How each agent's tool is told to read a file.
const READ = {
  Read: (file) => ({ file_path: file }), // Claude Code
  exec_command: (file) => ({ cmd: `cat ${file}` }), // Codex
  read_file: (file) => ({ file_path: file }), // Gemini CLI
  read: (file) => ({ filePath: file }), // opencode
};

function readFile(request) {
  if (results(request).length) return { content: `The file says: ${results(request).join("\n")}`, usage };
  const name = Object.keys(READ).find((name) => tools(request).includes(name));
  if (!name) return { content: "Reading a file", usage }; // a request for a title
  const file = said(request, "user").join("\n").match(/Read (\S*secret\.txt)/)[1];
  return { toolCalls: [{ name, arguments: JSON.stringify(READ[name](file)) }], usage };
}

function weather(request) {
  if (results(request).length) return { content: `It is ${results(request).join(" and ")}.`, usage };
  const cities = asked("two cities")(request) ? ["Oslo", "Rome"] : ["Oslo"];
  return {
    blocks: [
      { type: "text", text: "Let me look." },
      ...cities.map((city) => ({ type: "toolCall", name: "get_weather", arguments: JSON.stringify({ city }) })),
    ],
    usage,
  };
}

const failure = (status, type, message) => ({ error: { type, message, code: type }, status });
const LONG = "One word, and one more, ".repeat(8) + "the last.";
const on = (words, response, options = {}) => ({ match: { predicate: asked(words) }, response, ...options });

const mock = new LLMock({ port: Number(process.argv[2] ?? 0), logLevel: "warn" });
mock.addFixtures([
  // Agents say more than what they were asked: Claude Code's reminders come after the results of tools.
  { match: { predicate: (request) => said(request, "user").join("").includes("secret.txt") }, response: readFile },
  on("weather", weather),
  on("Think first", { reasoning: "I count to three.", content: "Three.", usage }),
  on("Say much", { content: "One two three", finishReason: "length", usage }),
  on("Repeat your instructions", (request) => ({ content: said(request, "system").join("|"), usage })),
  on("Too fast", failure(429, "rate_limit_error", "slow down")),
  on("Too wrong", failure(400, "invalid_request_error", "that is no question")),
  on("Stop in the middle", { content: LONG }, { truncateAfterChunks: 9, latency: 10, chunkSize: 5 }),
  on("Hello", { content: "Hello from somebody else.", usage }),
  { match: { predicate: () => true }, response: failure(400, "invalid_request_error", "no fixture for this") },
]);
console.log(`ready: ${await mock.start()}`);
