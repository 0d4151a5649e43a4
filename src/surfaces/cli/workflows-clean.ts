/** `cox workflows clean`: runs that are over leave the disk; the ledger keeps them. */
import { lstatSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { compareTaskIds, type TaskId } from "../../model/ids.ts";
import { parseDuration } from "../../model/time.ts";
import { at } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { outcomeOf } from "../../workflow/outcome.ts";
import { done, refused, type Outcome, type Subcommand, type Trouble } from "./command.ts";
import type { Task } from "../../model/task.ts";
import type { Workspace } from "./context.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { exclusively } from "./edit.ts";
import { findLedger, isAsRecorded, recordedFiles, type LedgerPlace } from "./ledger-place.ts";
import { noRun, runNamed, runsOnDisk, type RunOnDisk } from "./runs-on-disk.ts";
import { settingsOf } from "./settings.ts";
import { readTasks } from "./tasks-on-disk.ts";
import { bytesText } from "./text.ts";

interface Leaver {
  run: RunOnDisk;
  /** Task files first, in the order in which they go. */
  paths: string[];
  bytes: number;
}

interface Kept {
  run: RunOnDisk;
  why: string;
}

export const clean: Subcommand = {
  name: "clean",
  where: "workspace",
  summary: "take runs that are over off the disk",
  description:
    "Takes the files of runs that are over off the disk: their tasks, prompts, responses and summaries. Without names those that\nhave been over for long enough: completed ones for retention.completed (7d), others for retention.failed (30d). Named ones, or\nwith --all all that are over, leave at once. The ledger keeps everything: cox log tells of it, cox restore --at brings it\nback. What is not in the ledger as it is stays, and so does a run whose steps other tasks wait for.",
  arguments: [
    { name: "run", text: "runs as cox workflows lists them, or their tasks", optional: true, variadic: true },
  ],
  options: [
    { name: "all", text: "all runs that are over, however lately" },
    { name: "dry-run", text: "only say what would leave" },
  ],
  example: "cox workflows clean --dry-run",
  async run(input, { workspace, environment }) {
    const [names, all, isDry] = [input.list("run"), input.flag("all"), input.flag("dry-run")];
    if (all && names.length > 0)
      return refused({ exit: 2, what: "--all is for all runs, and some are named.", todo: "Take one of the two." });
    const settings = settingsOf(workspace, environment);
    if (settings.problems.length > 0)
      return refused({
        exit: 1,
        what: "The settings cannot be used, so nobody can tell what may leave.",
        problems: settings.problems,
        todo: "Mend .workflow/config.yaml, then again.",
      });
    const found = await findLedger(workspace.repository, environment);
    if ("trouble" in found) return refused(found.trouble);
    const { retention } = settings.config;
    const keep = {
      completed: parseDuration(retention.completed) ?? 0,
      failed: parseDuration(retention.failed) ?? 0,
    };
    const cleaned = await exclusively(workspace, async () => {
      const chosen = choose(workspace.folder, { names, all, keep });
      if ("trouble" in chosen) return chosen;
      const { leavers, kept } = await look(workspace.folder, chosen.runs, found.ok);
      if (!isDry) for (const leaver of leavers) await remove(workspace.folder, leaver);
      return { leavers, kept };
    });
    if ("trouble" in cleaned) return refused(cleaned.trouble);
    return told(workspace, cleaned, isDry);
  },
};

function choose(
  folder: string,
  { names, all, keep }: { names: string[]; all: boolean; keep: { completed: number; failed: number } },
): { runs: RunOnDisk[] } | { trouble: Trouble } {
  const runs = runsOnDisk(folder);
  if (names.length === 0) {
    const over = runs.filter((run) => outcomeOf(run).over);
    const age = (run: RunOnDisk) =>
      Date.now() - Math.max(...taskFiles(run).map((path) => factsOf(folder, path).mtimeMs));
    const kept = ({ task }: RunOnDisk) => keep[task.status === "completed" ? "completed" : "failed"];
    return { runs: over.filter((run) => all || age(run) > kept(run)) };
  }
  const named = new Set<RunOnDisk>();
  for (const name of names) {
    const run = runNamed(folder, name, runs);
    if (!run) return { trouble: noRun(name, runs) };
    const { over, progress } = outcomeOf(run);
    if (!over)
      return {
        trouble: {
          exit: 4,
          what: `${run.run} is not over: ${progress}.`,
          todo: `cox workflows cancel ${run.run} ends it; nothing was removed.`,
        },
      };
    named.add(run);
  }
  return { runs: [...named] };
}

/** Which of the runs may leave now, and why the others may not. */
async function look(
  folder: string,
  runs: readonly RunOnDisk[],
  { repository, tip }: LedgerPlace,
): Promise<{ leavers: Leaver[]; kept: Kept[] }> {
  const recorded = tip === null ? new Map<string, string>() : await recordedFiles(repository, tip);
  const leavers: Leaver[] = [];
  const kept: Kept[] = [];
  for (const run of runs) {
    const waiting = othersThatNeed(folder, run);
    if (waiting.length > 0) {
      kept.push({ run, why: `${waiting.slice(0, 3).join(", ")} waits for a step of it` });
      continue;
    }
    const paths = [...taskFiles(run), ...furtherFiles(folder, run)];
    const lost: string[] = [];
    for (const path of paths) {
      if (path.includes("/.summaries/")) continue; // made from the others
      const [id, content] = [recorded.get(path), readRegular(join(folder, path))?.content];
      if (id === undefined || !content || !(await isAsRecorded(repository, id, content))) lost.push(path);
    }
    if (lost.length > 0) {
      const more = lost.length > 3 ? ` and ${lost.length - 3} more` : "";
      kept.push({ run, why: `not in the ledger as it is: ${lost.slice(0, 3).join(", ")}${more}` });
    } else leavers.push({ run, paths, bytes: paths.reduce((sum, path) => sum + factsOf(folder, path).size, 0) });
  }
  return { leavers, kept };
}

function othersThatNeed(folder: string, { session, task, steps }: RunOnDisk): string[] {
  const own = new Set([task.id, ...steps.map(({ id }) => id)]);
  return readTasks(folder, session).tasks.flatMap((other) => {
    const { id, status, relations } = other.task() ?? {};
    if (id === undefined || own.has(id) || status === "completed") return [];
    return relations?.dependencies.some((of) => own.has(of)) ? [`${session}/${id}`] : [];
  });
}

/**
 * In the order in which they go. The run's own first: without steps it would be a task like any other, and start. Then the
 * last step first, so that none starts because one that it waits for is gone; with a step its parts are gone anyway.
 */
function taskFiles({ session, task, steps }: RunOnDisk): string[] {
  const isPart = ({ execution }: Task) => execution.workflow?.part_of !== undefined;
  const inOrder = steps.toSorted((a, b) => Number(isPart(a)) - Number(isPart(b)) || compareTaskIds(b.id, a.id));
  return [task, ...inOrder].map(({ id }) => at.task(session, id));
}

/** What belongs to its tasks, and the workflows as they were. */
function furtherFiles(folder: string, { session, run, task, steps }: RunOnDisk): string[] {
  const own = new Set<TaskId>([task, ...steps].map(({ id }) => id));
  const found = ["prompts", "responses", "plans", ".summaries"].flatMap((part) =>
    namesIn(join(folder, session, part))
      .filter((name) => own.has(/^impl-\d+(?:\.\d+)?(?=-|\.[a-z])/i.exec(name)?.[0].toLowerCase() ?? ""))
      .map((name) => `${session}/${part}/${name}`),
  );
  // Those that it runs are beside it: `data-1.other.yaml`.
  const workflows = namesIn(join(folder, session, "workflows")).filter((name) => name.startsWith(`${run}.`));
  return [...found, ...workflows.map((name) => `${session}/workflows/${name}`)];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // nothing of it can be removed then
  }
}

