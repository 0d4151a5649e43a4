/** `cox compare`: two sessions side by side: what they have done, what it cost, and how large it is. */
import { formatDuration, isInstant, toMs } from "../../model/time.ts";
import type { SessionId } from "../../model/ids.ts";
import { changedFiles, forkOf, type ChangedFile } from "../../worktree/difference.ts";
import { commitOf } from "../../worktree/git.ts";
import { headOf, sessionBranch } from "../../worktree/place.ts";
import { findCode, type CodePlace } from "./code-place.ts";
import { done, refused, type Command, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { spentIn, type Spent } from "./cost-facts.ts";
import { findSession } from "./naming.ts";
import { openRecords, type RecordedResponse } from "./recorded-responses.ts";
import { containers, readTasks } from "./tasks-on-disk.ts";
import { dollars, table } from "./text.ts";

type Here = Context & { workspace: Workspace };

const WHICH = { text: "WFS-topic, or just the topic", is: "session" } as const;

export const command: Command = {
  where: "workspace",
  description:
    "Puts two sessions side by side: tasks, attempts, cost, tokens, time, gates, and how much code they changed since their branches parted. For a session and its cox fork above all.",
  arguments: [
    { name: "one", ...WHICH },
    { name: "other", ...WHICH },
  ],
  example: "cox compare user-auth user-auth-002",
  run: async (input, context) => compare([input.text("one") ?? "", input.text("other") ?? ""], context),
};

interface Side {
  session: SessionId;
  tasks: number;
  completed: number;
  blocked: number;
  attempts: number;
  failures: number;
  cost_usd: number;
  tokens: number;
  turns: number;
  /** Of all agents together, and from the first start to the last end. */
  agents_ms: number;
  wall_ms: number | null;
  gates: { passed: number; failed: number };
  /** Null where it has no branch. */
  diff: { files: number; added: number; deleted: number } | null;
}

async function compare(names: readonly [string, string], context: Here): Promise<Outcome> {
  const { workspace } = context;
  const sessions: SessionId[] = [];
  for (const name of names) {
    const found = findSession(workspace, name);
    if ("trouble" in found) return refused(found.trouble);
    sessions.push(found.ok);
  }
  if (sessions[0] === sessions[1])
    return refused({ exit: 2, what: "That is one session twice.", todo: "Name two: cox session list." });
  const found = await findCode(context);
  if ("trouble" in found) return refused(found.trouble);
  const place = found.ok;
  const records = openRecords(place, workspace.folder);
  const { spent } = await spentIn(workspace.folder, records, { works: false });
  const responses = await records.responses(({ session }) => sessions.includes(session));
  await records.close();
  const tips = await Promise.all(sessions.map((session) => commitOf(place.ground, headOf(sessionBranch(session)))));
  const [one, other] = tips;
  const base = one && other ? await forkOf(place.ground, one, other) : null;
  const sides = await Promise.all(
    sessions.map(async (session, which) => {
      const tip = tips[which] ?? null;
      const files = tip === null || base === null ? null : await changedFiles(place.ground, { base, tip });
      return sideOf(session, { workspace, spent, responses, files });
    }),
  );
  const between = await differing(place, one ?? null, other ?? null);
  return done(textOf(sides, between, context), { sessions: sides, parted_at: base, differing: between });
}

/** Files that the two have otherwise. */
async function differing({ ground }: CodePlace, one: string | null, other: string | null): Promise<string[] | null> {
  if (one === null || other === null) return null;
  return (await changedFiles(ground, { base: one, tip: other })).map(({ path }) => path);
}

function sideOf(
  session: SessionId,
  of: {
    workspace: Workspace;
    spent: readonly Spent[];
    responses: readonly RecordedResponse[];
    files: readonly ChangedFile[] | null;
  },
): Side {
  const { tasks } = readTasks(of.workspace.folder, session);
  const folders = containers(tasks);
  const real = tasks.filter(({ id }) => !folders.has(id));
  const attempts = of.spent.filter((each) => each.session === session);
  // A fork has the responses of the session that it is from, and has not made them.
  const made = new Set(attempts.map(({ task, attempt }) => `${task}-a${attempt}`));
  const own = of.responses.filter((each) => each.session === session && made.has(`${each.task}-a${each.attempt}`));
  const gates = own.flatMap((each) => each.gates);
  const sum = (values: readonly (number | null)[]) => values.reduce<number>((all, value) => all + (value ?? 0), 0);
  const files = of.files;
  return {
    session,
    tasks: real.length,
    completed: real.filter(({ status }) => status === "completed").length,
    blocked: real.filter(({ status }) => status === "blocked").length,
    attempts: attempts.length,
    failures: own.filter(({ outcome }) => outcome === "failure").length,
    cost_usd: sum(attempts.map(({ cost_usd }) => Math.round((cost_usd ?? 0) * 1e6))) / 1e6,
    tokens: sum(attempts.map(({ tokens }) => tokens && sum(Object.values(tokens)))),
    turns: sum(attempts.map(({ turns }) => turns)),
    agents_ms: sum(attempts.map(({ duration_ms }) => duration_ms)),
    wall_ms: wallOf(attempts),
    gates: {
      passed: gates.filter(({ passed }) => passed).length,
      failed: gates.filter(({ passed }) => !passed).length,
    },
    diff: files && {
      files: files.length,
      added: sum(files.map(({ added }) => added)),
      deleted: sum(files.map(({ deleted }) => deleted)),
    },
  };
}

function wallOf(attempts: readonly Spent[]): number | null {
  const ends = attempts.flatMap(({ at, duration_ms }) =>
    at !== null && isInstant(at) ? [{ end: toMs(at), begin: toMs(at) - (duration_ms ?? 0) }] : [],
  );
  if (ends.length === 0) return null;
  return Math.max(...ends.map(({ end }) => end)) - Math.min(...ends.map(({ begin }) => begin));
}

function textOf(sides: readonly Side[], between: readonly string[] | null, { paint }: Context): string {
  const row = (name: string, cell: (side: Side) => string) => [paint("dim", name), ...sides.map(cell)];
  const lines = table([
    row("", ({ session }) => paint("bold", session)),
    row("tasks completed", ({ completed, tasks }) => `${completed} of ${tasks}`),
    row("blocked", ({ blocked }) => String(blocked)),
    row("attempts", ({ attempts, failures }) => `${attempts}${failures > 0 ? `, ${failures} failed` : ""}`),
    row("cost", ({ cost_usd }) => dollars(cost_usd)),
    row("tokens", ({ tokens }) => tokens.toLocaleString("en-US")),
    row("turns", ({ turns }) => String(turns)),
    row("time of agents", ({ agents_ms }) => formatDuration(agents_ms)),
    row("from first to last", ({ wall_ms }) => (wall_ms === null ? "–" : formatDuration(wall_ms))),
    row("gates passed", ({ gates }) => `${gates.passed} of ${gates.passed + gates.failed}`),
    row("code", ({ diff }) => (diff === null ? "–" : `${diff.files} files, +${diff.added} -${diff.deleted}`)),
  ]);
  if (between === null) return lines;
  const same = between.length === 0;
  const note = same
    ? "The code of both is the same."
    : `${between.length} files differ between the two: git diff ${sides.map(({ session }) => sessionBranch(session)).join(" ")}`;
  return `${lines}\n${paint("dim", note)}`;
}
