/** `cox workflows next`: what begins by itself, and when; from what is on disk, with or without a daemon. */
import { join } from "node:path";
import { formatDuration, instant, toMs } from "../../model/time.ts";
import { at } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { nothingRemembered, readMemory, type Remembered } from "../../store/trigger-memory.ts";
import { dueOn, nextOn } from "../../workflow/due.ts";
import { tellTrigger, triggersOf, type Trigger } from "../../workflow/triggers.ts";
import { done, type Subcommand } from "./command.ts";
import { daemonOf } from "./daemon-state.ts";
import { table } from "./text.ts";
import { workflowNames } from "../../store/workflow-file.ts";
import { findWorkflow } from "./workflow-files.ts";

const SHOWN = 3;

interface Next {
  workflow: string;
  /** Null where the file cannot be used. */
  on: Trigger["on"] | null;
  trigger: string | null;
  /** Instants. */
  at: string[];
  due: number;
  waits: { on: string; about: string }[];
  /** Runs that are asked for and have not begun. */
  asked: number;
  why: string | null;
}

export const next: Subcommand = {
  name: "next",
  where: "workspace",
  summary: "show what begins by itself, and when",
  description:
    "For each trigger of the workflows in .workflow/workflows/: when it comes next, or what it waits for, and what is due already.\nNothing begins by itself unless a daemon is up, and an active session takes it in.",
  example: "cox workflows next --json",
  async run(_input, { workspace, dir, paint }) {
    const { folder } = workspace;
    const daemon = await daemonOf(workspace);
    const memory = readMemory(readRegular(join(folder, at.triggers))?.content) ?? nothingRemembered();
    const now = instant(Date.now());
    const names = workflowNames(folder);
    const triggers = names.flatMap((workflow): Next[] => {
      const found = findWorkflow(workspace, workflow, dir);
      const wrong = { workflow, on: null, trigger: null, at: [], due: 0, waits: [], asked: 0 };
      if ("trouble" in found) return [{ ...wrong, why: `${found.trouble.what} ${found.trouble.todo ?? ""}`.trim() }];
      const known = memory.workflows.get(workflow);
      return triggersOf(found.ok.file).map((trigger) => {
        const own = known?.triggers.get(trigger.key);
        const why =
          trigger.on === "after" && !names.includes(trigger.workflow)
            ? `There is no workflow ${trigger.workflow}.`
            : null;
        return {
          workflow,
          on: trigger.on,
          trigger: tellTrigger(trigger),
          ...standing(trigger, own, now),
          asked: known?.asked.length ?? 0,
          why,
        };
      });
    });
    const sorted = triggers.toSorted((a, b) => firstOf(a) - firstOf(b));
    const rows = sorted.map(({ workflow, trigger, at: times, due, waits, asked, why }) => [
      paint("bold", workflow),
      trigger ?? "",
      [
        ...(why ? [paint("red", why)] : []),
        ...(times[0]
          ? [`${times[0].slice(0, 16).replace("T", " ")} UTC, in ${formatDuration(toMs(times[0]) - toMs(now))}`]
          : []),
        ...(due > 0 ? [`${due} due${daemon.up ? "" : ", when a daemon is up"}`] : []),
        ...(waits.length > 0 ? [`${waits.length} ${waits.length === 1 ? "waits" : "wait"} for a run to end`] : []),
        ...(asked > 0 ? [`${asked} asked for`] : []),
      ].join("; "),
    ]);
    const none = "Nothing begins by itself: no workflow in .workflow/workflows/ has triggers (on:).";
    const text = [
      rows.length > 0 ? table(rows) : none,
      ...(rows.length > 0 && !daemon.up ? ["No daemon is up: cox start --detach, and it begins."] : []),
    ].join("\n");
    return done(text, { daemon: daemon.up ? "up" : "down", now, next: sorted });
  },
};

function firstOf({ at: [first] }: Next): number {
  return first === undefined ? Number.MAX_SAFE_INTEGER : toMs(first);
}

function standing(trigger: Trigger, own: Remembered | undefined, now: string) {
  const waits = (own?.waits ?? []).map(({ on, about }) => ({ on, about }));
  if (trigger.on !== "schedule") return { at: [], due: 0, waits };
  const last = own?.last ?? now;
  const { late, fresh } = dueOn(trigger, last, now);
  return { at: nextOn(trigger, toMs(last) > toMs(now) ? last : now, SHOWN), due: late.length + fresh.length, waits };
}
