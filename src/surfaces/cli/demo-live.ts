/** `cox demo --live`: one small task with the real Claude Code, after asking, and within a budget. */
import { createInterface } from "node:readline/promises";
import { WORKSPACE } from "../../store/paths.ts";
import { refused, type Outcome } from "./command.ts";
import type { Context } from "./context.ts";
import { accountFinding, whatClaudeLacks } from "./doctor-claude.ts";
import { perform } from "./demo.ts";
import type { Claim, Narrator } from "./demo-play.ts";
import { LIVE, SESSION_TOPIC, SETTINGS } from "./demo-script.ts";
import type { Stage } from "./demo-stage.ts";

const PATIENCE_MS = 6 * 60_000;

export async function playLive(context: Context, { keep, yes }: { keep: boolean; yes: boolean }): Promise<Outcome> {
  const lack = await whatClaudeLacks("claude", context.environment);
  if (lack)
    return refused({
      exit: 4,
      what: lack.text,
      why: "A live demonstration needs Claude Code.",
      todo: `${lack.fix ?? "cox doctor"}. Without it: cox demo`,
    });
  const pays = accountFinding(context.environment, false).text;
  const most = `at most $${LIVE.execution.budget_usd.toFixed(2)} at list prices`;
  if (!yes) {
    if (!context.interactive) {
      return refused({
        exit: 4,
        what: `This calls a real model (${most}).`,
        why: "There is no terminal to ask on.",
        todo: "Say yes beforehand: cox demo --live --yes",
      });
    }
    if (!(await agreed(`This calls a real model, ${most}; ${pays}. Go on? [y/N] `))) {
      return refused({ exit: 4, what: "Nothing was started.", todo: "Without a model: cox demo" });
    }
  }
  return perform(context, {
    keep,
    opening: `A real agent works on one small task, ${most}; ${pays}.`,
    act: play,
    next: ['In your own repository: cox init, then cox add "…" and cox start.'],
  });
}

async function agreed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

async function play(stage: Stage, tell: Narrator): Promise<Claim[]> {
  await tell.step("A small project, a workspace, a daemon");
  await stage.build();
  await stage.must("init");
  const config = `${WORKSPACE}/config.yaml`;
  stage.write(config, `${stage.has(config) ? stage.read(config) : ""}\n${SETTINGS}`);
  await stage.must("session", "new", SESSION_TOPIC);
  await stage.start();
  await tell.step("A task for a real agent");
  tell.show(JSON.stringify(LIVE, null, 2));
  stage.writeJson(`${WORKSPACE}/inbox/greet.json`, LIVE);
  const task = await stage.until(
    "the task to be finished",
    () => {
      const now = stage.task("impl-1");
      return now?.status === "completed" || now?.status === "blocked" ? now : undefined;
    },
    PATIENCE_MS,
  );
  tell.type("cox logs impl-1");
  tell.show((await stage.cox("logs", "impl-1")).out);
  tell.type("git diff");
  tell.show(await stage.git("diff"));
  const cost = task.execution.last_attempt?.cost_usd;
  if (cost !== null && cost !== undefined) tell.note(`It cost $${cost.toFixed(4)} at list prices.`);
  const greeted = stage.read("bin/greet") !== "" && (await stage.git("diff", "--stat")) !== "";
  const error = task.execution.last_attempt?.error;
  return [
    {
      claim: "the task is completed",
      holds: task.status === "completed",
      found: `${task.execution.reason}: ${error?.message ?? ""} ${error?.hint ?? ""}`,
    },
    { claim: "the agent changed the code", holds: greeted, found: "nothing was changed" },
  ];
}
