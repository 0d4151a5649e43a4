/** People's saves of tasks that are on record. SPEC section 5. */
import { checkRules } from "../machine/intake.ts";
import { mergeEdit } from "../machine/merge.ts";
import { taskKey, type SessionId, type TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { problem, type Problem } from "../problems.ts";
import { checkTaskDrop } from "../store/check.ts";
import { escaping, promptFileIs } from "../store/escaping.ts";
import { locate, parseJson, type Json, type ParsedJson } from "../store/json-file.ts";
import { answerIn } from "./answers.ts";
import type { FoundFile, Look } from "./observation.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

interface Edit {
  session: SessionId;
  id: TaskId;
  found: FoundFile;
}

export class ObservedEdits {
  private readonly workspace: Workspace;
  /** Edits whose own form is right, but that break a rule of the graph: others may mend that. By path. */
  private readonly waiting = new Map<string, Edit>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  forget(path: string): void {
    this.waiting.delete(path);
  }

  async lookAgain(look: Look): Promise<void> {
    for (const edit of [...this.waiting.values()]) await this.found(edit, look);
  }

  /** Nothing if there is no such task. */
  async found(edit: Edit, { seen, now, starting }: Look): Promise<void> {
    const { workspace } = this;
    const { session, id, found } = edit;
    const { path, hash } = found;
    const current = workspace.state.sessions.get(session)?.tasks.get(id);
    this.waiting.delete(path);
    if (!current) return;
    const { source } = current.execution;
    if (source?.file === path && source.sha256 === hash) {
      // The same drop once more is the same task: its file is put back as it stood.
      await workspace.held.release(path);
      seen.events.push({ type: "task-edited", session, task: current, fields: [], by: "daemon" });
      return;
    }
    const read = readSave(found, id);
    if ("problems" in read) return workspace.held.hold(path, { hash, ...read }, now);
    const saved = starting ? withoutUnrecorded(read.ok, current) : read.ok;
    const edited = mergeEdit(saved, current, workspace.versions.get(taskKey(session, id)) ?? []);
    const { fields } = edited;
    const task = withSource(complete(edited.task), source);
    const problems = rulesBroken(workspace, session, task);
    if (problems.length > 0) {
      this.waiting.set(path, edit);
      return workspace.held.hold(path, { hash, problems: locate(read.text, problems) }, now);
    }
    const answered = answerIn(workspace, { session, task, current }, { seen, text: read.text });
    if ("problems" in answered) return workspace.held.hold(path, { hash, problems: answered.problems }, now);
    await workspace.held.release(path);
    const by = fields.length === 0 && starting ? "daemon" : "person";
    seen.events.push({ type: "task-edited", session, task: answered.task, fields, by }, ...answered.events);
    if (!isTrusted(workspace, path, hash)) seen.events.push({ type: "trust-changed", session, id, trusted: false });
  }
}

/** What was saved, as it stands, if its own form is right. */
function readSave(found: FoundFile, id: TaskId): ParsedJson {
  const parsed = parseJson(found.content);
  if ("problems" in parsed) return parsed;
  const checked = checkTaskDrop(parsed.ok);
  if ("problems" in checked) return { problems: locate(parsed.text, checked.problems), unfinished: false };
  const { id: written } = checked.ok;
  if (written === undefined || written === id) return parsed;
  const hint = `Put ${id} back, or drop a new file.`;
  const changed = problem("id-changed", `The file of ${id} says id ${written}.`, { pointer: "/id", hint });
  return { problems: locate(parsed.text, [changed]), unfinished: false };
}

function rulesBroken(workspace: Workspace, session: SessionId, task: Task): Problem[] {
  const { repository, folder, roles, state } = workspace;
  const taskOf = (id: TaskId) => state.sessions.get(session)?.tasks.get(id);
  const promptFile = (name: string) => promptFileIs(name, { repository, workspace: folder, session });
  const problems = checkRules(task, { taskOf, roles, roleNames: () => [...roles.keys()], promptFile });
  const outside = escaping(task.paths, repository).map((path) =>
    problem("path-escapes", `The path ${path} leaves the repository through a symbolic link.`, { pointer: "/paths" }),
  );
  return [...problems, ...outside];
}

/** What an attempt's history is made of. */
const UNRECORDED = [
  "attempts",
  "last_attempt",
  "failures",
  "failed_with",
  "reason",
  "next_attempt_at",
  "due_at",
  "reviews",
] as const;

/**
 * At start, an attempt's history that differs from the record was written by a daemon that did not come to record it,
 * and so never acted on it: the record counts, and it will be decided again. What a person changed stays.
 */
function withoutUnrecorded(saved: Json, recorded: Task): Json {
  const written = saved["execution"] as Partial<Task["execution"]> | undefined;
  if (!written) return saved;
  const execution = withoutParts(written, recorded.execution);
  const same =
    execution.attempts === recorded.execution.attempts &&
    JSON.stringify(execution.last_attempt) === JSON.stringify(recorded.execution.last_attempt);
  if (same) return execution === written ? saved : { ...saved, execution };
  const restored: Json = { ...execution };
  for (const key of UNRECORDED) {
    restored[key] = recorded.execution[key];
    if (restored[key] === undefined) delete restored[key];
  }
  return { ...saved, status: recorded.status, execution: restored };
}

/** More tasks than are on record for a workflow's step were not made. */
function withoutParts(
  written: Partial<Task["execution"]>,
  { workflow }: Task["execution"],
): Partial<Task["execution"]> {
  const isMore = (written.workflow?.parts ?? -1) > (workflow?.parts ?? -1);
  return isMore && workflow ? { ...written, workflow } : written;
}

/** Where a task came from is a fact: trust goes by it, and no save changes it. */
function withSource(task: Task, source: Task["execution"]["source"]): Task {
  const { source: _written, ...execution } = task.execution;
  return { ...task, execution: source ? { ...execution, source } : execution };
}

/** All ten fields, as after intake, even where an edit took one away. */
function complete(task: Task): Task {
  const { relations, context, implementation } = task as Partial<Task>;
  return {
    ...task,
    type: task.type ?? "feature",
    agent: task.agent ?? "code-developer",
    paths: task.paths ?? "",
    context: {
      ...context,
      requirements: context?.requirements ?? [],
      scope: context?.scope ?? [],
      acceptance: context?.acceptance ?? [],
    },
    relations: {
      ...relations,
      parent: relations?.parent ?? null,
      subtasks: relations?.subtasks ?? [],
      dependencies: relations?.dependencies ?? [],
    },
    implementation: {
      ...implementation,
      files: implementation?.files ?? [],
      context_notes: implementation?.context_notes ?? {},
      analysis_source: implementation?.analysis_source ?? "manual",
    },
  };
}
