/** `cox diff`: what a task or a session changed in the code. */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { attemptName, isTaskId, type SessionId } from "../../model/ids.ts";
import { at as paths, RUN } from "../../store/paths.ts";
import { commitOf, git } from "../../worktree/git.ts";
import { changedFiles, forkOf, spanOfTask, treeIn, type ChangedFile, type Span } from "../../worktree/difference.ts";
import { findPlace, headOf, sessionBranch } from "../../worktree/place.ts";
import { findCode, type CodePlace } from "./code-place.ts";
import { refused, type Command, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { currentSession, findSession, findTask, type NamedTask } from "./naming.ts";
import { showPatch } from "./patch.ts";
import { openRecords, parsed } from "./recorded-responses.ts";
import { isObject } from "./tasks-on-disk.ts";

type Here = Context & { workspace: Workspace };

export const command: Command = {
  where: "workspace",
  description:
    "Shows what a task changed, against what its branch began from (while it is at work: what lies in its worktree), or what a session changed, against where it left the current branch. Without a name: the current session. With --state: which tasks moved between two moments, the second one now if it is not given, and what it cost.",
  arguments: [
    {
      name: "name",
      text: "a task (impl-1, WFS-topic/impl-1) or a session (WFS-topic)",
      optional: true,
      variadic: true,
      is: "task",
    },
  ],
  options: [
    { name: "stat", text: "files and numbers of lines only" },
    { name: "name-only", text: "names of files only" },
    { name: "state", text: "not the code, but which tasks moved: between two commits of the ledger or times" },
  ],
  example: "cox diff impl-3 --stat",
  run: async (input, context) => {
    const names = input.list("name");
    const most = input.flag("state") ? 2 : 1;
    if (names.length > most)
      return refused({ exit: 2, what: `There are too many names: ${names.join(", ")}.`, todo: "See --help." });
    if (input.flag("state")) {
      const { diffOfStates } = await import("./diff-state.ts");
      return diffOfStates(names[0], names[1], context);
    }
    const found = await findCode(context);
    if ("trouble" in found) return refused(found.trouble);
    const named = await differenceOf(names[0], found.ok, context);
    if ("trouble" in named) return refused(named.trouble);
    const { stat, nameOnly } = { stat: input.flag("stat"), nameOnly: input.flag("name-only") };
    if (stat && nameOnly)
      return refused({ exit: 2, what: "--stat and --name-only exclude each other.", todo: "Give one of them." });
    return show(named.ok, { place: found.ok, context, flags: stat ? ["--stat"] : nameOnly ? ["--name-only"] : [] });
  },
};

export interface Difference {
  session: SessionId;
  /** Null for a whole session. */
  task: string | null;
  span: Span;
  /** The commit the work is at; with `uncommitted` more lies in the worktree, and is shown. */
  commit: string;
  uncommitted: boolean;
  /** Files of the worktree that are too large to be shown. */
  left: string[];
}

async function show(
  of: Difference,
  { place, context, flags }: { place: CodePlace; context: Context; flags: readonly string[] },
): Promise<Outcome> {
  const { session, task, span, commit, uncommitted, left } = of;
  const name = task === null ? session : `${session}/${task}`;
  if (context.json) {
    const files: ChangedFile[] = await changedFiles(place.ground, span);
    return { exit: 0, text: "", json: { session, task, base: span.base, commit, uncommitted, files, left } };
  }
  if (left.length > 0) context.tell(`Too large to be shown: ${left.join(", ")}\n`);
  if ((await treeOf(place, span.base)) === (await treeOf(place, span.tip))) {
    context.tell(`${name} changes nothing${task === null ? " that the current branch does not have" : ""}.\n`);
    return { exit: 0, text: "", json: undefined };
  }
  const more = uncommitted ? " and what is not committed yet" : "";
  const title = context.paint("dim", `${name}: ${span.base.slice(0, 8)}..${commit.slice(0, 8)}${more}`);
  await showPatch(place, span, { context, flags, title });
  return { exit: 0, text: "", json: undefined };
}

async function treeOf({ ground }: CodePlace, name: string): Promise<string> {
  return git(ground, ["rev-parse", `${name}^{tree}`]);
}

/** A task or session as named; without a name the current session. */
export async function differenceOf(
  name: string | undefined,
  place: CodePlace,
  context: Here,
): Promise<{ ok: Difference } | { trouble: Trouble }> {
  const { workspace } = context;
  const id =
    name
      ?.split("/")
      .at(-1)
      ?.replace(/\.json$/, "") ?? "";
  if (name !== undefined && isTaskId(id)) {
    const found = findTask(workspace, name);
    return "trouble" in found ? found : ofTask(found.ok, place, workspace);
  }
  const chosen = name === undefined ? currentSession(workspace) : findSession(workspace, name);
  return "trouble" in chosen ? chosen : ofSession(chosen.ok, place);
}

export async function ofTask(
  { session, id, task }: NamedTask,
  place: CodePlace,
  workspace: Workspace,
): Promise<{ ok: Difference } | { trouble: Trouble }> {
  const { repository, ground } = place;
  const records = openRecords(place, workspace.folder);
  const attempt = task.execution.last_attempt?.attempt ?? task.execution.attempts;
  const text = await records.read(paths.response(session, attemptName(id, Math.max(1, attempt))));
  await records.close();
  const response = parsed(text);
  const work = isObject(response) && isObject(response["work"]) ? response["work"] : {};
  const textIn = (key: string) => (typeof work[key] === "string" ? work[key] : null);
  const commit = task.execution.commit ?? textIn("commit");
  const span = await spanOfTask(ground, { session, task: id, base: textIn("base"), commit });
  if (!span) {
    const what = `${session}/${id} has no branch.`;
    const why = "It has not worked yet, or it worked in the repository itself (isolation: none).";
    return { trouble: { exit: 4, what, why, todo: `Look at it: cox show ${session}/${id}` } };
  }
  const here = { session, task: id, span, commit: span.tip, uncommitted: false, left: [] };
  const found = findPlace(
    {
      commonDir: realpathSync(repository.commonDir),
      folder: join(realpathSync(workspace.folder), RUN, "worktrees"),
      disarmed: ground.disarmed ?? [],
    },
    session,
    id,
  );
  if (!found) return { ok: here };
  const worktree = found.ground;
  const head = (await commitOf(worktree, "HEAD")) ?? span.tip;
  const { tree, left } = await treeIn(worktree);
  if (tree === (await treeOf(place, span.tip))) return { ok: { ...here, left } };
  return { ok: { ...here, span: { base: span.base, tip: tree }, commit: head, uncommitted: true, left } };
}

async function ofSession(
  session: SessionId,
  { ground }: CodePlace,
): Promise<{ ok: Difference } | { trouble: Trouble }> {
  const branch = sessionBranch(session);
  const tip = await commitOf(ground, headOf(branch));
  if (tip === null) {
    const what = `${session} has no branch.`;
    const why = `There is no ${branch}: none of its tasks has worked in a worktree yet.`;
    return { trouble: { exit: 4, what, why, todo: `Look at it: cox list --session ${session}` } };
  }
  const head = await commitOf(ground, "HEAD");
  const base = head === null ? null : await forkOf(ground, head, tip);
  if (base === null) {
    const what = `${branch} has nothing in common with the current branch.`;
    return { trouble: { exit: 4, what, todo: "Switch to the branch that it began from, then again." } };
  }
  return { ok: { session, task: null, span: { base, tip }, commit: tip, uncommitted: false, left: [] } };
}
