/** The rest of what is outside: git's command line, the desktop, places to die at, chance. */
import { world, REPOSITORY } from "../world.ts";

/** `src/ledger/git.ts`. */
export async function findRepository() {
  await world().later(() => world().pass());
  const gitDir = `${REPOSITORY}/.git`;
  const head = { branch: "main", commit: null };
  return {
    ok: { root: REPOSITORY, gitDir, commonDir: gitDir, bare: false, objectFormat: "sha1", hasCommits: false, head },
  };
}

export async function trackedUnder(): Promise<string[]> {
  return [];
}

export async function ensureExclude(): Promise<boolean> {
  return false;
}

export async function git() {
  return { code: 1, stdout: Buffer.alloc(0), stderr: "there is no git here", missing: true };
}

/** `src/agent/claude-program.ts`. */
const OPTIONS =
  "-p --output-format --verbose --session-id --resume --setting-sources --strict-mcp-config --permission-mode";
const MORE =
  "--tools --allowedTools --disallowedTools --settings --append-system-prompt-file --max-turns --max-budget-usd";
const LAST = "--model --fallback-model --json-schema";

export async function findClaude() {
  const options = new Set(`${OPTIONS} ${MORE} ${LAST}`.split(" "));
  return { ok: { file: "/sim/bin/claude", version: "2.1.329", options } };
}

export function isAtLeast(): boolean {
  return true;
}

/** `src/notify/desktop.ts`. */
export async function showOnDesktop(): Promise<boolean> {
  return true;
}

/** `src/daemon/memory.ts`. */
export function giveBackMemory(): void {}

/** `src/store/editor-schemas.ts`. */
export async function writeEditorSchemas(): Promise<boolean> {
  return false;
}

/** `src/daemon/failpoint.ts`: each place is one to die at. */
export const FAILPOINTS = [];

export function failpoint(): void {
  world().pass();
}

/** `node:timers/promises`. */
function pause(ms = 0): Promise<void> {
  const { life } = world();
  return new Promise((resolve) => {
    world().clock.after(ms, () => {
      if (world().life === life && world().alive) resolve();
    });
  });
}

export { pause as setTimeout };

function breathe(): Promise<void> {
  return pause(0);
}

export { breathe as setImmediate };

/** `src/ledger/recommended-rules.ts`. */
export async function recommendedRules() {
  return () => [];
}

/** `node:crypto`. */
export { createHash, hash, scrypt, scryptSync } from "node:crypto";

export function randomBytes(size: number): Buffer {
  return Buffer.from(randomUUID().replaceAll("-", ""), "hex").subarray(0, size);
}

export function randomUUID(): string {
  return world().own.uuid();
}

/** `write-file-atomic`. */
export default async function writeFileAtomic(path: string, text: string): Promise<void> {
  await world().later(() => {
    world().passFailing(path);
    const { disk } = world();
    const temporary = `${path}.${randomUUID()}`;
    const entry = disk.create(temporary);
    disk.write(temporary, entry, Buffer.from(text));
    disk.sync(entry);
    disk.rename(temporary, path);
  });
}
