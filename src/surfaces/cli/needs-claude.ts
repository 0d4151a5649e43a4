/** Whether the workspace has work that only Claude Code can do. */
import { isTextDrop, placeOf } from "../../store/paths.ts";
import { roleRunners } from "./role-names.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { containers, entriesOf, lenient, readTasks, readText } from "./tasks-on-disk.ts";

/** Of tasks that are not completed, and of files that may become some. `folder` is the workspace's. */
export function needsClaude(folder: string): boolean {
  const runners = roleRunners(folder);
  const needs = (agent: string | undefined) => agent !== undefined && (runners.get(agent) ?? "claude") === "claude";
  const dropNeeds = (path: string) =>
    isTextDrop(path) || needs(lenient(readText(`${folder}/${path}`) ?? "", "")?.agent);
  const inbox = entriesOf(`${folder}/inbox`).map(({ name }) => `inbox/${name}`);
  if (inbox.some((path) => placeOf(path).kind === "inbox" && dropNeeds(path))) return true;
  return readSessions(folder).sessions.some(({ session_id, status }) => {
    if (status === "completed") return false;
    const { tasks, dropped } = readTasks(folder, session_id);
    const above = containers(tasks);
    const open = tasks.filter((task) => task.status !== "completed" && !above.has(task.id));
    return open.some((task) => needs(task.task()?.agent)) || dropped.some(dropNeeds);
  });
}
