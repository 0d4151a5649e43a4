/** What `cox land` would do, and what keeps it from it. Nothing is changed here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isSessionId, type SessionId } from "../../model/ids.ts";
import { at as paths } from "../../store/paths.ts";
import { commitOf, git, gitList } from "../../worktree/git.ts";
import { forkOf } from "../../worktree/difference.ts";
import {
  heldAt,
  inTheWay,
  joinOf,
  landedTasks,
  landingMessage,
  underWay,
  type Landed,
} from "../../worktree/landing.ts";
import { headOf, sessionBranch } from "../../worktree/place.ts";
import type { Way } from "../../worktree/own-hand.ts";
import type { CodePlace } from "./code-place.ts";
import type { Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { currentSession, findSession } from "./naming.ts";
import { readObject } from "./running.ts";
import { settingsOf } from "./settings.ts";
import { readTasks } from "./tasks-on-disk.ts";
import { oneLine } from "./text.ts";
import { mayObey } from "./trusted.ts";

export interface LandWish {
  session: string | undefined;
  into: string | undefined;
  way: Way;
  partial: boolean;
}

export interface LandPlan {
  session: SessionId;
  /** The session's branch. */
  branch: string;
  /** The branch it is landed in, and whether it is checked out here. */
  into: string;
  here: boolean;
  way: Way;
  /** Commit of the target as it stands, and what is landed. */
  target: string;
  tip: string;
  /** The target has it all. */
  already: boolean;
  /** What the target's tree is then; null where it cannot be. */
  tree: string | null;
  files: string[];
  conflicts: string[];
  in_the_way: string[];
  tasks: Landed[];
  message: string;
  /** Tasks at work, those with work that is not merged, those still to be done. */
  running: string[];
  unmerged: string[];
  open: string[];
  setup: string[];
  gates: string[];
  /** The reason against it, the first there is. */
  against: Trouble | null;
}

type Here = Context & { workspace: Workspace };

export async function planLanding(
  wish: LandWish,
  place: CodePlace,
  context: Here,
): Promise<{ ok: LandPlan } | { trouble: Trouble }> {
  const { workspace } = context;
  const { repository, ground } = place;
  const chosen = await sessionOf(wish.session, place, workspace);
  if ("trouble" in chosen) return chosen;
  const session = chosen.ok;
  const branch = sessionBranch(session);
  const tip = await commitOf(ground, headOf(branch));
  if (tip === null) {
    const why = `There is no ${branch}: none of its tasks has worked in a worktree yet.`;
    const todo = `Look at it: cox list --session ${session}`;
    return { trouble: { exit: 4, what: `${session} has nothing to land.`, why, todo } };
  }
  const targeted = await targetOf(wish.into, place);
  if ("trouble" in targeted) return targeted;
  const { into, here, target } = targeted.ok;
  const fork = await forkOf(ground, target, tip);
  const joined = fork === tip ? { tree: await treeOf(target), files: [] } : await joinOf(ground, { target, tip });
  const work = await workOf({ session, tip }, place, workspace);
  const tasks = fork === tip ? [] : await landedTasks(ground, { target, tip }, session);
  const file = readObject(join(workspace.folder, paths.sessionFile(session)));
  const project = typeof file["project"] === "string" ? oneLine(file["project"], 100) : session;
  const { verify, worktree } = settingsOf(workspace, context.environment).config;
  const gates = [...new Set([...verify, ...(isObeyed(workspace, session) ? texts(file["verify"]) : [])])];
  const tree = "tree" in joined ? joined.tree : null;
  const files = "tree" in joined ? joined.files : [];
  const already = tree !== null && files.length === 0;
  const user = { ...ground, workTree: repository.root };
  const plan: LandPlan = {
    session,
    branch,
    into,
    here,
    way: wish.way,
    target,
    tip,
    already,
    tree,
    files,
    conflicts: "conflicts" in joined ? joined.conflicts : [],
    in_the_way:
      here && tree !== null && !already ? await inTheWay(user, { target, tree, files, ff: wish.way === "ff" }) : [],
    tasks: tasks.map(({ maker, title }) => ({ maker, title: title || (work.titles.get(maker.task) ?? "") })),
    message: "",
    ...work,
    setup: worktree.setup,
    gates,
    against: null,
  };
  plan.message = landingMessage({ session, project, tasks: plan.tasks, squash: wish.way === "squash", tip });
  if (!already)
    plan.against = against(plan, { wish, fork, refused: "refused" in joined ? joined.refused : null, place });
  return { ok: plan };

  async function treeOf(commit: string): Promise<string> {
    return git(ground, ["rev-parse", `${commit}^{tree}`]);
  }
}

/** Also of a session that has left the disk: its branch stays. */
async function sessionOf(
  named: string | undefined,
  { ground }: CodePlace,
  workspace: Workspace,
): Promise<{ ok: SessionId } | { trouble: Trouble }> {
  const chosen = named === undefined ? currentSession(workspace) : findSession(workspace, named);
  if ("ok" in chosen || named === undefined) return chosen;
  for (const id of [named, `WFS-${named}`])
    if (isSessionId(id) && (await commitOf(ground, headOf(sessionBranch(id))))) return { ok: id };
  return chosen;
}

