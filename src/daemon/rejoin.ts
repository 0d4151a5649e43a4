/**
 * When somebody else moved the ledger's ref: a fetch, a second machine, a hand. Nothing is ever taken away from it. SPEC
 * section 7. A ref that was deleted or set back gets our history again; a history that is not ours is joined with ours
 * by a commit that has both as parents and our files as its tree, because the files on disk are the truth.
 */
import { git } from "../ledger/git.ts";
import type { LedgerMoved } from "../ledger/ledger.ts";
import type { Workspace } from "./workspace.ts";

/** What was done, in a sentence; or why it cannot be done. Afterwards the workspace's ledger is open at its new tip. */
export async function rejoin(workspace: Workspace, moved: LedgerMoved): Promise<{ ok: string } | { problem: string }> {
  await workspace.ledger.close();
  const joined = await join(workspace, moved.expected);
  if ("problem" in joined) return joined;
  const opened = await workspace.openLedger();
  if ("problem" in opened) return { problem: `${opened.problem.message} ${opened.problem.hint}` };
  workspace.ledger = opened.ok;
  return joined;
}

async function join(workspace: Workspace, ours: string | null): Promise<{ ok: string } | { problem: string }> {
  const { ledgerRef: ref, repository: cwd } = workspace;
  const config = ["user.name=Coxswain", "user.email=coxswain@localhost"];
  const run = async (args: string[], input?: string) => {
    const { code, stdout, stderr } = await git(args, { cwd, config, ...(input === undefined ? {} : { input }) });
    return { ok: code === 0, text: stdout.toString().trim(), stderr };
  };
  const commit = async (name: string) =>
    (await run(["rev-parse", "--quiet", "--verify", `${name}^{commit}`])).text || null;
  const theirs = await commit(ref);
  const told = theirs === null ? "was deleted" : `was moved to ${theirs.slice(0, 12)} by another writer`;
  if (ours === null || theirs === ours) return { ok: `${ref} ${told}: going on from there` };
  if ((await commit(ours)) === null) {
    return {
      problem: `${ref} ${told}, and our commit ${ours.slice(0, 12)} is no longer in the repository. Fetch it, or stop the daemon and start it again to begin at what is there.`,
    };
  }
  const update = async (to: string, from: string) => {
    const done = await run(["update-ref", ref, to, from]);
    return done.ok ? undefined : { problem: `${ref} ${told}, and cannot be set: ${done.stderr}` };
  };
  if (theirs === null)
    return (await update(ours, "0".repeat(ours.length))) ?? { ok: `${ref} ${told}: put back to ${ours.slice(0, 12)}` };
  if ((await run(["merge-base", "--is-ancestor", theirs, ours])).ok) {
    return (
      (await update(ours, theirs)) ?? {
        ok: `${ref} ${told}, which we had recorded already: put back to ${ours.slice(0, 12)}`,
      }
    );
  }
  const message = `workspace: joined what another writer had recorded\n\nCox-Actor: daemon\n`;
  const merged = await run(["commit-tree", `${ours}^{tree}`, "-p", ours, "-p", theirs], message);
  if (!merged.ok) return { problem: `${ref} ${told}, and cannot be joined: ${merged.stderr}` };
  const hint = `What is only there is not on disk: git diff ${ours.slice(0, 12)} ${theirs.slice(0, 12)}`;
  return (await update(merged.text, theirs)) ?? { ok: `${ref} ${told}: joined with ours. ${hint}` };
}
