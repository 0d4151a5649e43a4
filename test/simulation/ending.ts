/** What must be true when nothing fails any more: the first thing that is not, in a sentence. */
import type { People } from "./people.ts";
import { FOLDER, type World } from "./world.ts";

export function ending(world: World, people: People): string | undefined {
  return unfinished(world, people) ?? differing(world) ?? left(world) ?? costly(world);
}

/** Every task that was dropped began once, and is completed, or was deleted by the person who wanted that. */
function unfinished({ history }: World, people: People): string | undefined {
  const recorded = new Map([...history.tasks].map(([key, task]) => [task.title, { key, ...task }]));
  for (const { title, deleted, token } of people.wanted.values()) {
    const born = history.born.get(title) ?? 0;
    if (born !== 1) return `${title} was dropped once and began ${born} times`;
    const task = recorded.get(title);
    if (deleted !== history.deleted.has(title))
      return `${title} was ${deleted ? "deleted, and is still on record" : "never deleted, and is gone"}`;
    if (deleted) continue;
    if (task?.status !== "completed") return `${title} (${task?.key}) can be completed and is ${task?.status}`;
    const text = history.files.get(fileOf(task.key))?.toString("utf8") ?? "";
    const { acceptance } = (JSON.parse(text) as { context: { acceptance: string[] } }).context;
    if (token !== undefined && acceptance[0] !== token)
      return `the edit ${token} of ${task.key} was lost: it says ${acceptance[0] ?? "nothing"}`;
  }
  return undefined;
}

/** Disk and ledger say the same, and nothing waits to be taken in. */
function differing({ history, disk }: World): string | undefined {
  for (const key of history.tasks.keys()) {
    const recorded = history.files.get(fileOf(key))?.toString("utf8");
    if (disk.read(`${FOLDER}/${fileOf(key)}`) !== recorded) return `${fileOf(key)} is not on disk as it is on record`;
  }
  for (const folder of ["inbox", "WFS-main/.task", "WFS-side/.task"]) {
    for (const name of disk.folder(`${FOLDER}/${folder}`).keys())
      if (!history.tasks.has(`${folder.split("/")[0]}/${name.replace(/\.json$/, "")}`))
        return `${folder}/${name} was not taken in`;
  }
  return undefined;
}

/** No process, no folder of a run, nothing in the making. */
function left({ processes, disk }: World): string | undefined {
  for (const { runId } of processes.all) if (runId !== undefined) return `run ${runId} has a process left`;
  for (const folder of ["attempts", "tmp"]) {
    const [name] = disk.find(`${FOLDER}/.run/${folder}`)?.names?.keys() ?? [];
    if (name !== undefined) return `.run/${folder}/${name} was left behind`;
  }
  return undefined;
}

/** What those that are cut off have cost is estimated from what they said, which is little here. */
const ESTIMATES_USD = 0.02;

/** What agents told that they cost is charged once at most. */
function costly({ processes, disk }: World): string | undefined {
  const charged = ["WFS-main", "WFS-side"].reduce((sum, session) => {
    const text = disk.read(`${FOLDER}/${session}/workflow-session.json`) ?? "{}";
    return sum + ((JSON.parse(text) as { cost_usd?: number }).cost_usd ?? 0);
  }, 0);
  return charged > processes.told + ESTIMATES_USD
    ? `$${charged.toFixed(4)} were charged, and agents told of $${processes.told.toFixed(4)}`
    : undefined;
}

function fileOf(key: string): string {
  const [session, id] = key.split("/");
  return `${session}/.task/${id}.json`;
}