async function targetOf(
  into: string | undefined,
  { repository, ground }: CodePlace,
): Promise<{ ok: { into: string; here: boolean; target: string } } | { trouble: Trouble }> {
  const { head } = repository;
  if (into === undefined || into === head.branch) {
    if (head.branch === null) {
      const todo = "Switch to a branch, or name one: cox land --into <branch>.";
      return { trouble: { exit: 4, what: "HEAD is detached: there is no current branch to land in.", todo } };
    }
    if (head.commit === null) {
      const what = `The branch ${head.branch} has no commit yet.`;
      return { trouble: { exit: 4, what, todo: "Commit something first, or name another branch with --into." } };
    }
    return { ok: { into: head.branch, here: true, target: head.commit } };
  }
  const target = await commitOf(ground, `refs/heads/${into}`);
  if (target === null || into.startsWith("cox/WFS-")) {
    const what = target ? `${into} is a branch of Coxswain's own.` : `There is no branch ${JSON.stringify(into)}.`;
    return { trouble: { exit: 2, what, todo: "git branch lists them." } };
  }
  const held = await heldAt(ground, repository.commonDir, `refs/heads/${into}`);
  if (held !== null) {
    const what = `${into} is checked out at ${held}.`;
    const why = "It is not moved under anybody's feet.";
    return { trouble: { exit: 4, what, why, todo: `Land it there: cox -C ${held} land` } };
  }
  return { ok: { into, here: false, target } };
}

async function workOf(
  { session, tip }: { session: SessionId; tip: string },
  { ground }: CodePlace,
  workspace: Workspace,
) {
  const { tasks } = readTasks(workspace.folder, session);
  const named = (status: string) => tasks.filter((task) => task.status === status).map(({ id }) => id);
  const start = `refs/heads/cox/${session}/`;
  const listed = await gitList(ground, ["for-each-ref", "--format=%(refname)%00", `--no-merged=${tip}`, start]);
  const unmerged = listed
    .map((ref) => ref.trim().slice(start.length))
    .filter((name) => name !== "" && name !== "session");
  const titles = new Map(tasks.map(({ id, title }) => [id, title]));
  return { running: named("active"), unmerged, open: [...named("pending"), ...named("blocked")], titles };
}

function against(
  plan: LandPlan,
  of: { wish: LandWish; fork: string | null; refused: string | null; place: CodePlace },
): Trouble | null {
  const { session, branch, into, here, target, running, unmerged, conflicts, in_the_way } = plan;
  const state = here ? underWay(of.place.repository.gitDir) : null;
  if (state !== null) {
    const todo = state === "git command" ? "Wait for it to end." : `End it first: git ${state} --continue, or --abort.`;
    return { exit: 4, what: `A ${state} is under way in ${of.place.repository.root}.`, todo };
  }
  if (of.refused !== null) {
    const why = of.refused.split("\n")[0] ?? "";
    return { exit: 4, what: `${branch} cannot be merged into ${into}.`, why, todo: `By hand: git merge ${branch}` };
  }
  if (plan.way === "ff" && of.fork !== target) {
    const what = `${into} has commits that ${branch} has not: it cannot be moved forward to it.`;
    return { exit: 4, what, todo: "Leave out --ff for a merge commit, or take --squash." };
  }
  if (!of.wish.partial && running.length > 0) {
    const todo = `Wait for them; or land what is merged so far: cox land ${session} --partial`;
    return { exit: 4, what: `${session} still has tasks at work: ${some(running)}.`, todo };
  }
  if (!of.wish.partial && unmerged.length > 0) {
    const what = `${session} has work that is not merged: ${some(unmerged)}.`;
    const todo = `Look: cox diff ${session}/${unmerged[0]}; or land the rest: cox land ${session} --partial`;
    return { exit: 4, what, todo };
  }
  if (conflicts.length > 0) {
    const what = `Landing ${session} in ${into} conflicts in ${some(conflicts)}.`;
    const first = here ? "" : `git switch ${into} && `;
    return { exit: 4, what, why: "Nothing was changed.", todo: `Merge by hand: ${first}git merge ${branch}` };
  }
  if (in_the_way.length > 0) {
    const what = `Your uncommitted changes are in the way: ${some(in_the_way)}.`;
    const why = "Git would write over them, or cannot merge beside what is staged. Nothing was changed.";
    return { exit: 4, what, why, todo: "Commit or stash them (git stash -u), then again." };
  }
  return null;
}

const MOST_NAMED = 20;

export function some(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMED).map((name) => oneLine(name));
  return `${shown.join(", ")}${names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ""}`;
}

function isObeyed(workspace: Workspace, session: SessionId): boolean {
  const path = paths.sessionFile(session);
  try {
    return mayObey(workspace, path, readFileSync(join(workspace.folder, path)));
  } catch {
    return false;
  }
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string" && each !== "") : [];
}
