/** `cox approve`: passes the approval that a task waits for, or says yes where it asks a person. */
import { answerWith } from "./answer.ts";
import type { Command, Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { findTask, type NamedTask } from "./naming.ts";
import { planThatWaits } from "./plan-on-disk.ts";
import { oneLine } from "./text.ts";
import { steer, TASK_ARGUMENT, type Steer } from "./steer.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Approves a task that awaits it (execution.approve before or after): it starts, or is completed. A task that asks a person is\nanswered with yes. Exit 4 if it awaits neither.",
  arguments: [TASK_ARGUMENT],
  example: "cox approve impl-1",
  run: (input, context) => decideOn(input.text("task"), context, true),
};

/** A plan that waits: it is approved as its file stands, if that is right. */
function planned(named: NamedTask, context: Context & { workspace: Workspace }): Steer | undefined {
  const found = named.task.execution.reason === "awaiting-approval" ? planThatWaits(context, named) : undefined;
  if (!found) return undefined;
  if (!found.plan || found.problems.length > 0)
    return {
      trouble: {
        exit: 1,
        what: `The plan of ${named.name} is wrong.`,
        problems: found.problems,
        todo: `Mend .workflow/${found.file}, or remove it: then the plan is as it was answered.`,
      },
    };
  const { tasks, questions = [] } = found.plan;
  const count = `${tasks.length} ${tasks.length === 1 ? "task" : "tasks"}`;
  const open = questions.map((question) => `\n  It asked: ${oneLine(question, 500)}`).join("");
  return {
    execution: { approved: true },
    said: `The plan of ${named.name} is approved: ${count} will be added.${open}`,
    same: "set execution.approved to true",
  };
}

/** Also for `cox reject`. */
export async function decideOn(
  written: string | undefined,
  context: Context & { workspace: Workspace },
  approved: boolean,
): Promise<Outcome> {
  const found = findTask(context.workspace, written ?? "");
  const isQuestion = "ok" in found && found.ok.task.execution.reason === "awaiting-person";
  if (isQuestion && found.ok.task.status === "blocked")
    return answerWith(written, context, (named) => verdict(named, approved));
  return steer(
    written,
    context,
    (named) => (approved ? planned(named, context) : undefined) ?? decision(named, approved),
  );
}

function decision({ task, name }: NamedTask, approved: boolean): Steer {
  const { reason, approve } = task.execution;
  if (task.status !== "blocked" || reason !== "awaiting-approval") {
    const state = task.status === "blocked" ? `blocked (${reason ?? "cancelled"})` : task.status;
    return {
      trouble: {
        exit: 4,
        what: `${name} does not await approval: it is ${state}.`,
        todo: `cox show ${name} says more.`,
      },
    };
  }
  const then = approved ? (approve === "after" ? "its work is accepted" : "it may start") : "it stays blocked";
  return {
    execution: { approved },
    said: `${name} is ${approved ? "approved" : "rejected"}: ${then}.`,
    same: `set execution.approved to ${approved}`,
  };
}

const YES = ["approve", "approved", "yes", "accept", "ok", "go", "ship"];
const NO = ["reject", "rejected", "no", "decline", "refuse", "stop"];

/** Of a question with choices that one which means it; one without is answered in so many words. */
function verdict({ task, name }: NamedTask, approved: boolean): ReturnType<Parameters<typeof answerWith>[2]> {
  const { choices, form } = task.execution;
  if (!choices && !form)
    return { given: approved ? { result: "approved" } : { outcome: "failure", result: "A person rejected it." } };
  const meant = (choices ?? []).filter((choice) => (approved ? YES : NO).includes(choice.toLowerCase()));
  const [choice] = meant;
  if (choice !== undefined && meant.length === 1) return { given: { result: choice } };
  const first = choices?.[0] ?? "";
  const todo = form ? `cox answer ${name} shows its form.` : `Such as cox answer ${name} ${JSON.stringify(first)}.`;
  return {
    trouble: { exit: 4, what: `${name} asks for more than ${approved ? "an approval" : "a rejection"}.`, todo },
  };
}
