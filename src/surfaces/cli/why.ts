/** `cox why`: which attempt wrote a line, and what is known of it. */
import { closeSync, lstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { git } from "../../ledger/git.ts";
import { formatDuration, instant } from "../../model/time.ts";
import { gitList } from "../../worktree/git.ts";
import { explain, explainWhole, type Explained } from "../../worktree/provenance.ts";
import { nameOf, type Maker } from "../../worktree/trailers.ts";
import { moment } from "../../views/waiting.ts";
import { factsOf, type AttemptFacts } from "./attempt-facts.ts";
import { findCode, pathIn, type CodePlace } from "./code-place.ts";
import { done, refused, type Command, type Outcome, type Trouble } from "./command.ts";
import type { Context } from "./context.ts";
import { openRecords, recordedWorks } from "./recorded-responses.ts";
import { dollars, oneLine } from "./text.ts";

export const command: Command = {
  where: "anywhere",
  description:
    "Tells of each line of a file which task and attempt wrote it: role, model, prompt, turns, cost, acceptance, reviewer. Works after a squash or a rebase, and in a clone that has only the branches: then with what the commits themselves say.",
  arguments: [{ name: "file", text: "a file, with :line or :line-line for a part of it", is: "file" }],
  example: "cox why src/queue.ts:40-52",
  run: async (input, context) => why(input.text("file") ?? "", context),
};

/** Lines next to each other that are from the same commit and attempt. */
interface Range {
  from: number;
  to: number;
  /** Null: not committed yet. */
  commit: string | null;
  author: string | null;
  at: string | null;
  subject: string | null;
  /** The attempt; null where none made it, or it is not known which. */
  by: string | null;
  how: Explained["how"];
  /** It is one of these. */
  candidates?: string[];
  /** It is from that commit or from before: the clone is shallow. */
  cut?: true;
}

async function why(written: string, context: Context): Promise<Outcome> {
  const found = await findCode(context);
  if ("trouble" in found) return refused(found.trouble);
  const place = found.ok;
  const { ground } = place;
  const head = place.repository.head.commit;
  if (head === null) return refused({ exit: 4, what: "There is no commit yet.", todo: "Commit something first." });
  const named = await asked(place, context.dir, written);
  if ("trouble" in named) return refused(named.trouble);
  const { path, lines, kind } = named.ok;

  const records = openRecords(place, context.workspace?.folder ?? null);
  try {
    let known: ReturnType<typeof recordedWorks> | undefined;
    const works = () => (known ??= recordedWorks(records));
    const asCommitted = kind === "committed" ? { at: head } : {};
    let explained: Explained[];
    if (kind === "binary") {
      const whole = await explainWhole({ ground, path, works });
      explained = whole ? [whole] : [];
    } else {
      const answer = await explain({ ground, path, works, ...(lines ? { lines } : {}), ...asCommitted });
      if ("refused" in answer) return refused(noLines(path, answer.refused));
      explained = answer.ok;
    }
    const ranges = rangesOf(explained);
    const makers = new Map<string, Maker>();
    for (const { maker, candidates } of explained)
      for (const each of maker ? [maker] : candidates) makers.set(nameOf(each), each);
    const attempts: (AttemptFacts & { lines: number })[] = [];
    for (const [name, maker] of makers) {
      const count = explained.filter((each) => each.maker && nameOf(each.maker) === name).length;
      attempts.push({ ...(await factsOf(maker, place, records)), lines: count });
    }
    const more = place.tip === null && makers.size > 0 ? await fetchHint(place) : null;
    const json = { file: path, head, binary: kind === "binary", ledger: place.tip, ranges, attempts, hint: more };
    const text = textOf({ path, binary: kind === "binary", ranges, attempts, more }, context);
    return done(text, json);
  } finally {
    await records.close();
  }
}

function noLines(path: string, said: string): Trouble {
  const many = /has only (\d+) lines?/.exec(said)?.[1];
  if (many !== undefined) return { exit: 1, what: `${oneLine(path)} has only ${many} line${many === "1" ? "" : "s"}.` };
  if (/no such path/.test(said)) {
    const todo = "Commit it; or see git status.";
    return { exit: 1, what: `${oneLine(path)} is not in the last commit.`, todo };
  }
  throw new Error(`git blame failed: ${said}`);
}

type Asked = { path: string; lines?: readonly [number, number]; kind: "text" | "binary" | "committed" };

/** `src/a.ts:3-9`; a file that is called so comes first. */
async function asked(
  { repository, ground }: CodePlace,
  dir: string,
  written: string,
): Promise<{ ok: Asked } | { trouble: Trouble }> {
  const [, name, from, to] = /^(.+):(\d{1,9})(?:[-,](\d{1,9}))?$/s.exec(written) ?? [];
  const names = [written, ...(name === undefined ? [] : [name])];
  const paths = names.map((each) => (repository.bare ? each : pathIn(repository, dir, each)));
  const inside = paths.filter((each) => each !== undefined);
  const listed = inside.length === 0 ? [] : await gitList(ground, ["ls-tree", "-z", "HEAD", "--", ...inside]);
  const entries = new Map(listed.map((entry) => [entry.slice(entry.indexOf("\t") + 1), entry.split(/[ \t]/, 3)]));
  const place = paths.findIndex((each) => each !== undefined && entries.has(each));
  const [shown = written, path] = place === -1 ? [names.at(-1), paths.at(-1)] : [names[place], paths[place]];
  const file = fileAs(repository.bare ? null : repository.root, { shown, path, entry: entries.get(path ?? "") });
  if ("trouble" in file || shown === written || from === undefined) return file;
  const lines = [Number(from), Number(to ?? from)] as const;
  if (lines[0] < 1 || lines[1] < lines[0]) {
    const what = `${JSON.stringify(written.slice(shown.length + 1))} names no lines.`;
    return { trouble: { exit: 2, what, todo: "Lines count from 1: cox why src/a.ts:3-9" } };
  }
  return { ok: { ...file.ok, lines } };
}

/** `entry`: mode, type and id at the last commit. */
function fileAs(
  root: string | null,
  { shown, path, entry }: { shown: string; path: string | undefined; entry: string[] | undefined },
): { ok: Asked } | { trouble: Trouble } {
  const name = JSON.stringify(shown);
  if (path === undefined)
    return { trouble: { exit: 2, what: `${name} is not a file of this repository.`, todo: "Name a file in it." } };
  const [mode, type] = entry ?? [];
  const stat = root === null ? undefined : lstatSync(join(root, path), { throwIfNoEntry: false });
  if (type === "commit") {
    const todo = `Ask there: cox -C ${shown} why <file>`;
    return { trouble: { exit: 1, what: `${name} is a submodule.`, todo } };
  }
  if (type === "tree") return { trouble: { exit: 2, what: `${name} is a folder.`, todo: "Name a file in it." } };
  if (type !== "blob") {
    const what = stat ? `${name} is not in the last commit.` : `There is no file ${name}, nor in the last commit.`;
    const todo = stat ? "What is not committed is nobody's yet." : "git ls-files lists the files.";
    return { trouble: { exit: 1, what, todo } };
  }
  const isLink = mode === "120000";
  if (!(isLink ? stat?.isSymbolicLink() : stat?.isFile())) return { ok: { path, kind: "committed" } };
  return { ok: { path, kind: !isLink && isBinary(join(root ?? "", path)) ? "binary" : "text" } };
}

const LOOK_BYTES = 8000;

/** As git tells it: a zero byte near the start. */
function isBinary(file: string): boolean {
  const fd = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(LOOK_BYTES);
    return buffer.subarray(0, readSync(fd, buffer, 0, LOOK_BYTES, 0)).includes(0);
  } finally {
    closeSync(fd);
  }
}

