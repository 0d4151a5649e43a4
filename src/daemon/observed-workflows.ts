/** Dropped workflows, and files that ask for a run of one: each becomes a run, all its tasks together. */
import { takeIn } from "../machine/intake.ts";
import { taskNumbers, type SessionId, type TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { problem, type Problem } from "../problems.ts";
import { escaping } from "../store/escaping.ts";
import { at, placeOf } from "../store/paths.ts";
import { sha256 } from "../store/scan.ts";
import { readWorkflow, workflowsIn } from "../store/workflow-file.ts";
import { compile } from "../workflow/compile.ts";
import { varsFor } from "../workflow/vars.ts";
import type { RunRequest } from "./drops.ts";
import { TEXT_SETTLE_MS, type FoundFile, type Look } from "./observation.ts";
import { foundFolder } from "./observed-folders.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

interface Pending {
  path: string;
  hash: string;
  /** Null in the inbox: the session is chosen when it is taken in. */
  session: SessionId | null;
  request: RunRequest;
  since: number;
}

interface Made {
  tasks: Task[];
  /** Paths relative to `.workflow/`. */
  texts: { path: string; content: Buffer }[];
}

export class ObservedWorkflows {
  private readonly workspace: Workspace;
  private readonly waiting = new Map<string, Pending>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  /** Whether a text waits to have stayed as it is for long enough. */
  get restless(): boolean {
    return [...this.waiting.values()].some(({ path, request }) => isText(request) && !this.workspace.held.get(path));
  }

  forget(path: string): void {
    this.waiting.delete(path);
  }

  found(session: SessionId | null, { path, hash }: FoundFile, { request, now }: { request: RunRequest; now: number }) {
    const same = this.waiting.get(path)?.hash === hash;
    if (!same) this.waiting.set(path, { path, hash, session, request, since: now });
  }

  /** `inbox`: the session that the inbox goes to, if there is one. */
  async takeIn(look: Look, inbox: () => SessionId | null): Promise<void> {
    const { held, sources, state } = this.workspace;
    for (const pending of [...this.waiting.values()]) {
      const { path, hash, request } = pending;
      if (isText(request) && look.now - pending.since < TEXT_SETTLE_MS) continue;
      const before = sources.get(`${path} ${hash}`);
      const known = before && state.sessions.get(before.session)?.tasks.has(before.id);
      const session = pending.session ?? inbox();
      if (!known && !session) continue;
      const made = known || !session ? undefined : this.runOf(pending, session);
      if (made && "problems" in made) {
        held.hold(path, { hash, problems: made.problems }, look.now);
        continue;
      }
      this.waiting.delete(path);
      await held.release(path);
      look.seen.consumed.push(path);
      if (!made || !session) continue;
      foundFolder(this.workspace, session, look);
      look.seen.prompts.push(...made.texts);
      look.seen.events.push({ type: "tasks-found", session, tasks: made.tasks, by: "person" });
    }
  }

  private runOf({ path, hash, request }: Pending, session: SessionId): Made | { problems: Problem[] } {
    const { highest, roles, repository, state } = this.workspace;
    if (!isTrusted(this.workspace, path, hash)) return { problems: [untrusted(path)] };
    const text = "text" in request ? request.text : this.textOf(request.workflow);
    if (typeof text !== "string") return { problems: [text] };
    const others = new Map<string, string>();
    const read = readWorkflow(text, roles.keys(), (name) => {
      const other = this.textOf(name);
      if (typeof other === "string") others.set(name, other);
      return other;
    });
    if ("problems" in read) return { problems: read.problems.map((found) => inFile(found, request)) };
    const vars = varsFor(read.ok, request.vars);
    if ("problems" in vars) return vars;
    const id = this.freeId(session, path);
    const { run, tasks, texts } = compile(read.ok, {
      ...{ id, vars: vars.ok },
      ...("workflow" in request ? { name: request.workflow } : {}),
      ...(request.cause ? { cause: request.cause } : {}),
    });
    const drops = tasks.map((drop) => ({
      file: path,
      sha256: hash,
      drop,
      idByName: null,
      escaping: escaping(drop.paths ?? "", repository),
    }));
    const result = takeIn(drops, {
      session,
      taskOf: (other) => state.sessions.get(session)?.tasks.get(other),
      highest: highest.get(session) ?? 0,
      roles,
      roleNames: () => [...roles.keys()],
    });
    const problems = result.refused.flatMap((refused) =>
      refused.problems.map(({ code, message, hint }) => problem(code, message, hint ? { hint } : {})),
    );
    if (problems.length > 0) return { problems };
    highest.set(session, taskNumbers(id)[0]);
    const files = [...texts].map(([name, content]) => ({ path: `${session}/${name}`, content: Buffer.from(content) }));
    const kept = [["", text] as const, ...[...others].map(([name, other]) => [`.${name}`, other] as const)].map(
      ([name, content]) => ({ path: at.runWorkflow(session, `${run}${name}`), content: Buffer.from(content) }),
    );
    return { tasks: result.accepted.map(({ task }) => task), texts: [...files, ...kept] };
  }

  /** A number that nothing has had, and that no file names which is not taken in yet. */
  private freeId(session: SessionId, own: string): TaskId {
    const { held, highest } = this.workspace;
    const named = [own, ...held.all().map(({ path }) => path)].flatMap((path) => {
      const place = placeOf(path);
      return place.kind === "task" && place.session === session && place.id ? taskNumbers(place.id)[0] : [];
    });
    let number = (highest.get(session) ?? 0) + 1;
    while (named.includes(number)) number++;
    return `impl-${number}`;
  }

  private textOf(name: string): string | Problem {
    const mayRun = (path: string, content: Buffer) =>
      isTrusted(this.workspace, path, sha256(content)) ? undefined : untrusted(path);
    return workflowsIn(this.workspace.folder, mayRun)(name);
  }
}

const isText = (request: RunRequest) => "text" in request && request.isFile;

/** Where it is not the dropped file itself that is wrong, the place belongs into the words. */
function inFile(found: Problem, request: RunRequest): Problem {
  if (isText(request)) return found;
  const { line, column, pointer: _, ...rest } = found;
  const file = "text" in request ? "the workflow" : at.workflow(request.workflow);
  return { ...rest, message: `In ${file}, line ${line}, column ${column}: ${found.message}` };
}

function untrusted(path: string): Problem {
  const hint = `Read it, then: cox trust .workflow/${path}.`;
  return problem("untrusted-file", `${path} is tracked by the code's branch, and not trusted.`, { hint });
}
