/** A ledger to measure and to hurt: entries as the daemon makes them, and what must hold of a repository afterwards. */
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ledger, type LedgerEntry, openLedger } from "../src/ledger/ledger.ts";
import { redactor } from "../src/ledger/redact.ts";
import type { Lab } from "./lab.ts";

export const REF = "refs/cox/ledger";
const SESSION = "WFS-bench";
const BEGIN = Date.parse("2026-11-21T09:30:00.000Z");
const WORDS =
  "add the user form to page check token before save when test fails retry with smaller set of rows and keep old".split(
    " ",
  );

/** Opened as the daemon does. */
export async function open(dir: string): Promise<Ledger> {
  const clean = redactor([]);
  const opened = await openLedger({
    repository: dir,
    ref: REF,
    durability: "full",
    redact: (text) => clean(text).text,
    packList: join(dir, ".git", "ledger-packs"),
  });
  if ("problem" in opened) throw new Error(`${opened.problem.code}: ${opened.problem.message}`);
  return opened.ok;
}

export const taskPath = (task: number) => `${SESSION}/.task/impl-${task}.json`;

/**
 * The nth transition, of one of so many tasks: two files, about 1.4 KB. What a task asks for stays as it is; its status,
 * its times and the note on its attempt change each time.
 */
export function transition(n: number, tasks = 1000): LedgerEntry {
  const task = (n % tasks) + 1;
  const at = new Date(BEGIN + n * 1000).toISOString();
  const say = chooser(task);
  const report = chooser(n + 1_000_000);
  const statuses = ["pending", "active", "completed"];
  const turn = Math.floor(n / tasks);
  const [from = "", to = ""] = [statuses[turn % 3], statuses[(turn + 1) % 3]];
  const text = {
    id: `impl-${task}`,
    title: say(8),
    status: to,
    type: "feature",
    agent: "code-developer",
    paths: `src/m${task % 100}/**`,
    context: {
      requirements: [say(12), say(15), say(9)],
      scope: [`src/m${task % 100}`],
      acceptance: [say(14), say(11)],
    },
    relations: { parent: null, subtasks: [], dependencies: task > 2 ? [`impl-${task - 2}`] : [] },
    execution: { attempts: turn + 1, last_attempt: at },
    implementation: { files: [], context_notes: { plan: say(25), last: report(15) }, analysis_source: "manual" },
  };
  const session = { session_id: SESSION, current_phase: "IMPLEMENT", current_tasks: [`impl-${task}`], updated_at: at };
  return {
    subject: `${SESSION} impl-${task}: ${from} -> ${to}`,
    trailers: [
      ["Cox-Session", SESSION],
      ["Cox-Task", `impl-${task}`],
      ["Cox-From", from],
      ["Cox-To", to],
      ["Cox-Attempt", String(turn + 1)],
      ["Cox-Actor", "daemon"],
    ],
    actor: "daemon",
    at,
    changes: [
      { path: taskPath(task), content: Buffer.from(`${JSON.stringify(text, null, 2)}\n`) },
      { path: `${SESSION}/workflow-session.json`, content: Buffer.from(`${JSON.stringify(session, null, 2)}\n`) },
    ],
  };
}

/** So many words, by chance but the same each time. */
function chooser(seed: number): (count: number) => string {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const next = () => (state = (state * 1664525 + 1013904223) >>> 0) >>> 16;
  return (count) =>
    Array.from({ length: count }, () => WORDS[next() % WORDS.length] ?? next().toString(36)).join(" ") +
    ` ${next().toString(36)}`;
}

/** Writes the files of an entry where the daemon has them. */
export function writeFiles(lab: Lab, entry: LedgerEntry): string[] {
  return entry.changes.map(({ path, content }) => {
    writeFileSync(join(lab.workspace, path), content ?? "");
    return join(".workflow", path);
  });
}

/** Records the transitions `first` to `first + count - 1`, so many at a time, each asked for by itself. */
export async function recordMany(
  ledger: Ledger,
  options: { first: number; count: number; together: number; tasks?: number },
): Promise<void> {
  for (let n = options.first; n < options.first + options.count; n += options.together) {
    const size = Math.min(options.together, options.first + options.count - n);
    await Promise.all(Array.from({ length: size }, (_, i) => ledger.record([transition(n + i, options.tasks)])));
  }
}

/** The ledger's commits after `since`, oldest first. */
export function commitsAfter(lab: Lab, since: string | null): string[] {
  if (lab.git("for-each-ref", REF) === "") return [];
  return lab
    .git("rev-list", "--reverse", REF, ...(since === null ? [] : [`^${since}`]))
    .split("\n")
    .filter(Boolean);
}

/** What is wrong with the repository in the eyes of git; empty when nothing is. */
export function fsck(lab: Lab): string {
  return lab.complaint("fsck", "--full", "--strict", "--no-dangling", "--no-progress");
}

/** What a start and an end should have cleared away and did not, besides what was there `already`; in one sentence. */
export function leftBehind(lab: Lab, already: readonly string[] = []): string[] {
  const left = heldFiles(lab).filter((path) => !already.includes(path));
  return left.length === 0 ? [] : [`${left.length} locks or .keep are left, such as ${left[0]}`];
}

/** Locks and `.keep` files anywhere in the git directory. */
export function heldFiles(lab: Lab): string[] {
  const all = readdirSync(join(lab.dir, ".git"), { recursive: true, encoding: "utf8" });
  return all.filter((path) => /\.(?:lock|keep)$/.test(path));
}

/** Files that were not finished. */
export function temporaryFiles(lab: Lab): string[] {
  const all = readdirSync(join(lab.dir, ".git", "objects"), { recursive: true, encoding: "utf8" });
  return all.filter((path) => /(?:^|\/)(?:tmp_|cox_)[^/]*$/.test(path));
}

/** As if these had been left an hour ago: who clears away waits until nobody can be at work on them. */
export function age(lab: Lab, paths: readonly string[]): void {
  const then = Date.now() / 1000 - 3600;
  for (const path of paths) utimesSync(join(lab.dir, ".git", "objects", path), then, then);
}
