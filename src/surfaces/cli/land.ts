/** `cox land`: a session's work into the user's own branch, when the user says so. */
import { execa } from "execa";
import type { GateResult } from "../../model/attempt.ts";
import { commitOf, git as quietly } from "../../worktree/git.ts";
import { copyIncluded } from "../../worktree/include.ts";
import { byHand, mergeByHand, ownEnvironment, type Way } from "../../worktree/own-hand.ts";
import { git } from "../../ledger/git.ts";
import { findCode, type CodePlace } from "./code-place.ts";
import { done, refused, type Command, type Input, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { inWorktree, runGates } from "./land-gates.ts";
import { planLanding, some, type LandPlan } from "./land-plan.ts";
import { settingsOf } from "./settings.ts";
import { oneLine } from "./text.ts";

type Here = Context & { workspace: Workspace };

export const command: Command = {
  where: "workspace",
  description:
    "Merges what a session's tasks have done into the branch that you are on (or --into another), by git merge: as you, with your hooks. First the gates are run on the result, in a worktree of its own. Refuses, and leaves everything as it was, where it would touch your uncommitted changes, where it conflicts, and while work is going on.",
  arguments: [{ name: "session", text: "WFS-topic; else the current session", optional: true, is: "session" }],
  options: [
    { name: "into", value: "branch", text: "land in this branch, not in the one that is checked out" },
    { name: "squash", text: "one commit that names all the tasks" },
    { name: "ff", text: "only move the branch forward: no merge commit" },
    { name: "partial", text: "land what is merged so far, though more is at work or not merged" },
    { name: "no-verify", text: "without the gates (verify of the settings and of the session)" },
    { name: "dry-run", text: "say what would happen, and change nothing" },
  ],
  example: "cox land user-auth --dry-run",
  run: land,
};

async function land(input: Input, context: Here): Promise<Outcome> {
  if (input.flag("squash") && input.flag("ff"))
    return refused({ exit: 2, what: "--squash and --ff exclude each other.", todo: "Give one of them, or none." });
  const found = await findCode(context);
  if ("trouble" in found) return refused(found.trouble);
  const place = found.ok;
  const way: Way = input.flag("squash") ? "squash" : input.flag("ff") ? "ff" : "merge";
  const wish = { session: input.text("session"), into: input.text("into"), way, partial: input.flag("partial") };
  const planned = await planLanding(wish, place, context);
  if ("trouble" in planned) return refused(planned.trouble);
  const plan = planned.ok;
  const gates = input.flag("no-verify") ? [] : plan.gates;
  const dryRun = input.flag("dry-run");
  const facts = factsOf(plan, { dryRun, gates: gates.map((command) => ({ command })) });
  if (plan.already) {
    const text = `${plan.into} has all of ${plan.session} already.`;
    return done(text, { ...facts, landed: false, commit: null, next: null });
  }
  if (dryRun) return dry(plan, { facts, gates, context });
  if (plan.against) return refused({ ...plan.against, facts });
  const checked = gates.length === 0 ? [] : await check(plan, { gates, place, context });
  const failed = checked.find(({ passed }) => !passed);
  if (failed) return refused({ ...gateTrouble(failed, plan), facts: { ...facts, gates: checked } });
  const made = await perform(plan, place, context);
  if ("trouble" in made) return refused({ ...made.trouble, facts: { ...facts, gates: checked } });
  return landed(plan, { commit: made.ok, gates: checked, facts, place, context });
}

function factsOf(plan: LandPlan, more: { dryRun: boolean; gates: unknown[] }) {
  const { session, branch, into, way, target, tip, files, conflicts, in_the_way, running, unmerged, open } = plan;
  return {
    session,
    branch,
    into,
    way,
    dry_run: more.dryRun,
    before: target,
    tip,
    files,
    conflicts,
    in_the_way,
    running,
    unmerged,
    open,
    tasks: plan.tasks.map(({ maker, title }) => ({ task: maker.task, attempt: maker.attempt, title })),
    gates: more.gates,
  };
}

function dry(
  plan: LandPlan,
  { facts, gates, context }: { facts: Record<string, unknown>; gates: readonly string[]; context: Context },
): Outcome {
  const { session, into, way, files, tasks, against } = plan;
  const how = { merge: "by a merge commit", squash: "as one commit", ff: "by moving it forward" }[way];
  const lines = [
    `${session} would be landed in ${into} ${how}: ${count(tasks.length, "task")}, ${count(files.length, "file")}.`,
    ...tasks.map(({ maker, title }) => `  ${maker.task}  ${oneLine(title, 120)}`.trimEnd()),
    ...(files.length === 0 ? [] : [context.paint("bold", "Files"), ...files.map((file) => `  ${oneLine(file)}`)]),
    ...(gates.length === 0 ? [] : [context.paint("bold", "Gates"), ...gates.map((gate) => `  ${oneLine(gate)}`)]),
  ];
  const json = { ...facts, landed: false, commit: null, next: null };
  return against
    ? { exit: against.exit, text: "", json: { ...json, against: against.what }, trouble: against }
    : done(lines.join("\n"), json);
}

/** On the very tree that the target would have. */
async function check(
  plan: LandPlan,
  { gates, place, context }: { gates: readonly string[]; place: CodePlace; context: Here },
): Promise<GateResult[]> {
  const { ground, repository } = place;
  const parents = ["-p", plan.target, "-p", plan.tip];
  const message = `What landing ${plan.session} comes to\n`;
  const commit = await quietly(ground, ["commit-tree", plan.tree ?? "", ...parents, "-F", "-"], message);
  const { workspace } = context;
  const of = { workspace, commonDir: repository.commonDir, commit, disarmed: ground.disarmed ?? [] };
  return inWorktree(of, async (folder) => {
    await copyIncluded({ ...ground, workTree: repository.root }, folder);
    return runGates({ setup: plan.setup, gates, folder }, context);
  });
}

function gateTrouble({ command, exit_code, output }: GateResult, { session, into }: LandPlan): Trouble {
  const how = exit_code === null ? "was ended" : `ended with exit code ${exit_code}`;
  return {
    exit: 1,
    what: `The gate \`${oneLine(command)}\` ${how}: ${session} is not landed in ${into}.`,
    why: output.trim().split("\n").slice(-30).join("\n       "),
    todo: "Mend it in a task of the session, then again; --no-verify lands it as it is.",
  };
}

/** The new commit of the target. */
async function perform(
  plan: LandPlan,
  { repository, ground }: CodePlace,
  { workspace, environment }: Here,
): Promise<{ ok: string } | { trouble: Trouble }> {
  const { into, here, target, tip, way, message } = plan;
  const ref = `refs/heads/${into}`;
  const todo = "Nothing was changed. Mend what git names, then again.";
  const didNot = (why: string): { trouble: Trouble } => ({
    trouble: { exit: 1, what: `Git did not land it in ${into}.`, why: why.replaceAll("\n", "\n       "), todo },
  });
  if ((await commitOf(ground, ref)) !== target || (await commitOf(ground, `refs/heads/${plan.branch}`)) !== tip) {
    const what = `${into} or ${plan.branch} has moved meanwhile.`;
    return { trouble: { exit: 4, what, why: "What the gates looked at is not what would be landed.", todo: "Again." } };
  }
  if (here) {
    const hand = { folder: repository.root, gitDir: repository.gitDir, environment };
    const merged = await mergeByHand(hand, { tip, way, message });
    return "refused" in merged ? didNot(merged.refused) : { ok: (await commitOf(ground, ref)) ?? "" };
  }
  const of = { workspace, commonDir: repository.commonDir, commit: target, disarmed: ground.disarmed ?? [] };
  return inWorktree(of, async (folder, gitDir) => {
    const hand = { folder, gitDir, environment };
    const merged = await mergeByHand(hand, { tip, way, message });
    if ("refused" in merged) return didNot(merged.refused);
    const made = await commitOf({ gitDir }, "HEAD");
    const moved = await byHand(hand, ["update-ref", "-m", `cox land: ${plan.session}`, ref, made ?? "", target]);
    return moved.code === 0 && made ? { ok: made } : didNot(moved.stderr);
  });
}

async function landed(
  plan: LandPlan,
  of: { commit: string; gates: GateResult[]; facts: Record<string, unknown>; place: CodePlace; context: Here },
): Promise<Outcome> {
  const { commit, gates, facts, place, context } = of;
  const { session, into, tasks, files, open } = plan;
  const next = await pushCommand(plan, place);
  const json = { ...facts, landed: true, commit, gates, next };
  const text = [
    `${session} is landed in ${into}: ${commit.slice(0, 8)}, ${count(tasks.length, "task")}, ${count(files.length, "file")}.`,
    ...(open.length > 0 ? [`Not done yet: ${some(open)}.`] : []),
  ];
  const after = settingsOf(context.workspace, context.environment).config.land.command;
  if (after === null) return done([...text, ...(next === null ? [] : [`Push it: ${next}`])].join("\n"), json);
  const run = await execa("/bin/sh", ["-c", after], {
    cwd: place.repository.root,
    env: { ...ownEnvironment(context.environment), COX_SESSION: session, COX_BRANCH: into, COX_COMMIT: commit },
    extendEnv: false,
    reject: false,
    stdin: "inherit",
    stdout: context.json ? "ignore" : "inherit",
    stderr: "inherit",
  });
  const command = { command: after, exit_code: run.exitCode ?? null };
  if (run.exitCode === 0) return done(text.join("\n"), { ...json, command });
  const trouble: Trouble = {
    exit: 1,
    what: `It is landed, but land.command failed (exit code ${run.exitCode ?? "none"}): ${oneLine(after)}`,
    todo: "Run it by hand, with COX_SESSION, COX_BRANCH and COX_COMMIT.",
  };
  return { exit: 1, text: text.join("\n"), json: { ...json, command }, trouble };
}

/** Where the branch is pushed to, or would be; null without a remote. */
async function pushCommand({ into }: LandPlan, { repository }: CodePlace): Promise<string | null> {
  const { commonDir } = repository;
  const own = { cwd: commonDir, gitDir: commonDir };
  const ask = async (...args: string[]) => (await git(args, own)).stdout.toString().trim();
  const remotes = (await ask("remote")).split("\n").filter(Boolean);
  const tracked = await ask("config", "--get", `branch.${into}.remote`);
  const remote = remotes.includes(tracked) ? tracked : remotes.includes("origin") ? "origin" : remotes[0];
  return remote === undefined ? null : `git push ${remote} ${into}`;
}

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? "" : "s"}`;
}