function factsOf(folder: string, path: string): { size: number; mtimeMs: number } {
  return lstatSync(join(folder, path), { throwIfNoEntry: false }) ?? { size: 0, mtimeMs: 0 };
}

async function remove(folder: string, { paths }: Leaver): Promise<void> {
  for (const path of paths) await rm(join(folder, path), { force: true });
}

async function told(
  workspace: Workspace,
  { leavers, kept }: { leavers: Leaver[]; kept: Kept[] },
  dry_run: boolean,
): Promise<Outcome> {
  const bytes = leavers.reduce((sum, leaver) => sum + leaver.bytes, 0);
  const lines = leavers.map(
    ({ run: { run, session, task }, paths, bytes: size }) =>
      `${run} (${session}/${task.id}) ${dry_run ? "would leave" : "left"}: ${paths.length} files, ${bytesText(size)}`,
  );
  lines.push(...kept.map(({ run: { run }, why }) => `${run} stays: ${why}`));
  if (lines.length === 0) lines.push("There is nothing to clean.");
  const daemon = await daemonOf(workspace);
  if (leavers.length > 0 && !dry_run) lines.push(whoActs(daemon));
  const about = ({ run, session, task }: RunOnDisk) => ({ run, session, task: task.id, status: task.status });
  return done(lines.join("\n"), {
    ...{ dry_run, bytes, daemon: daemon.up ? "up" : "down" },
    removed: leavers.map((leaver) => ({ ...about(leaver.run), files: leaver.paths, bytes: leaver.bytes })),
    kept: kept.map((each) => ({ ...about(each.run), why: each.why })),
  });
}
