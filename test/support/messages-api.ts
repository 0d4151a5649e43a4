/**
 * A scripted Messages API on loopback, for tests that run the real Claude Code without an account. It streams the
 * server-sent events of the real service's documentation; it does not judge the requests.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Headers = Record<string, string>;
type Block = { type: "text"; text: string } | { type: "tool_use"; name: string; input: unknown };

/** What one call is answered with. */
export type Reply =
  | { kind: "message"; blocks: Block[]; more: MessageOptions }
  | { kind: "error"; status: number; body: unknown; headers: Headers }
  /** Begins a streamed message and then: `cut` closes the connection, `silence` sends nothing more. */
  | { kind: "cut" | "silence"; text: string }
  /** The request is taken and never answered. */
  | { kind: "hang" };

export interface MessageOptions {
  stopReason?: string;
  /** Tokens as the service counts them. */
  usage?: {
    input_tokens?: number;
    output_tokens?: number;
    cache_read_input_tokens?: number;
    cache_creation_input_tokens?: number;
  };
  headers?: Headers;
  /** Waits before the last event, in milliseconds. */
  holdMs?: number;
}

interface ApiRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** The Claude Code session that asks; empty when the request names none. */
  session: string;
  /** From 0, among the calls of this session that ask for a message. */
  call: number;
  /** What was asked, as far as tests look at it. */
  body: ApiBody;
}

interface ApiBody {
  model?: string;
  system?: unknown;
  messages?: unknown[];
  tools?: { name: string }[];
  metadata?: { user_id?: unknown };
}

/**
 * A list answers each session's calls from its beginning, its last reply again and again; a function decides for
 * each call.
 */
export type Script = Reply[] | ((request: ApiRequest) => Reply);

export interface MessagesApi {
  /** For `ANTHROPIC_BASE_URL`. */
  url: string;
  /** The calls that asked for a message, oldest first. */
  requests: ApiRequest[];
  /** Every other request: what the program also wanted from the service. */
  others: string[];
  close: () => Promise<void>;
}

export function text(answer: string, more: MessageOptions = {}): Reply {
  return { kind: "message", blocks: [{ type: "text", text: answer }], more };
}

export function toolUse(name: string, input: unknown, more: MessageOptions = {}): Reply {
  return message([{ type: "tool_use", name, input }], more);
}

export function message(blocks: Block[], more: MessageOptions = {}): Reply {
  return { kind: "message", blocks, more };
}

/** `body` as text becomes the message of an error body of the type that the real service sends with this status. */
export function httpError(status: number, body: unknown = "scripted", headers: Headers = {}): Reply {
  const type = ERROR_TYPES[status] ?? "api_error";
  const whole = typeof body === "string" ? { type: "error", error: { type, message: body } } : body;
  return { kind: "error", status, body: whole, headers };
}

export function cut(begun = "I will"): Reply {
  return { kind: "cut", text: begun };
}

export function silence(begun = "I will"): Reply {
  return { kind: "silence", text: begun };
}

export function hang(): Reply {
  return { kind: "hang" };
}

/** The answer of an account whose usage limit is reached until `resetsAt` (epoch seconds). Only sent to OAuth tokens. */
export function usageLimit(resetsAt: number): Reply {
  return httpError(429, "This request would exceed your account's rate limit.", {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": String(resetsAt),
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-5h-status": "rejected",
    "anthropic-ratelimit-unified-5h-reset": String(resetsAt),
    "anthropic-ratelimit-unified-5h-utilization": "1",
    "anthropic-ratelimit-unified-overage-status": "rejected",
    "anthropic-ratelimit-unified-overage-disabled-reason": "org_level_disabled",
    "retry-after": "3600",
  });
}

const ERROR_TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

