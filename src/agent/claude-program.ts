/** The Claude Code program: where it is, which version it has, which options it knows. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { excerpt } from "./excerpt.ts";

export interface ClaudeProgram {
  /** Absolute. */
  file: string;
  /** `2.1.329` */
  version: string;
  /** The long options that `--help` lists; an unknown one ends the program at once. */
  options: ReadonlySet<string>;
}

export type FoundProgram = { ok: ClaudeProgram } | { missing: true } | { unusable: string };

/**
 * Looks `name` up (an absolute path, or a name on the PATH of `env`) and asks it what it is; asked again only when the
 * file has changed.
 */
export async function findClaude(name: string, env: Record<string, string>): Promise<FoundProgram> {
  for (const file of candidates(name, env.PATH ?? "")) {
    const identity = await executable(file);
    if (identity === undefined) continue;
    const known = answers.get(file);
    if (known?.identity === identity) return { ok: known.program };
    const asked = await ask(file, env);
    if ("ok" in asked) answers.set(file, { identity, program: asked.ok });
    return asked;
  }
  return { missing: true };
}

/** Whether `version` is `least` or later. */
export function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (const [index, part] of b.entries()) {
    const difference = (a[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

const answers = new Map<string, { identity: string; program: ClaudeProgram }>();

/** Relative folders on PATH are passed over: the agent's working directory is not a place to find programs in. */
function candidates(name: string, path: string): string[] {
  if (isAbsolute(name)) return [name];
  if (/[\\/]/.test(name)) return [];
  return path
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, name));
}

async function executable(file: string): Promise<string | undefined> {
  try {
    await access(file, constants.X_OK);
    const found = await stat(file);
    return found.isFile() ? `${found.ino}:${found.size}:${found.mtimeMs}` : undefined;
  } catch {
    return undefined;
  }
}

async function ask(file: string, env: Record<string, string>): Promise<FoundProgram> {
  const [version, help] = await Promise.all([output(file, "--version", env), output(file, "--help", env)]);
  const number = /^(\d+\.\d+\.\d+)/.exec(version.stdout.trim())?.[1];
  if (number === undefined) return { unusable: excerpt(version.trouble || version.stdout) || "it gave no version" };
  const options = new Set(help.stdout.match(/--[a-z][a-z0-9-]+/gi) ?? []);
  if (options.size === 0) return { unusable: excerpt(help.trouble) || "it listed no options" };
  return { ok: { file, version: number, options } };
}

function output(file: string, flag: string, env: Record<string, string>): Promise<{ stdout: string; trouble: string }> {
  return new Promise((resolve) => {
    const limits = { env, timeout: 20_000, killSignal: "SIGKILL", maxBuffer: 1024 * 1024 } as const;
    const child = execFile(file, [flag], limits, (error, stdout, stderr) => {
      resolve({ stdout: error ? "" : stdout, trouble: error ? stderr.trim() || error.message : "" });
    });
    child.stdin?.end();
  });
}
