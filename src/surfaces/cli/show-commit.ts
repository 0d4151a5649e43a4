/** `cox show <commit>`: one commit of the ledger as a person reads it: what moved, and what changed in the task's file. */
import { git, type Repository } from "../../ledger/git.ts";
import { readLog, type LogEntry } from "../../ledger/log.ts";
import { whyUnreadable } from "../../ledger/unreadable.ts";
import { plain } from "../../model/plain.ts";
import { placeOf } from "../../store/paths.ts";
import { moment } from "../../views/waiting.ts";
import { done, refused, type Outcome, type Trouble } from "./command.ts";
import type { Context } from "./context.ts";
import { unreadable } from "./ledger-checks.ts";
import { commitIn } from "./ledger-commit.ts";
import { commitAt, findLedger } from "./ledger-place.ts";
import { isObject } from "./tasks-on-disk.ts";
import { oneLine, table } from "./text.ts";

export interface FieldChange {
  /** JSON pointer. */
  field: string;
  /** Undefined where there was, or is, none. */
  before?: unknown;
  after?: unknown;
}

interface FileChange {
  path: string;
  change: "added" | "changed" | "removed";
  /** Of task and session files. */
  fields?: FieldChange[];
}

/** Whether somebody may mean a commit by this: `3f2a91c0`, `cox/ledger~3`, never `impl-1`. */
export function looksLikeCommit(name: string): boolean {
  return /^[0-9a-f]{4,64}([~^][0-9~^]*)?$/.test(name) || /^(?:refs\/)?cox\/[\w./-]+([~^@][\w~^{}-]*)?$/.test(name);
}

export async function showCommit(name: string, context: Context): Promise<Outcome> {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return refused(found.trouble);
  const { repository, ref, tip } = found.ok;
  if (tip === null) {
    const why = await whyUnreadable(repository.commonDir, ref);
    if (why !== undefined) return refused(unreadable(ref, why));
    return refused(noCommit({ what: `Nothing is recorded in ${ref}.` }));
  }
  const named = await commitIn({ repository, ref, tip }, name);
  if ("trouble" in named) return refused(noCommit(named.trouble));
  const commit = named.ok;
  const [entry] = await readLog(repository.root, commit, { limit: 1 });
  if (!entry) return refused(noCommit({ what: `${name} cannot be read.` }));
  const files = await filesOf(repository, commit);
  const trailers = await trailersOf(repository, commit);
  return done(textOf(entry, { trailers, files }, context), { ...entry, trailers, files });
}

function noCommit(trouble: Pick<Trouble, "what" | "why">): Trouble {
  return { exit: 1, ...trouble, todo: "cox log lists the commits of the ledger, cox list the tasks." };
}

async function run({ commonDir }: Repository, args: string[]) {
  return git(args, { cwd: commonDir, gitDir: commonDir });
}

async function trailersOf(repository: Repository, commit: string): Promise<[string, string][]> {
  const args = ["log", "-1", "--format=%(trailers:only=true,unfold=true)", "--end-of-options", commit];
  const text = (await run(repository, args)).stdout.toString();
  return text.split("\n").flatMap((line): [string, string][] => {
    const colon = line.indexOf(": ");
    return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 2)]] : [];
  });
}

/** Against the first parent, as `git show` does for what is no merge. */
async function filesOf(repository: Repository, commit: string): Promise<FileChange[]> {
  const parent = await commitAt(repository, `${commit}^`);
  const args = parent
    ? ["diff-tree", "-r", "-z", "--no-renames", parent, commit]
    : ["diff-tree", "-r", "-z", "--root", "--no-commit-id", "--no-renames", commit];
  const fields = (await run(repository, args)).stdout.toString().split("\0");
  const changes: FileChange[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [, , before = "", after = "", kind] = (fields[i] ?? "").split(" ");
    const path = (fields[i + 1] ?? "").replace(/^\.workflow\//, "");
    const change = kind === "A" ? "added" : kind === "D" ? "removed" : "changed";
    const place = placeOf(path).kind;
    const isState = place === "task" || place === "session-file";
    const blob = async (id: string) =>
      /^0+$/.test(id) ? undefined : parsed((await run(repository, ["cat-file", "blob", id])).stdout.toString());
    changes.push(
      isState ? { path, change, fields: fieldChanges(await blob(before), await blob(after)) } : { path, change },
    );
  }
  return changes;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What differs, by field; lists and values as a whole. */
export function fieldChanges(before: unknown, after: unknown, field = ""): FieldChange[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (isObject(before) && isObject(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
      fieldChanges(before[key], after[key], `${field}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`),
    );
  }
  return [{ field, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
}

function textOf(
  entry: LogEntry,
  { trailers, files }: { trailers: [string, string][]; files: FileChange[] },
  { paint }: Context,
): string {
  const head = [
    `${paint("yellow", entry.commit.slice(0, 12))}  ${paint("bold", oneLine(plain(entry.subject)))}`,
    table(
      [
        ["when", moment(entry.at)],
        ["who", oneLine(entry.author)],
        ...trailers.map(([key, value]) => [key.replace(/^Cox-/, "").toLowerCase(), oneLine(value, 200)]),
      ].map(([key = "", value = ""]) => [paint("dim", key), value]),
      "  ",
    ),
  ];
  const blocks = files.map(({ path, change, fields }) => {
    const title = `${paint("bold", oneLine(path))}  ${paint("dim", change)}`;
    if (!fields || change !== "changed") return title;
    const lines = fields.map(({ field, before, after }) => {
      const name = field.slice(1).replaceAll("/", ".");
      return `  ${paint("dim", oneLine(name))}  ${paint("red", value(before))} → ${paint("green", value(after))}`;
    });
    return [title, ...lines].join("\n");
  });
  return [...head, ...blocks].join("\n\n");
}

function value(of: unknown): string {
  return of === undefined ? "–" : oneLine(plain(typeof of === "string" ? of : JSON.stringify(of)), 160);
}
