/** `cox run`: a run of a workflow, asked for by a file in the inbox. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { SessionId } from "../../model/ids.ts";
import type { Vars } from "../../model/workflow.ts";
import { problem } from "../../problems.ts";
import { formatJson } from "../../store/json-file.ts";
import { at } from "../../store/paths.ts";
import { outcomeOf } from "../../workflow/outcome.ts";
import { varsFor } from "../../workflow/vars.ts";
import { done, refused, type Command, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { createFile } from "./edit.ts";
import { findSession } from "./naming.ts";
import { dryRun } from "./run-plan.ts";
import { runFrom, type RunOnDisk } from "./runs-on-disk.ts";
import { outputLines } from "./workflows-run.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { findWorkflow, givenVars, type NamedWorkflow } from "./workflow-files.ts";

const LOOK_MS = 100;
const MOST_TO_BE_TAKEN_IN_MS = 15_000;

export const command: Command = {
  where: "workspace",
  description:
    "Runs a workflow: each of its steps becomes a task. A name is that of a file in .workflow/workflows/, without .yaml.\nWith --wait: exit 0 when all of it is completed, 1 when it cannot go on.",
  arguments: [{ name: "workflow", text: "a name, or a YAML file", is: "file" }],
  options: [
    { name: "var", value: "name=value", repeatable: true, text: "what a variable is; may be given several times" },
    { name: "vars", value: "file", text: "a YAML or JSON file with variables; --var wins over it", is: "file" },
    { name: "session", short: "s", value: "session", text: "the session, instead of the active one", is: "session" },
    { name: "dry-run", text: "only show what would run, and in which order" },
    { name: "wait", text: "wait until the run is over" },
  ],
  example: "cox run data-analysis --var data_file=sales.csv --wait",
  async run(input, context) {
    const { workspace, dir } = context;
    const found = findWorkflow(workspace, input.text("workflow") ?? "", dir);
    if ("trouble" in found) return refused(found.trouble);
    const given = givenVars({ file: input.text("vars"), vars: input.list("var") }, dir);
    if ("trouble" in given) return refused(given.trouble);
    const vars = varsFor(found.ok.file, given.ok);
    if ("problems" in vars)
      return refused({
        exit: 2,
        what: `${found.ok.path} needs other variables.`,
        problems: vars.problems.map(({ code, message, hint }) => problem(code, message, hint ? { hint } : {})),
      });
    if (input.flag("dry-run")) return dryRun(found.ok, vars.ok, context);
    const chosen = sessionFor(workspace, input.text("session"));
    if ("trouble" in chosen) return refused(chosen.trouble);
    const daemon = await daemonOf(workspace);
    if (!daemon.up && input.flag("wait"))
      return refused({
        exit: 4,
        what: "No daemon is up: there would be nothing to wait for.",
        todo: "cox start --detach, then again; or leave --wait out.",
      });
    const drop = await dropRequest(workspace, { workflow: found.ok, vars: given.ok, session: chosen.ok });
    if (!daemon.up)
      return done(`Asked for: .workflow/${drop}\nNo daemon is up: cox start runs it.`, {
        ...{ session: null, task: null, run: null, drop: `.workflow/${drop}`, daemon: "down" },
      });
    return follow({ drop, wait: input.flag("wait") }, context);
  },
};

/** Null: the one that the inbox goes to. */
function sessionFor(
  workspace: Workspace,
  written: string | undefined,
): { ok: SessionId | null } | { trouble: Trouble } {
  if (written !== undefined) return findSession(workspace, written);
  const { sessions, active } = readSessions(workspace.folder);
  if (active.length > 0 || sessions.length === 0) return { ok: null };
  return {
    trouble: {
      exit: 4,
      what: "No session is active, so the run would wait in the inbox.",
      todo: `Activate one: cox switch ${sessions[0]?.session_id}; or name it: --session ${sessions[0]?.session_id}.`,
    },
  };
}

/** The name is new each time: what was dropped once under a name is not run again. */
async function dropRequest(
  workspace: Workspace,
  { workflow, vars, session }: { workflow: NamedWorkflow; vars: Vars; session: SessionId | null },
): Promise<string> {
  const what = workflow.name === null ? { text: workflow.text } : { workflow: workflow.name };
  const folder = session === null ? "inbox" : `${session}/.task`;
  for (;;) {
    const path = `${folder}/run-${randomUUID().slice(0, 8)}.json`;
    if (await createFile(workspace, path, formatJson({ ...what, vars }))) return path;
  }
}

async function follow(
  { drop, wait }: { drop: string; wait: boolean },
  { workspace, tell, paint }: Context & { workspace: Workspace },
): Promise<Outcome> {
  const started = performance.now();
  let told = "";
  for (;;) {
    const run = runFrom(workspace.folder, drop);
    const report = join(workspace.folder, at.report(drop));
    if (!run && existsSync(report))
      return refused({ exit: 1, what: `The run was refused: see .workflow/${at.report(drop)}.`, why: reasons(report) });
    if (run && !wait) return begun(run, paint);
    if (run) {
      const outcome = outcomeOf(run);
      if (outcome.over) return ended(run, outcome.failed);
      if (outcome.progress !== told) tell((told = outcome.progress));
    } else if (performance.now() - started > MOST_TO_BE_TAKEN_IN_MS && !wait)
      return refused({
        exit: 4,
        what: `The daemon has not taken it in yet: .workflow/${drop}.`,
        todo: "cox status says why.",
      });
    await pause(LOOK_MS);
  }
}

function begun(run: RunOnDisk, paint: Context["paint"]): Outcome {
  const { session, task, steps } = run;
  const count = `${steps.length} ${steps.length === 1 ? "step" : "steps"}`;
  const text = `Run ${paint("bold", run.run)} is ${session}/${task.id}: ${count}. cox show ${session}/${task.id} tells how it goes.`;
  return done(text, { ...facts(run), daemon: "up" });
}

function ended(run: RunOnDisk, failed: readonly string[]): Outcome {
  const json = { ...facts(run), failed, status: run.task.status };
  const { results } = run.task.execution.workflow ?? {};
  if (failed.length === 0)
    return done([`Run ${run.run} is completed.`, ...outputLines(results)].join("\n"), {
      ...json,
      outputs: results ?? {},
    });
  const names = failed.map((id) => `${run.session}/${id}`).join(", ");
  const what = `Run ${run.run} cannot go on: ${names}.`;
  return {
    exit: 1,
    json,
    text: "",
    trouble: { exit: 1, what, todo: `cox show ${run.session}/${failed[0]} says why; cox retry goes on from there.` },
  };
}

function facts({ session, task, run, steps }: RunOnDisk) {
  return {
    session,
    task: task.id,
    run,
    steps: steps.map(({ id, status, execution }) => ({ task: id, step: execution.workflow?.step, status })),
  };
}

function reasons(report: string): string {
  const lines = readFileSync(report, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("- "));
  return lines.map((line) => line.replace(/^- `[\w-]+` (?:[\w.-]+\.json(?::\d+)*(?: \/\S*)?: )?/, "")).join(" ");
}