export async function startMessagesApi(script: Script): Promise<MessagesApi> {
  const requests: ApiRequest[] = [];
  const others: string[] = [];
  const calls = new Map<string, number>();
  const decide = (request: ApiRequest): Reply =>
    typeof script === "function"
      ? script(request)
      : (script[Math.min(request.call, script.length - 1)] ?? text("Done."));

  const server = createServer((incoming, response) => {
    response.on("error", () => {});
    void readBody(incoming).then((body) => {
      const path = incoming.url ?? "/";
      const asked = incoming.method === "POST" && /^\/v1\/messages(\?|$)/.test(path);
      if (!asked) {
        others.push(`${incoming.method} ${path}`);
        response.writeHead(path.includes("count_tokens") ? 200 : 404, { "content-type": "application/json" });
        response.end(path.includes("count_tokens") ? '{"input_tokens":100}' : "{}");
        return;
      }
      const session = sessionOf(incoming.headers, body);
      const call = calls.get(session) ?? 0;
      calls.set(session, call + 1);
      const request = { method: "POST", path, headers: incoming.headers, session, call, body };
      requests.push(request);
      answer(response, request, decide(request));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    others,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, request: ApiRequest, reply: Reply): void {
  switch (reply.kind) {
    case "hang":
      return;
    case "error":
      response.writeHead(reply.status, {
        "content-type": "application/json",
        "request-id": "req_scripted",
        ...reply.headers,
      });
      response.end(JSON.stringify(reply.body));
      return;
    case "cut":
    case "silence": {
      begin(response, request, {});
      event(response, "content_block_start", { index: 0, content_block: { type: "text", text: "" } });
      event(response, "content_block_delta", { index: 0, delta: { type: "text_delta", text: reply.text } });
      if (reply.kind === "cut") setImmediate(() => response.destroy());
      return;
    }
    case "message":
      begin(response, request, reply.more);
      for (const [index, block] of reply.blocks.entries()) writeBlock({ response, request, index, block });
      if (reply.more.holdMs === undefined) finish(response, reply);
      else setTimeout(() => finish(response, reply), reply.more.holdMs).unref();
  }
}

function begin(response: ServerResponse, request: ApiRequest, more: MessageOptions): void {
  response.writeHead(200, { "content-type": "text/event-stream", "request-id": "req_scripted", ...more.headers });
  const usage = {
    input_tokens: 100,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 0,
    ...more.usage,
    output_tokens: 1,
  };
  const id = `msg_${request.session.slice(0, 8)}_${request.call}`;
  const head = {
    id,
    type: "message",
    role: "assistant",
    model: request.body.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  };
  event(response, "message_start", { message: head });
}

function writeBlock(at: { response: ServerResponse; request: ApiRequest; index: number; block: Block }): void {
  const { response, request, index, block } = at;
  const id = `toolu_${request.session.slice(0, 8)}_${request.call}_${index}`;
  const empty =
    block.type === "text" ? { type: "text", text: "" } : { type: "tool_use", id, name: block.name, input: {} };
  const delta =
    block.type === "text"
      ? { type: "text_delta", text: block.text }
      : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
  event(response, "content_block_start", { index, content_block: empty });
  event(response, "content_block_delta", { index, delta });
  event(response, "content_block_stop", { index });
}

function finish(response: ServerResponse, reply: Extract<Reply, { kind: "message" }>): void {
  const tools = reply.blocks.some((block) => block.type === "tool_use");
  const stop_reason = reply.more.stopReason ?? (tools ? "tool_use" : "end_turn");
  const usage = { output_tokens: reply.more.usage?.output_tokens ?? 20 };
  event(response, "message_delta", { delta: { stop_reason, stop_sequence: null }, usage });
  event(response, "message_stop", {});
  response.end();
}

function event(response: ServerResponse, type: string, fields: object): void {
  response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
}

async function readBody(incoming: IncomingMessage): Promise<ApiBody> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as ApiBody;
  } catch {
    return {};
  }
}

/** Claude Code names its session in a header, and in the text of `metadata.user_id`. */
function sessionOf(headers: IncomingHttpHeaders, body: ApiBody): string {
  const named = headers["x-claude-code-session-id"];
  if (typeof named === "string") return named;
  const user = body.metadata?.user_id;
  return typeof user === "string" ? (/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(user)?.[0] ?? "") : "";
}
