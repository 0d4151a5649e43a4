/** `cox undo`: takes back what a person did to a task, as an edit of its file, where nothing has come of it yet. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openObjects } from "../../ledger/cat-file.ts";
import { readLog, type LogEntry } from "../../ledger/log.ts";
import { at as paths, WORKSPACE } from "../../store/paths.ts";
import { formatJson } from "../../store/json-file.ts";
import { done, refused, type Command, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { createFile, exclusively, saveJson } from "./edit.ts";
import { commitIn } from "./ledger-commit.ts";
import { findLedger } from "./ledger-place.ts";
import { findTask, type NamedTask } from "./naming.ts";
import { parsed } from "./recorded-responses.ts";
import { fieldChanges, type FieldChange } from "./show-commit.ts";
import { isObject, readTasks } from "./tasks-on-disk.ts";
import { oneLine } from "./text.ts";

type Here = Context & { workspace: Workspace };

export const command: Command = {
  where: "workspace",
  description:
    "Takes back what a person did to a task: an approval, a cancel, a retry, an edit, a deletion, a new task. It is an edit of the file, and is recorded as one. Exit 4, with the reason, where something has come of it already, or where it was the daemon's doing.",
  arguments: [{ name: "commit", text: "a commit of the ledger, as cox log shows it" }],
  example: "cox undo 3f2a91c0",
  run: async (input, context) => undo(input.text("commit") ?? "", context),
};

/** The task's file before and after; null: there was none. */
interface Deed {
  entry: LogEntry & { session: string; task: string };
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

async function undo(name: string, context: Here): Promise<Outcome> {
  const deed = await deedOf(name, context);
  if ("trouble" in deed) return refused(deed.trouble);
  const { entry } = deed.ok;
  const { workspace } = context;
  const path = paths.task(entry.session, entry.task);
  const taken = await exclusively(workspace, async () => {
    const planned = takeBack(deed.ok, workspace);
    if ("trouble" in planned) return planned;
    const { value, like } = planned.ok;
    if (value === null) await rm(join(workspace.folder, path));
    else if (like !== undefined) await saveJson(workspace, { path, value, like });
    else if (!(await createFile(workspace, path, formatJson(value)))) return { trouble: thereAgain(entry) };
    return planned;
  });
  if ("trouble" in taken) return refused(taken.trouble);
  const daemon = await daemonOf(workspace);
  const file = `${WORKSPACE}/${path}`;
  const { fields, said, value } = taken.ok;
  const { session, task, commit } = entry;
  const json = {
    session,
    task,
    commit,
    fields,
    status: value?.["status"] ?? null,
    file,
    daemon: daemon.up ? "up" : "down",
  };
  const same = `The same as: ${value === null ? "delete" : `edit ${fields.map((field) => field.slice(1).replaceAll("/", ".")).join(", ")} in`} ${file}`;
  return done(
    [`Taken back: ${oneLine(entry.subject)}. ${said}`, context.paint("dim", same), whoActs(daemon)].join("\n"),
    json,
  );
}

async function deedOf(name: string, context: Here): Promise<{ ok: Deed } | { trouble: Trouble }> {
  const place = await findLedger(context.dir, context.environment);
  if ("trouble" in place) return place;
  const { repository, ref, tip } = place.ok;
  const todo = "cox log --actor person lists what people did.";
  if (tip === null) return { trouble: { exit: 1, what: `Nothing is recorded in ${ref}.`, todo } };
  const named = await commitIn({ repository, ref, tip }, name);
  if ("trouble" in named) return { trouble: { exit: 1, ...named.trouble, todo } };
  const [entry] = await readLog(repository.root, named.ok, { limit: 1 });
  if (!entry) return { trouble: { exit: 1, what: `${oneLine(name)} cannot be read.`, todo } };
  const { session, task } = entry;
  const subject = oneLine(entry.subject);
  if (session === null || task === null) {
    const what = `"${subject}" is no change of a task.`;
    return { trouble: { exit: 4, what, why: "Only what was done to a task can be taken back.", todo } };
  }
  if (entry.actor !== "person") {
    const what = `"${subject}" was the daemon's doing.`;
    const why = "It recorded what happened; that cannot be made not to have happened.";
    const again = `Run it again: cox retry ${session}/${task}; or bring the session back as it was: cox restore --session ${session} --at ${entry.commit.slice(0, 12)}~1`;
    return { trouble: { exit: 4, what, why, todo: again } };
  }
  const objects = openObjects(repository.commonDir);
  const read = async (commit: string) => {
    const value = parsed(
      (await objects.get(`${commit}:${WORKSPACE}/${paths.task(session, task)}`))?.content.toString() ?? null,
    );
    return isObject(value) ? value : null;
  };
  try {
    const [before, after] = [await read(`${entry.commit}^`), await read(entry.commit)];
    return { ok: { entry: { ...entry, session, task }, before, after } };
  } finally {
    await objects.close();
  }
}

/** `like`: the file's text as it stands; undefined where it is made anew. `value` null: the file goes. */
type Taken = { value: Record<string, unknown> | null; like?: string; fields: string[]; said: string };

function takeBack({ entry, before, after }: Deed, workspace: Workspace): { ok: Taken } | { trouble: Trouble } {
  const key = `${entry.session}/${entry.task}`;
  const found = findTask(workspace, key);
  if (after === null) {
    if (before === null)
      return { trouble: { exit: 4, what: `${key} was not there before either.`, todo: `cox show ${key}` } };
    if (!("missing" in found)) return { trouble: thereAgain(entry) };
    const hidden = redacted(before);
    if (hidden) return { trouble: hidden };
    const value = before["status"] === "active" ? queued(before) : before;
    return { ok: { value, fields: [], said: `${key} is back.` } };
  }
  if ("trouble" in found) return found;
  const current = parsed(found.ok.text);
  if (!isObject(current))
    return { trouble: { exit: 1, what: `The file of ${key} cannot be read.`, todo: "cox validate" } };
  const begun = hasBegun(found.ok, after, workspace);
  if (begun) return { trouble: begun };
  if (before === null) {
    const others = fieldChanges(after, current).filter(({ field }) => !field.startsWith("/execution"));
    if (others.length > 0) return { trouble: changedSince(key, others) };
    return { ok: { value: null, fields: [], said: `${key} is gone; the ledger still has it.` } };
  }
  const changes = fieldChanges(before, after);
  if (changes.length === 0) {
    const todo = `git show ${entry.commit.slice(0, 12)} shows what it did.`;
    return { trouble: { exit: 4, what: `"${oneLine(entry.subject)}" changed nothing in the file of ${key}.`, todo } };
  }
  const since = changes.filter(
    ({ field, after: then }) => JSON.stringify(valueAt(current, field)) !== JSON.stringify(then),
  );
  if (since.length > 0) return { trouble: changedSince(key, since) };
  const hidden = redacted(changes.map((change) => change.before));
  if (hidden) return { trouble: hidden };
  let value = current;
  for (const { field, before: was } of changes) value = withValue(value, field.slice(1).split("/").map(unescaped), was);
  // Its agent was stopped: it begins anew.
  if (value["status"] === "active") value = queued(value);
  const said = `${key} is ${String(value["status"])} ${value["status"] === current["status"] ? "as it was" : "again"}.`;
  return { ok: { value, like: found.ok.text, fields: changes.map(({ field }) => field), said } };
}

/** What has come of it: an attempt of its own, or one of a task that waited for it. */
function hasBegun(
  { session, id, task, name }: NamedTask,
  after: Record<string, unknown>,
  workspace: Workspace,
): Trouble | null {
  const then = isObject(after["execution"]) ? after["execution"]["attempts"] : undefined;
  const active = task.status === "active" && after["status"] !== "active";
  if (active || (typeof then === "number" && task.execution.attempts > then)) {
    const what = `${name} has begun attempt ${task.execution.attempts} since.`;
    const todo = active ? `Stop it: cox cancel ${name}` : `See what came of it: cox show ${name}`;
    return { exit: 4, what, why: "What an agent did cannot be made not to have happened.", todo };
  }
  if (task.status !== "completed") return null;
  const dependents = readTasks(workspace.folder, session).tasks.filter((other) => {
    const whole = other.id === id || other.status === "pending" ? null : other.task();
    return whole?.relations.dependencies.includes(id) === true && whole.execution.attempts > 0;
  });
  if (dependents.length === 0) return null;
  const names = dependents.map((other) => other.id).join(", ");
  return { exit: 4, what: `${names} built on ${name} since.`, todo: `Run it again instead: cox retry ${name}` };
}

function changedSince(key: string, changes: readonly FieldChange[]): Trouble {
  const names = changes.map(({ field }) => oneLine(field.slice(1).replaceAll("/", "."), 80));
  const why = "Taking it back would take back the later change too.";
  return {
    exit: 4,
    what: `${key} was changed since: ${names.join(", ")}.`,
    why,
    todo: `Edit it by hand: cox show ${key}`,
  };
}

function redacted(value: unknown): Trouble | null {
  if (!JSON.stringify(value ?? null).includes("[redacted:")) return null;
  const why = "It was recorded with secrets replaced, which would come back as they were recorded.";
  return { exit: 4, what: "What was there before is not known any more.", why, todo: "Edit the file by hand." };
}

function thereAgain({ session, task }: Deed["entry"]): Trouble {
  return { exit: 4, what: `${session}/${task} is there again.`, todo: `Look at it: cox show ${session}/${task}` };
}

function queued(task: Record<string, unknown>): Record<string, unknown> {
  return { ...task, status: "pending" };
}

const unescaped = (part: string) => part.replaceAll("~1", "/").replaceAll("~0", "~");

function valueAt(value: unknown, pointer: string): unknown {
  let at = value;
  for (const part of pointer.slice(1).split("/").map(unescaped)) {
    if (!isObject(at) || !Object.hasOwn(at, part)) return undefined;
    at = at[part];
  }
  return at;
}

/** The value with one field as given, undefined: without it. */
function withValue(value: Record<string, unknown>, path: readonly string[], to: unknown): Record<string, unknown> {
  const [first = "", ...rest] = path;
  const changed = { ...value };
  if (rest.length > 0) changed[first] = withValue(isObject(changed[first]) ? changed[first] : {}, rest, to);
  else if (to === undefined) delete changed[first];
  else changed[first] = to;
  return changed;
}
