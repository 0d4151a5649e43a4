/** Where things are in `.workflow/`, and what a path means. SPEC section 2. Paths here are relative to `.workflow/`, with `/`. */
import { isSessionId, isTaskId, parseAttemptName, type SessionId, type TaskId } from "../model/ids.ts";

export const WORKSPACE = ".workflow";
export const RUN = ".run";
const MARKER = ".active-";

export type Place =
  | { kind: "config" }
  | { kind: "marker"; session: SessionId }
  | { kind: "role"; name: string }
  | { kind: "patterns" }
  | { kind: "workflow"; name: string }
  | { kind: "inbox"; name: string }
  | { kind: "session-folder"; session: SessionId }
  | { kind: "session-file"; session: SessionId }
  /** A folder in which Coxswain writes, or what stands in its place. */
  | { kind: "session-part"; session: SessionId }
  /** `.task/<name>`: a task's file if its base name is an id, else a drop. */
  | { kind: "task"; session: SessionId; name: string; id: TaskId | null }
  | { kind: "prompt-drop"; session: SessionId; name: string }
  | { kind: "response"; session: SessionId; task: TaskId; attempt: number; format: "json" | "md" }
  /** What a task proposes, until it is approved; people may edit it. */
  | { kind: "plan"; session: SessionId; id: TaskId }
  | { kind: "view"; session: SessionId }
  /** Written by the daemon alone and never read back: prompts and answers of attempts, checkpoint, metrics, transcripts. */
  | { kind: "output" }
  | { kind: "transcript" }
  | { kind: "report" }
  | { kind: "ignored" }
  /** Anything else that a person put there: recorded, not understood. */
  | { kind: "other" };

/** Files of sessions whose content people write too. */
export const WRITTEN_BY_PEOPLE: ReadonlySet<Place["kind"]> = new Set<Place["kind"]>([
  "task",
  "session-file",
  "prompt-drop",
  "response",
  "plan",
  "other",
]);

/** Folders of a session in which Coxswain writes. */
export const PARTS = [".task", "prompts", "responses", "plans", ".summaries", "state", ".chat", "messages"] as const;
const PART_NAMES: ReadonlySet<string> = new Set(PARTS);

const UNFINISHED = /(~|\.tmp|\.swp|\.part|\.crswap|\.bak|\.\d+)$/;
const TEXT_DROP = /\.(md|markdown|txt)$/i;

/** A name that no drop has: an editor's or copier's file in the making (SPEC 3.3). */
export function isUnfinishedName(name: string): boolean {
  return name.startsWith(".") || UNFINISHED.test(name);
}

export function placeOf(path: string): Place {
  const parts = path.split("/");
  const [top = "", second, third, ...rest] = parts;
  if (top === RUN) return { kind: "ignored" };
  if (parts.length === 1) return topLevel(top);
  const name = parts.at(-1) ?? "";
  if (name.endsWith(".error.md")) return { kind: "report" };
  switch (top) {
    case "inbox":
      if (parts.length > 2 || isUnfinishedName(name) || !isDropName(name)) return { kind: "ignored" };
      return { kind: "inbox", name };
    case "agents":
      if (parts.length > 2 || isUnfinishedName(name) || !name.endsWith(".md")) return { kind: "ignored" };
      return { kind: "role", name: name.slice(0, -".md".length) };
    case "errors":
      return path === at.patterns ? { kind: "patterns" } : otherName(name);
    case "metrics":
      return { kind: "output" };
    case "workflows":
      return parts.length === 2 && /^\w[\w-]*\.yaml$/.test(name)
        ? { kind: "workflow", name: name.slice(0, -".yaml".length) }
        : otherName(name);
  }
  if (!isSessionId(top)) return isUnfinishedName(name) ? { kind: "ignored" } : { kind: "other" };
  if (second === undefined || (third !== undefined && rest.length > 0)) return otherName(name);
  return third === undefined ? inSession(top, second) : inFolder(top, second, third);
}

function isDropName(name: string): boolean {
  return name.endsWith(".json") || TEXT_DROP.test(name) || isWorkflowDrop(name);
}

