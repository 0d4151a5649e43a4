/** Repositories to record in: each in a folder of its own, with git's configuration pinned, removed after the test. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ledger, type LedgerEntry, type LedgerOptions, openLedger } from "../../src/ledger/ledger.ts";
import { redactor } from "../../src/ledger/redact.ts";

export const REF = "refs/cox/ledger";
const clean = redactor([]);

export function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "cox-ledger-"));
  t.after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

/** Runs git and returns what it printed, without the last line break; throws when it fails. */
export function sh(dir: string, ...args: string[]): string {
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
  };
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: dir, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
  return stdout.replace(/\n$/, "");
}

/** A repository with a user; without a commit. */
export function repository(t: TestContext, ...initArgs: string[]): string {
  const dir = folder(t);
  sh(dir, "init", "-q", "-b", "main", ...initArgs);
  sh(dir, "config", "user.name", "Ada Lovelace");
  sh(dir, "config", "user.email", "ada@example.com");
  return dir;
}

export async function open(t: TestContext, dir: string, more: Partial<LedgerOptions> = {}): Promise<Ledger> {
  const redact = (text: string) => clean(text).text;
  const opened = await openLedger({ repository: dir, ref: REF, durability: "full", redact, ...more });
  if ("problem" in opened) throw new Error(JSON.stringify(opened.problem));
  t.after(() => opened.ok.close());
  return opened.ok;
}

export const SESSION = "WFS-user-auth";

export function taskPath(n: number): string {
  return `${SESSION}/.task/impl-${n}.json`;
}

/** A task becoming active, two files. */
export function moved(n: number, more: Partial<LedgerEntry> = {}): LedgerEntry {
  const task = JSON.stringify(
    { id: `impl-${n}`, title: `Task ${n}`, status: "active", notes: "x".repeat(1300) },
    null,
    2,
  );
  return {
    subject: `${SESSION} impl-${n}: pending -> active`,
    trailers: [
      ["Cox-Session", SESSION],
      ["Cox-Task", `impl-${n}`],
      ["Cox-From", "pending"],
      ["Cox-To", "active"],
      ["Cox-Attempt", "1"],
      ["Cox-Actor", "daemon"],
    ],
    actor: "daemon",
    at: "2026-11-21T09:30:00.000Z",
    changes: [
      { path: taskPath(n), content: Buffer.from(task) },
      {
        path: `${SESSION}/workflow-session.json`,
        content: Buffer.from(JSON.stringify({ session_id: SESSION, current: n })),
      },
    ],
    ...more,
  };
}

export function commits(dir: string): string[] {
  return sh(dir, "log", "--format=%s", "--reverse", REF).split("\n");
}

/** Waits for a condition, at most ten seconds. */
export async function until<T>(what: string, condition: () => T | undefined | false): Promise<T> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(5)) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
  }
  throw new Error(`waited in vain: ${what}`);
}
