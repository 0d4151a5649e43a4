/** Roles as their markdown files say them: the format of Claude Code's subagents, with keys of our own. SPEC section 6. */
import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseDocument, LineCounter } from "yaml";
import { PERMISSION_MODES, RUNNERS, type Role } from "../model/role.ts";
import { parseDuration } from "../model/time.ts";
import { problem, type Problem } from "../problems.ts";

export type ReadRole = { ok: Role } | { problems: Problem[] };

/** Bytes; prompts of a role are pages, not books. */
export const LONGEST_ROLE = 256 * 1024;

/**
 * Reads a role file. `origin` is `built-in` or the file's path, whose base name is the role's name when the front matter
 * has none. Unknown keys are left alone, as Claude Code does. All problems are told at once.
 */
export function readRole(text: string, origin: string): ReadRole {
  if (Buffer.byteLength(text) > LONGEST_ROLE) {
    return bad("The role file is longer than 256 kB.", "Move long material into files that the agent can read.");
  }
  const parts = /^\uFEFF?---[ \t]*\r?\n(?:([\s\S]*?)\r?\n)?---[ \t]*(?:\r?\n([\s\S]*))?$/.exec(text);
  if (!parts) {
    return bad(
      "The role file has no front matter.",
      "Begin with a line ---, then name: and description:, then a line ---, then the prompt.",
    );
  }
  const front = readFront(parts[1] ?? "");
  if ("problems" in front) return front;
  return roleFrom(front.ok, { prompt: (parts[2] ?? "").replace(/\r\n/g, "\n").trim(), origin });
}

/** The roles that come with Coxswain, from the files beside this one. */
export async function builtInRoles(): Promise<Role[]> {
  const folder = new URL("./roles/", import.meta.url);
  const names = (await readdir(folder)).filter((name) => name.endsWith(".md")).sort();
  const read = await Promise.all(
    names.map(async (name) => readRole(await readFile(new URL(name, folder), "utf8"), "built-in")),
  );
  return read.map((role) => {
    if ("ok" in role) return role.ok;
    throw new Error(`a built-in role is broken: ${role.problems.map((p) => p.message).join(" ")}`);
  });
}

type Front = Record<string, unknown>;

function readFront(yaml: string): { ok: Front } | { problems: Problem[] } {
  const strict = parse(yaml);
  // Claude Code's own files often hold `description: Use it when: …` without quotes, which is no YAML.
  const read = "problems" in strict ? parse(withQuotes(yaml)) : strict;
  return "problems" in read ? strict : read;
}

function parse(yaml: string): { ok: Front } | { problems: Problem[] } {
  const lines = new LineCounter();
  try {
    const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
    if (document.errors.length > 0) {
      return {
        problems: document.errors.map((error) => {
          // One line above the front matter: the opening ---.
          const { line, col } = lines.linePos(error.pos[0]);
          const hint = "Put values that contain a colon into quotes.";
          return problem("bad-role", `The front matter is not valid YAML: ${error.message}`, {
            hint,
            line: line + 1,
            column: col,
          });
        }),
      };
    }
    const value: unknown = document.toJS({ maxAliasCount: 20 }) ?? {};
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return bad(
        "The front matter is not a list of `key: value` lines.",
        "Write name: and description:, each on a line of its own.",
      );
    }
    return depth(value) > MOST_DEPTH
      ? bad("The front matter nests too deeply.", "Keep it to plain keys and values.")
      : { ok: value as Front };
  } catch (error) {
    return bad(`The front matter cannot be read: ${(error as Error).message}`, "Keep it to plain keys and values.");
  }
}

const MOST_DEPTH = 32;

function depth(value: unknown, so = 0): number {
  if (typeof value !== "object" || value === null || so > MOST_DEPTH) return so;
  return Math.max(so + 1, ...Object.values(value).map((child) => depth(child, so + 1)));
}