function rangesOf(explained: readonly Explained[]): Range[] {
  const ranges: Range[] = [];
  for (const { line, commit, maker, how, candidates, cut } of explained) {
    const by = maker && nameOf(maker);
    const last = ranges.at(-1);
    const names = candidates.map(nameOf);
    const same = last?.to === line - 1 && last.commit === (commit?.id ?? null) && last.by === by;
    if (same && String(last.candidates ?? []) === String(names)) {
      last.to = line;
      continue;
    }
    ranges.push({
      from: line,
      to: line,
      commit: commit?.id ?? null,
      author: commit?.author ?? null,
      at: commit ? instant(commit.authored * 1000) : null,
      subject: commit?.subject ?? null,
      by,
      how,
      ...(names.length > 0 ? { candidates: names } : {}),
      ...(cut ? { cut } : {}),
    });
  }
  return ranges;
}

/** How the rest is got to know in a clone. */
async function fetchHint({ repository, ref }: CodePlace): Promise<string | null> {
  const { commonDir } = repository;
  const listed = await git(["remote"], { cwd: commonDir, gitDir: commonDir });
  const remotes = listed.stdout.toString().split("\n").filter(Boolean);
  const remote = remotes.includes("origin") ? "origin" : remotes[0];
  return remote === undefined ? null : `git fetch ${remote} ${ref}:${ref}`;
}