export function isWorkflowDrop(name: string): boolean {
  return /\.ya?ml$/i.test(name);
}

export function isTextDrop(name: string): boolean {
  return TEXT_DROP.test(name);
}

export const at = {
  config: "config.yaml",
  patterns: "errors/patterns.json",
  marker: (session: SessionId) => `${MARKER}${session}`,
  sessionFile: (session: SessionId) => `${session}/workflow-session.json`,
  task: (session: SessionId, id: TaskId) => `${session}/.task/${id}.json`,
  todoList: (session: SessionId) => `${session}/TODO_LIST.md`,
  implPlan: (session: SessionId) => `${session}/IMPL_PLAN.md`,
  summary: (session: SessionId, id: TaskId) => `${session}/.summaries/${id.replace("impl-", "IMPL-")}-summary.md`,
  prompt: (session: SessionId, attempt: string) => `${session}/prompts/${attempt}.md`,
  response: (session: SessionId, attempt: string) => `${session}/responses/${attempt}.json`,
  plan: (session: SessionId, id: TaskId) => `${session}/plans/${id}.json`,
  chat: (session: SessionId, attempt: string) => `${session}/.chat/chat-${attempt}.md`,
  messages: (session: SessionId, attempt: string) => `${session}/messages/${attempt}.jsonl`,
  checkpoint: (session: SessionId) => `${session}/state/checkpoint.json`,
  workflow: (name: string) => `workflows/${name}.yaml`,
  /** What is remembered of triggers: written by the daemon alone. */
  triggers: "workflows/.triggers.json",
  /** The workflow of a run as it was. */
  runWorkflow: (session: SessionId, run: string) => `${session}/workflows/${run}.yaml`,
  runFolder: (runId: string) => `${RUN}/attempts/${runId}`,
  report: (path: string) => `${path}.error.md`,
};

function topLevel(name: string): Place {
  if (name === at.config) return { kind: "config" };
  if (name === `${at.config}.error.md`) return { kind: "report" };
  if (name.startsWith(MARKER)) return { kind: "marker", session: name.slice(MARKER.length) };
  if (isSessionId(name)) return { kind: "session-folder", session: name };
  return otherName(name);
}

function inSession(session: SessionId, name: string): Place {
  if (name === "workflow-session.json") return { kind: "session-file", session };
  if (PART_NAMES.has(name)) return { kind: "session-part", session };
  if (name === "TODO_LIST.md" || name === "IMPL_PLAN.md") return { kind: "view", session };
  return otherName(name);
}

function inFolder(session: SessionId, folder: string, name: string): Place {
  switch (folder) {
    case ".task": {
      if (isUnfinishedName(name) || !name.endsWith(".json")) return { kind: "ignored" };
      const base = name.slice(0, -".json".length);
      return { kind: "task", session, name, id: isTaskId(base) ? base : null };
    }
    case "prompts":
      if (isUnfinishedName(name)) return { kind: "ignored" };
      if (parseAttemptName(name.replace(/(-r\d+)?\.md$/, ""))) return { kind: "output" };
      return isTextDrop(name) ? { kind: "prompt-drop", session, name } : otherName(name);
    case "responses": {
      if (isUnfinishedName(name)) return { kind: "ignored" };
      const match = /^(.*)\.(json|md)$/.exec(name);
      const attempt = match?.[1] === undefined ? undefined : parseAttemptName(match[1]);
      if (!attempt) return { kind: "output" };
      return { kind: "response", session, ...attempt, format: match?.[2] === "md" ? "md" : "json" };
    }
    case "plans": {
      const base = name.endsWith(".json") ? name.slice(0, -".json".length) : "";
      return isTaskId(base) ? { kind: "plan", session, id: base } : otherName(name);
    }
    case ".summaries":
      return { kind: "view", session };
    case "state":
      return { kind: "output" };
    case ".chat":
    case "messages":
      return { kind: "transcript" };
    default:
      return otherName(name);
  }
}

function otherName(name: string): Place {
  return isUnfinishedName(name) ? { kind: "ignored" } : { kind: "other" };
}
