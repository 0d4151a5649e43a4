/** Whether a ledger is whole: the story that it tells, the objects that it names, what git says of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openObjects } from "../../ledger/cat-file.ts";
import { git, type Repository } from "../../ledger/git.ts";
import { readLog } from "../../ledger/log.ts";
import { whyUnreadable } from "../../ledger/unreadable.ts";
import { taskKey, type TaskKey } from "../../model/ids.ts";
import { placeOf } from "../../store/paths.ts";
import { chainBreaks } from "./chain.ts";
import type { Trouble } from "./command.ts";
import { bad, ok, some, warn, type Finding } from "./doctor-finding.ts";
import { recordedFiles } from "./ledger-place.ts";
import { isObject } from "./tasks-on-disk.ts";
import { oneLine } from "./text.ts";

/** Of a command that needs the ledger. */
export function unreadable(ref: string, why: string): Trouble {
  return { exit: 1, what: `${ref} cannot be read.`, why: oneLine(why, 400), todo: `${HOW_TO_MEND}.` };
}

export const HOW_TO_MEND =
  "see git fsck; fetch the ref from where it was pushed, or set it to a commit that can be read";

/** Of a ref at which there is no commit: a ledger that has not begun, or one that is damaged. */
export async function notBegun(repository: Repository, ref: string): Promise<Finding> {
  const why = await whyUnreadable(repository.commonDir, ref);
  return why === undefined
    ? ok("ledger", `${ref} has not begun`)
    : bad("ledger", `${ref} names no commit that can be read: ${oneLine(why)}.`, HOW_TO_MEND);
}

/** The last `Cox-To` of a task is the status in its recorded file: asked of the same commit, so no daemon disturbs it. */
export async function storyFinding(repository: Repository, tip: string): Promise<Finding> {
  const entries = await readLog(repository.commonDir, tip, { ownLine: true });
  const cut = shallowIn(repository);
  const first = entries.at(-1)?.commit;
  const status = await recordedStatus(repository, tip);
  const breaks = chainBreaks(entries, (key) => status.get(key) ?? null, {
    tasks: status.keys(),
    cut: first !== undefined && cut.has(first),
  });
  const tasks = new Set(entries.flatMap(({ session, task }) => (session && task ? [taskKey(session, task)] : [])));
  const said = `${entries.length} entries, ${tasks.size} tasks`;
  if (breaks.length > 0)
    return bad(
      "story",
      `${said}, ${breaks.length} breaks: ${some(breaks, 5)}`,
      "cox log --task <task> shows the story",
    );
  if (first !== undefined && cut.has(first))
    return warn("story", `${said}; what came before ${first.slice(0, 12)} was not fetched`, "git fetch --unshallow");
  return ok("story", `${said}: each transition follows the one before`);
}

/** The status in the recorded file of each task; null where the file cannot be read. */
async function recordedStatus(repository: Repository, tip: string): Promise<Map<TaskKey, string | null>> {
  const status = new Map<TaskKey, string | null>();
  const objects = openObjects(repository.commonDir);
  try {
    for (const [path, id] of await recordedFiles(repository, tip)) {
      const place = placeOf(path);
      if (place.kind !== "task" || place.id === null) continue;
      const object = await objects.get(id).catch(() => null);
      if (!object) throw new Error(`git has no sound ${path} (${id})`);
      const value = parsed(object.content.toString("utf8"));
      const said = isObject(value) ? value["status"] : undefined;
      status.set(taskKey(place.session, place.id), typeof said === "string" ? said : null);
    }
  } finally {
    await objects.close();
  }
  return status;
}

function shallowIn({ commonDir }: Repository): Set<string> {
  try {
    return new Set(readFileSync(join(commonDir, "shallow"), "utf8").split("\n"));
  } catch {
    return new Set();
  }
}

export async function objectsFinding({ commonDir }: Repository, tip: string): Promise<Finding> {
  const walked = await git(["rev-list", "--objects", "--quiet", tip], { cwd: commonDir, gitDir: commonDir });
  return walked.code === 0
    ? ok("objects", "git has all that the ledger names")
    : bad(
        "objects",
        `git misses some: ${oneLine(walked.stderr.split("\n")[0] ?? "")}`,
        "fetch the ref from where it was pushed",
      );
}

/** Checks every object, byte for byte. What is wrong with objects of the person's own only is said, and no damage here. */
export async function fsckFinding(repository: Repository, tip: string | null): Promise<Finding> {
  const { commonDir } = repository;
  const own = { cwd: commonDir, gitDir: commonDir };
  const checked = await git(["fsck", "--full", "--strict", "--no-dangling", "--no-progress", "--no-reflogs"], own);
  const lines = `${checked.stdout.toString()}\n${checked.stderr}`.split("\n").flatMap((line) => oneLine(line) || []);
  if (checked.code === 0) return ok("fsck", "git finds nothing wrong");
  const said = `git fsck: ${some(lines, 3)}`;
  return tip !== null && (await isOfOthers(repository, tip, lines))
    ? warn("fsck", `${said} (nothing of the ledger)`, "see git fsck --full --strict")
    : bad("fsck", said, "see git fsck --full --strict");
}

/** Whether each line names objects, and none of them is the ledger's. */
async function isOfOthers({ commonDir }: Repository, tip: string, lines: readonly string[]): Promise<boolean> {
  const named = lines.map((line) => line.match(/\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b/g) ?? []);
  if (lines.length === 0 || named.some((ids) => ids.length === 0)) return false;
  const args = ["rev-list", "--objects", "--no-object-names", "--missing=print", tip];
  const walked = await git(args, { cwd: commonDir, gitDir: commonDir });
  if (walked.code !== 0) return false;
  const ours = new Set(
    walked.stdout
      .toString()
      .split("\n")
      .map((line) => line.replace(/^\?/, "")),
  );
  return !named.flat().some((id) => ours.has(id));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