function textOf(
  {
    path,
    binary,
    ranges,
    attempts,
    more,
  }: { path: string; binary: boolean; ranges: Range[]; attempts: AttemptFacts[]; more: string | null },
  { paint }: Context,
): string {
  if (ranges.length === 0) return `${oneLine(path)} is empty.`;
  const byOrigin = Map.groupBy(
    ranges,
    ({ by, commit, candidates }) => by ?? `${commit} ${candidates?.join(" ") ?? ""}`,
  );
  const blocks = [...byOrigin.values()].map((group) => {
    const [first] = group as [Range, ...Range[]];
    const lines = binary ? "whole (binary)" : linesText(group);
    const commits = [...new Set(group.map(({ commit }) => commit))];
    const from = commits.length > 1 ? `${commits.length} commits` : first.commit?.slice(0, 8);
    const facts = attempts.find(({ name }) => name === first.by);
    const head = facts ? paint("bold", facts.name) : "";
    const title = facts?.title ? oneLine(facts.title, 120) : "";
    if (facts) {
      const seen = `${paint("yellow", from ?? "")}${first.how === "trailers" ? "" : `, ${HOW[first.how ?? "line"]}`}`;
      return [`${lines}  ${head}  ${title}`.trimEnd(), ...detail(facts, seen, paint)].join("\n");
    }
    if (first.commit === null) return `${lines}  ${paint("dim", "not committed yet")}`;
    const person = `${oneLine(first.author ?? "", 60)}, ${moment(first.at ?? "")}: ${oneLine(first.subject ?? "", 120)}`;
    if (first.cut) return `${lines}  ${paint("dim", "older than what this clone has: git fetch --unshallow")}`;
    const is = first.candidates ? `one of ${first.candidates.join(", ")}` : "no task that is known here";
    return `${lines}  ${paint("dim", is)}\n    ${paint("yellow", from ?? "")} ${person}`;
  });
  const hint = more === null ? [] : [paint("dim", `Prompts, turns and acceptance are in the ledger: ${more}`)];
  return [paint("bold", oneLine(path)), ...blocks, ...hint].join("\n\n");
}

const HOW: Record<NonNullable<Range["how"]>, string> = {
  trailers: "which says so itself",
  squash: "told by what it squashed",
  merge: "told by the merge that brought it",
  commit: "told by the record of the attempt's commits",
  patch: "told by its patch, in the record of the attempt",
  content: "told by the content that the attempt left",
  line: "told by the lines that the attempt added",
};

function detail(facts: AttemptFacts, commit: string, paint: Context["paint"]): string[] {
  const numbers = [
    facts.role && `role ${oneLine(facts.role, 60)}`,
    facts.model && `model ${oneLine(facts.model, 60)}`,
    facts.turns === null ? null : `${facts.turns} turn${facts.turns === 1 ? "" : "s"}`,
    facts.cost_usd === null ? null : dollars(facts.cost_usd),
    facts.duration_ms === null ? null : formatDuration(facts.duration_ms),
    facts.outcome === "failure" ? "the attempt failed" : null,
  ].filter(Boolean);
  const reviewers = facts.reviewers.map((each) =>
    "person" in each ? `approved by ${oneLine(each.person, 60)}` : `${each.task} (${oneLine(each.role, 60)})`,
  );
  const rows: [string, string][] = [
    ["commit", commit],
    ["by", numbers.join(" · ")],
    ["prompt", facts.prompt ?? ""],
    ...facts.acceptance.map((each, place): [string, string] => [place === 0 ? "accepted if" : "", oneLine(each, 300)]),
    ["review", reviewers.join(", ")],
  ];
  return rows
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `    ${paint("dim", key.padEnd(11))}  ${value}`);
}

const MOST_RANGES = 12;

function linesText(ranges: readonly Range[]): string {
  const parts = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
  const shown = parts.slice(0, MOST_RANGES).join(", ");
  const more = parts.length > MOST_RANGES ? ` and ${parts.length - MOST_RANGES} more places` : "";
  return `${parts.length === 1 && ranges[0]?.from === ranges[0]?.to ? "line" : "lines"} ${shown}${more}`;
}
