/**
 * What an agent's output tells, line by line: Claude Code's `stream-json`, and any other output as the plain lines that
 * it is. Structure that is not known is passed over; the complete stream stays in `messages/`.
 */
import { plain } from "../model/plain.ts";
import { formatDuration } from "../model/time.ts";

/** What one line tells. Texts are without control characters, and escaped for no page yet. */
export type Heard =
  | { kind: "start"; model: string | null; session: string | null }
  /** `nested`: a subagent's. */
  | { kind: "text"; text: string; nested: boolean }
  | { kind: "tool"; name: string; about: string; detail: string | null; nested: boolean }
  | { kind: "tool-result"; text: string; failed: boolean; nested: boolean }
  /** Waiting, limits, interruptions: what happens to the agent rather than what it does. */
  | { kind: "note"; text: string }
  | {
      kind: "result";
      ok: boolean;
      text: string;
      turns: number | null;
      durationMs: number | null;
      costUsd: number | null;
    }
  /** A line of an agent that speaks plainly. */
  | { kind: "plain"; text: string };

const LONGEST_LINE = 4 * 1024 * 1024;

/** Hears line after line; it remembers where the agent works, to name its files shortly, and what it said last. */
export function listener(): (line: string) => Heard[] {
  let cwd: string | undefined;
  let last = "";
  return (text) => {
    const line = parsed(text);
    if (line === undefined) return text.trim() === "" ? [] : [{ kind: "plain", text: plain(text) }];
    if (line.type === "system" && line.subtype === "init") cwd = string(line.cwd) ?? cwd;
    const heard = hear(line, cwd);
    return heard.flatMap((each): Heard[] => {
      // The result repeats the last words.
      if (each.kind === "result" && each.ok && each.text.trim() === last.trim()) return [{ ...each, text: "" }];
      if (each.kind === "text" && !each.nested) last = each.text;
      return [each];
    });
  };
}

type Line = Record<string, unknown>;

function hear(line: Line, cwd: string | undefined): Heard[] {
  const nested = typeof line.parent_tool_use_id === "string";
  switch (line.type) {
    case "system":
      return hearSystem(line);
    case "assistant":
      // What Claude Code itself says in the model's place comes again in the result.
      if (object(line.message)?.model === "<synthetic>") return [];
      return blocksOf(line).flatMap((block) => hearBlock(block, nested, cwd));
    case "user":
      return blocksOf(line).flatMap((block): Heard[] => {
        if (block.type === "tool_result") {
          return [
            { kind: "tool-result", text: clean(contentText(block.content)), failed: block.is_error === true, nested },
          ];
        }
        const text = clean(string(block.text) ?? "");
        return block.type === "text" && text.trim() !== "" && !nested ? [{ kind: "note", text }] : [];
      });
    case "rate_limit_event": {
      const limit = object(line.rate_limit_info);
      if (limit?.status !== "rejected") return [];
      const resetsAt = number(limit.resetsAt);
      const until =
        resetsAt !== undefined && resetsAt > 0 && resetsAt < 8.64e12
          ? ` until ${new Date(resetsAt * 1000).toISOString()}`
          : "";
      return [{ kind: "note", text: `the account has reached its usage limit${until}` }];
    }
    case "result":
      return [resultOf(line)];
    default:
      return [];
  }
}

function hearSystem(line: Line): Heard[] {
  switch (line.subtype) {
    case "init":
      return [{ kind: "start", model: cleanOr(line.model), session: cleanOr(line.session_id) }];
    case "api_retry": {
      const delay = number(line.retry_delay_ms);
      const why = clean(string(line.error) ?? "no answer");
      return [
        {
          kind: "note",
          text: `the service did not answer (${why}); tries again${delay === undefined ? "" : ` in ${formatDuration(delay)}`}`,
        },
      ];
    }
    case "compact_boundary":
      return [{ kind: "note", text: "the conversation was compacted" }];
    case "model_fallback":
      return [{ kind: "note", text: "went on with the fallback model" }];
    default:
      return [];
  }
}

function hearBlock(block: Line, nested: boolean, cwd: string | undefined): Heard[] {
  if (block.type === "text") {
    const text = clean(string(block.text) ?? "");
    return text.trim() === "" ? [] : [{ kind: "text", text, nested }];
  }
  if (block.type !== "tool_use") return [];
  const input = object(block.input) ?? {};
  const about = ABOUT.map((key) => string(input[key])).find((value) => value !== undefined && value !== "") ?? "";
  const short = cwd !== undefined && about.startsWith(`${cwd}/`) ? about.slice(cwd.length + 1) : about;
  const detail = ["content", "new_string", "command", "prompt"]
    .map((key) => string(input[key]))
    .find((value) => value !== undefined);
  return [
    {
      kind: "tool",
      name: clean(string(block.name) ?? "?"),
      about: clean(short),
      detail: detail === undefined ? null : clean(detail),
      nested,
    },
  ];
}

/** What of a tool's input says best what it is about. */
const ABOUT = ["file_path", "notebook_path", "command", "pattern", "path", "url", "query", "description"];

function resultOf(line: Line): Heard {
  const ok = line.is_error !== true && line.subtype === "success";
  const errors = Array.isArray(line.errors) ? line.errors.filter((error) => typeof error === "string").join("\n") : "";
  const answer = line.structured_output === undefined ? undefined : JSON.stringify(line.structured_output, null, 2);
  return {
    kind: "result",
    ok,
    text: clean([string(line.result) ?? errors, answer].filter((part) => part !== undefined && part !== "").join("\n")),
    turns: number(line.num_turns) ?? null,
    durationMs: number(line.duration_ms) ?? null,
    costUsd: number(line.total_cost_usd) ?? null,
  };
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return list(content)
    .map((block) => string(block.text) ?? (block.type === "image" ? "[a picture]" : ""))
    .filter((text) => text !== "")
    .join("\n");
}

function parsed(text: string): Line | undefined {
  if (text.length > LONGEST_LINE || !text.trimStart().startsWith("{")) return undefined;
  try {
    const line = object(JSON.parse(text));
    // A plain agent may print JSON of its own.
    return line !== undefined && typeof line.type === "string" ? line : undefined;
  } catch {
    return undefined;
  }
}

function blocksOf(line: Line): Line[] {
  const content = object(line.message)?.content;
  return typeof content === "string" ? [{ type: "text", text: content }] : list(content);
}

function clean(text: string): string {
  return plain(text);
}

function cleanOr(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? clean(value) : null;
}

function object(value: unknown): Line | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Line) : undefined;
}

function list(value: unknown): Line[] {
  return Array.isArray(value) ? value.map(object).filter((item) => item !== undefined) : [];
}

function string(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
