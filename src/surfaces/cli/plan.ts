/** `cox plan`: a goal for a planner, whose answer becomes tasks. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { SessionId, TaskId } from "../../model/ids.ts";
import { at } from "../../store/paths.ts";
import { answerSchema } from "../../store/plan-file.ts";
import { add, notAdded } from "./add.ts";
import { done, refused, type Command, type Input, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { exclusively } from "./edit.ts";
import { findTask, type NamedTask } from "./naming.ts";
import { planLines, planThatWaits } from "./plan-on-disk.ts";
import { oneLine } from "./text.ts";

const LOOK_MS = 100;
const LONGEST_TITLE = 200;

export const command: Command = {
  where: "workspace",
  description:
    "Has a goal planned: an agent studies the code and answers with tasks, which wait for your approval (cox show, cox approve, cox reject) or, with --yes, are added at once. The goal's task becomes their container.\nWith --wait: exit 0 when the plan is there, 1 when there will be none.",
  arguments: [{ name: "goal", text: "what shall be reached, in a sentence or more", optional: true }],
  options: [
    { name: "file", value: "file", text: "a file with the goal, instead", is: "file" },
    { name: "requirement", value: "text", text: "what the result must do", repeatable: true },
    { name: "paths", value: "paths", text: "files and folders it is about, ; between", repeatable: true },
    { name: "verify", value: "command", text: "a command that its tasks may be verified by", repeatable: true },
    { name: "agent", value: "role", text: "who plans; else planning-agent" },
    { name: "model", value: "model", text: "model of the planner" },
    { name: "budget", value: "usd", text: "most that the planning may cost" },
    { name: "session", short: "s", value: "session", text: "the session, instead of the active one", is: "session" },
    { name: "yes", text: "add the tasks without asking" },
    { name: "dry-run", text: "only show what would be asked" },
    { name: "wait", text: "wait for the plan, and show it" },
  ],
  example: 'cox plan "let people export their data as CSV" --wait',
  async run(input, context) {
    const { workspace, dir, environment } = context;
    const described = describedPlan(input, dir);
    if ("trouble" in described) return refused(described.trouble);
    const { checkTaskDrop } = await import("../../store/check.ts");
    const checked = checkTaskDrop(described.ok.drop);
    if ("problems" in checked) return refused(notAdded(checked.problems));
    if (input.flag("dry-run")) return dryRun(described.ok);
    const daemon = await daemonOf(workspace);
    if (!daemon.up && input.flag("wait"))
      return refused({
        exit: 4,
        what: "No daemon is up: there would be nothing to wait for.",
        todo: "cox start --detach, then again; or leave --wait out.",
      });
    const what = { drop: checked.ok, prompt: described.ok.prompt, parent: undefined, environment };
    const added = await exclusively(workspace, () => add(workspace, input.text("session"), what));
    if ("trouble" in added) return refused(added.trouble);
    const { session, active } = added;
    const { id } = added.task;
    const name = active ? id : `${session}/${id}`;
    if (input.flag("wait")) return follow({ session, id }, context);
    const acts = !active
      ? `${session} is not active: cox switch ${session} lets it run.`
      : daemon.up
        ? `The daemon is up and takes it from here. The plan will be in cox show ${name}.`
        : "No daemon is up: cox start runs it.";
    return done(`Asked for a plan: ${name}\n${acts}`, {
      ...{ session, task: id, file: `.workflow/${at.task(session, id)}` },
      ...{ status: added.task.status, daemon: daemon.up ? "up" : "down" },
    });
  },
};

interface Goal {
  drop: Record<string, unknown>;
  prompt: string | undefined;
}

/** A goal of more than a line is the prompt, and its beginning the title. */
function describedPlan(input: Input, dir: string): { ok: Goal } | { trouble: Trouble } {
  const file = input.text("file");
  const read = file === undefined ? { ok: input.text("goal") ?? "" } : textOf(resolve(dir, file), file);
  if ("trouble" in read) return read;
  const goal = read.ok.trim();
  if (goal === "" || (file !== undefined && input.text("goal") !== undefined))
    return {
      trouble: {
        exit: 2,
        what: goal === "" ? "There is no goal." : "There are two goals, in words and in a file.",
        todo: `Such as: ${command.example}`,
      },
    };
  const first = oneLine((goal.split("\n")[0] ?? goal).replace(/^\s*#+\s*/, ""), LONGEST_TITLE);
  const [yes, budget] = [input.flag("yes"), input.text("budget")];
  const [requirements, verify] = [input.list("requirement"), input.list("verify")];
  const execution = {
    plan: "required",
    ...(yes ? { approved: true } : { approve: "after" }),
    ...(verify.length > 0 ? { verify } : {}),
    ...(input.text("model") === undefined ? {} : { model: input.text("model") }),
    ...(budget === undefined ? {} : { budget_usd: Number.isFinite(Number(budget)) ? Number(budget) : budget }),
  };
  const drop = {
    title: first,
    agent: input.text("agent") ?? "planning-agent",
    ...(input.list("paths").length > 0 ? { paths: input.list("paths").join(";") } : {}),
    ...(requirements.length > 0 ? { context: { requirements } } : {}),
    execution,
  };
  return { ok: { drop, prompt: first === goal ? undefined : goal } };
}

function textOf(path: string, shown: string): { ok: string } | { trouble: Trouble } {
  try {
    return { ok: readFileSync(path, "utf8") };
  } catch (error) {
    const what = `--file ${shown} cannot be read.`;
    return { trouble: { exit: 2, what, why: (error as Error).message, todo: "Give it an existing file." } };
  }
}

function dryRun({ drop, prompt }: Goal): Outcome {
  const task = JSON.stringify(drop, null, 2);
  const text = [
    ...(prompt === undefined ? [] : ["The goal:", prompt, ""]),
    "The task that would be added:",
    task,
    "",
    "Its answer must be as .workflow/.run/schemas/plan.schema.json says.",
    "Nothing was added.",
  ];
  return done(text.join("\n"), { task: drop, prompt: prompt ?? null, schema: answerSchema("required") });
}

async function follow(
  { session, id }: { session: SessionId; id: TaskId },
  context: Context & { workspace: Workspace },
): Promise<Outcome> {
  const { workspace, tell } = context;
  let told = "";
  for (; ; await pause(LOOK_MS)) {
    const found = findTask(workspace, `${session}/${id}`);
    if ("trouble" in found) return refused(found.trouble);
    const { task } = found.ok;
    const { status, execution, relations } = task;
    const facts = { session, task: id, file: `.workflow/${at.task(session, id)}`, status };
    const name = `${session}/${id}`;
    if (relations.subtasks.length > 0 && (status === "container" || status === "completed"))
      return done(`${name} is planned: ${relations.subtasks.join(", ")}.`, { ...facts, subtasks: relations.subtasks });
    if (status === "blocked" && execution.reason === "awaiting-approval") return waiting(found.ok, facts, context);
    if (status === "blocked")
      return refused({
        exit: 1,
        what: `There is no plan: ${name} is blocked (${execution.reason ?? "cancelled"}).`,
        ...(execution.last_attempt?.error ? { why: execution.last_attempt.error.message } : {}),
        todo: `cox show ${name} says more; then cox retry ${name}.`,
        facts,
      });
    if (status !== told) tell(`${name} is ${(told = status)}`);
  }
}

function waiting(named: NamedTask, facts: object, context: Context & { workspace: Workspace }): Outcome {
  const proposed = planThatWaits(context, named);
  const { name } = named;
  const lines = [
    `${context.paint("bold", name)} has planned: ${oneLine(named.task.title)}`,
    ...(proposed ? planLines(proposed, context.paint) : []),
    `cox approve ${name} adds these tasks; cox reject ${name} refuses them.`,
    ...(proposed?.file ? [`To change them first, edit .workflow/${proposed.file}.`] : []),
  ];
  return done(lines.join("\n"), { ...facts, plan: proposed?.plan ?? null });
}
