/** What the world lends to a decision: time, chance, identity, and where HEAD is. */
import { randomUUID } from "node:crypto";
import { headBranch, headCommit } from "../ledger/head.ts";
import type { Lent } from "../machine/policy.ts";
import type { RunId } from "../model/ids.ts";
import { instant } from "../model/time.ts";
import { dayOf } from "./capacity.ts";
import type { Workspace } from "./workspace.ts";

/** Notes on the way that the repository has a commit, once it has. */
export function lentTo(workspace: Workspace, now: number): Lent {
  workspace.hasCommits ||= headCommit(workspace.gitDir) !== null;
  workspace.policy.hasCommits = workspace.hasCommits;
  const branch = headBranch(workspace.gitDir);
  return { now: instant(now), chance: Math.random, runId: () => randomUUID() as RunId, branch, day: dayOf(now) };
}
