/** `cox sync`: this machine's ledger and a remote's become one. The merge itself is the daemon's work, up or not. */
import { setTimeout as sleep } from "node:timers/promises";
import { git } from "../../ledger/git.ts";
import { fetchLedger, lookAt, pushLedger, remoteLedger, remotesOf, type Remote } from "../../ledger/remote.ts";
import { done, refused, type Command, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { commitAt, findLedger, type LedgerPlace } from "./ledger-place.ts";
import type { Merged } from "../../store/sync-requests.ts";
import { askToMerge } from "./sync-request.ts";
import { textOf } from "./sync-text.ts";

type Here = Context & { workspace: Workspace };

/** Somebody else may push at the same time, again and again. */
const MOST_ROUNDS = 6;
const PAUSE_MS = 150;

export const command: Command = {
  where: "workspace",
  arguments: [{ name: "remote", text: "a remote of this repository; else origin, or the only one", optional: true }],
  options: [
    {
      name: "trust",
      text: "sessions that are active here stay so: what arrives may start at once",
    },
  ],
  example: "cox sync origin",
  description:
    "Fetches the ledger of a remote, merges it with this machine's task by task, and pushes the result. The later transition\nof a task counts; where both sides changed the same field, the task is blocked (conflict) and both versions are named.\nNothing that arrives starts by itself: new sessions are paused, and an active one pauses if work for it arrives. Settings\nand roles are never taken over. Works with the daemon up or not.",
  run,
};

async function run(
  input: { text(name: string): string | undefined; flag(name: string): boolean },
  context: Here,
): Promise<Outcome> {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return refused(found.trouble);
  const { repository, ref } = found.ok;
  const chosen = await remoteFor(repository.root, input.text("remote"));
  if ("trouble" in chosen) return refused(chosen.trouble);
  const remote = remoteLedger(chosen.ok, ref);
  const total: Total = { remote: remote.name, ref, rounds: 0, fetched: null, tip: null, pushed: false, merges: [] };
  for (let said = ""; total.rounds < MOST_ROUNDS; await sleep(PAUSE_MS * total.rounds * (0.5 + Math.random()))) {
    total.rounds++;
    const round = await once(context, { place: found.ok, remote, trust: input.flag("trust"), total });
    if ("trouble" in round) return refused(round.trouble);
    if (round.ok) return done(textOf(total, context.paint), jsonOf(total));
    said = round.said;
    if (total.rounds === MOST_ROUNDS) return refused(lost(remote, said));
    context.tell(`${remote.name} was pushed to meanwhile: once more\n`);
  }
  return refused(lost(remote, ""));
}

export interface Total {
  remote: string;
  ref: string;
  rounds: number;
  /** The remote's newest commit, when it was last fetched. */
  fetched: string | null;
  tip: string | null;
  pushed: boolean;
  merges: Merged[];
}

/** Fetch, merge, push; `ok: false` where somebody else has pushed in between. */
async function once(
  context: Here,
  of: { place: LedgerPlace; remote: Remote; trust: boolean; total: Total },
): Promise<{ ok: true } | { ok: false; said: string } | { trouble: Trouble }> {
  const { place, remote, trust, total } = of;
  const { repository, ref } = place;
  const cwd = repository.root;
  const there = await lookAt(cwd, remote);
  if ("problem" in there) return { trouble: unreachable(remote, there.problem) };
  let expected = there.ok;
  if (expected !== null) {
    const problem = await fetchLedger(cwd, remote);
    if (problem !== undefined) return { trouble: unreachable(remote, problem) };
    expected = await commitAt(repository, remote.tracking);
  }
  total.fetched = expected;
  const merged = await askToMerge(context, { commit: expected, from: remote.name, trust });
  if ("trouble" in merged) return merged;
  if (merged.ok) total.merges.push(merged.ok);
  const tip = await commitAt(repository, ref);
  total.tip = tip;
  if (tip === null || tip === expected) return { ok: true };
  const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
  if (expected !== null && (await git(["merge-base", "--is-ancestor", tip, expected], own)).code === 0)
    return { ok: true };
  const problem = await pushLedger(cwd, remote, { commit: tip, expected });
  if (problem === undefined) {
    await git(["update-ref", remote.tracking, tip], own);
    total.pushed = true;
    return { ok: true };
  }
  const now = await lookAt(cwd, remote);
  if ("ok" in now && now.ok !== expected) return { ok: false, said: problem };
  return {
    trouble: {
      exit: 1,
      what: `The ledger could not be pushed to ${remote.name}.`,
      why: problem,
      todo: `What was fetched is merged here. See that you may push ${ref} there, then cox sync again.`,
      facts: jsonOf(total),
    },
  };
}

async function remoteFor(cwd: string, wanted: string | undefined): Promise<{ ok: string } | { trouble: Trouble }> {
  const names = await remotesOf(cwd);
  const listed = names.length === 0 ? "It has none." : `It has ${names.join(", ")}.`;
  const add = "git remote add origin <url>, then again.";
  if (wanted !== undefined) {
    if (names.includes(wanted)) return { ok: wanted };
    return { trouble: { exit: 2, what: `${wanted} is no remote of this repository.`, why: listed, todo: add } };
  }
  const [first] = names;
  if (names.includes("origin")) return { ok: "origin" };
  if (first === undefined)
    return { trouble: { exit: 4, what: "This repository has no remote to sync with.", todo: add } };
  if (names.length === 1) return { ok: first };
  return { trouble: { exit: 2, what: "Which remote?", why: listed, todo: `cox sync ${first}` } };
}

function unreachable(remote: Remote, why: string): Trouble {
  return {
    exit: 1,
    what: `The ledger of ${remote.name} could not be fetched.`,
    why,
    todo: `Try it by git alone: git ls-remote ${remote.name} ${remote.ref}`,
  };
}

function lost(remote: Remote, why: string): Trouble {
  return {
    exit: 1,
    what: `Others pushed to ${remote.name} faster, ${MOST_ROUNDS} times.`,
    why,
    todo: "What was fetched is merged here. cox sync again.",
  };
}

/** What all rounds brought, together. */
function jsonOf({ merges, ...total }: Total): Record<string, unknown> {
  const all = <K extends keyof Merged>(key: K) => merges.flatMap((merge) => merge[key] as unknown[]);
  return {
    ...total,
    arrived: all("arrived"),
    changed: all("changed"),
    gone: all("gone"),
    conflicts: all("conflicts"),
    renumbered: all("renumbered"),
    sessions: all("sessions"),
    paused: all("paused"),
    beside: all("beside"),
    kept: all("kept"),
    refused: all("refused"),
  };
}