function withQuotes(yaml: string): string {
  return yaml.replace(/^([A-Za-z_][\w-]*):[ \t]+([^\s"'[{|>&*#].*:.*)$/gm, (_, key: string, value: string) => {
    return `${key}: ${JSON.stringify(value.trim())}`;
  });
}

function roleFrom(front: Front, { prompt, origin }: { prompt: string; origin: string }): ReadRole {
  const problems: Problem[] = [];
  const wrong = (key: string, hint: string) => {
    problems.push(
      problem("bad-role", `\`${key}\` has a value that it cannot have: ${shown(front[key])}.`, {
        hint,
        pointer: `/${key}`,
      }),
    );
    return undefined;
  };
  /** The first of the spellings that is there, with a value. */
  const find = (...keys: string[]) => keys.find((key) => front[key] !== undefined && front[key] !== null);
  const text = (...keys: string[]): string | undefined => {
    const key = find(...keys);
    if (key === undefined) return undefined;
    const value = front[key];
    if (typeof value === "string") return value.trim() === "" ? undefined : value.trim();
    if (typeof value === "number") return String(value);
    return wrong(key, "Write a text.");
  };
  const list = (hint: string, fits: RegExp, ...keys: string[]): string[] | undefined => {
    const key = find(...keys);
    if (key === undefined) return undefined;
    const value = front[key];
    const items = typeof value === "string" ? splitList(value) : Array.isArray(value) ? value : undefined;
    if (items === undefined || !items.every((item): item is string => typeof item === "string" && fits.test(item)))
      return wrong(key, hint);
    return items;
  };
  const commands = (key: string): string[] | undefined => {
    if (find(key) === undefined) return undefined;
    const value = front[find(key) ?? ""];
    const items = typeof value === "string" ? [value] : value;
    if (Array.isArray(items) && items.every((item) => typeof item === "string" && item.trim() !== "")) return items;
    return wrong(key, "Write shell commands, as a list.");
  };
  const oneOf = <T extends string>(values: readonly T[], ...keys: string[]): T | undefined => {
    const value = text(...keys);
    if (value === undefined) return undefined;
    return values.find((known) => known === value) ?? wrong(find(...keys) ?? "", `Write one of: ${values.join(", ")}.`);
  };

  const toolHint = "Write tool names with commas between, such as Read, Grep, Bash(npm test *).";
  const nameHint = "Write names of environment variables with commas between.";
  const turnsKey = find("max_turns", "maxTurns");
  const turns = turnsKey === undefined ? undefined : front[turnsKey];
  const name = text("name") ?? basename(origin).replace(/\.md$/, "");
  const timeout = text("timeout");
  const tools = list(toolHint, TOOL, "tools");
  const model = text("model");

  if (!NAME.test(name)) wrong("name", "Use letters, digits, - and _, starting with a letter or digit, 100 at most.");
  if (turnsKey !== undefined && !(Number.isInteger(turns) && (turns as number) > 0))
    wrong(turnsKey, "Write a whole number above 0.");
  if (timeout !== undefined && parseDuration(timeout) === undefined)
    wrong("timeout", "Write a duration such as 30m or 1h30m.");
  const role: { [K in keyof Role]: Role[K] | undefined } = {
    name,
    description: text("description") ?? "",
    runner: oneOf(RUNNERS, "runner") ?? "claude",
    model: model === "inherit" ? undefined : model,
    effort: text("effort"),
    // `*` is all there is, as if nothing were said.
    tools: tools?.includes("*") ? undefined : tools,
    allowed_tools: list(toolHint, TOOL, "allowed_tools", "allowedTools"),
    disallowed_tools: list(toolHint, TOOL, "disallowed_tools", "disallowedTools"),
    permission_mode: oneOf(PERMISSION_MODES, "permission_mode", "permissionMode"),
    isolation: oneOf(["worktree", "none"] as const, "isolation"),
    verify: commands("verify"),
    max_turns: turns as number | undefined,
    timeout,
    command: text("command"),
    script: text("script"),
    env: list(nameHint, VARIABLE, "env"),
    prompt,
    origin,
  };
  if (problems.length > 0) return { problems };
  return { ok: Object.fromEntries(Object.entries(role).filter(([, value]) => value !== undefined)) as unknown as Role };
}

const NAME = /^[A-Za-z0-9][\w-]{0,99}$/;
/** `Bash`, `Bash(git log *)`, `mcp__server__tool`, `*`: never something that could be read as an option. */
const TOOL = /^(?:\*|[A-Za-z][\w-]*\*?(?:\([^\n]*\))?)$/;
const VARIABLE = /^[A-Za-z_]\w*$/;

/** At commas outside brackets: `Bash(git add, git rm), Read` is two. */
function splitList(text: string): string[] {
  return (text.match(/(?:\([^)]*\)|[^,(])+/g) ?? []).map((item) => item.trim()).filter((item) => item !== "");
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function bad(message: string, hint: string): { problems: Problem[] } {
  return { problems: [problem("bad-role", message, { hint })] };
}
