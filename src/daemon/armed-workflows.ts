/** The workflows in `workflows/` that have triggers, and what is wrong with those that cannot be used. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { problem, type Problem } from "../problems.ts";
import { at } from "../store/paths.ts";
import { readRegular, sha256 } from "../store/scan.ts";
import { readWorkflow } from "../store/workflow-file.ts";
import { triggersOf, type Trigger } from "../workflow/triggers.ts";
import { steady } from "./steady.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

interface Known {
  path: string;
  hash: string;
  triggers: Trigger[];
  problems: Problem[];
}

/** An editor's save takes a file away for a moment. */
const GONE_MS = 2000;

export class ArmedWorkflows {
  private readonly workspace: Workspace;
  private readonly known = new Map<string, Known>();
  private readonly goneSince = new Map<string, number>();
  private isStale = true;

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  /** The files have to be looked at again. */
  stale(): void {
    this.isStale = true;
  }

  /** Roles have changed, and with them what is wrong. */
  rolesChanged(): void {
    for (const known of this.known.values()) known.hash = "";
    this.isStale = true;
  }

  /** In how many ms a file that is gone is given up; undefined where none is. */
  get goneIn(): number | undefined {
    const since = [...this.goneSince.values()];
    return since.length === 0 ? undefined : Math.max(1, Math.min(...since) + GONE_MS - steady());
  }

  /** Whether there is such a file, in order or not. */
  isThere(name: string): boolean {
    return this.known.has(name);
  }

  /** Those whose triggers count now. */
  async all(): Promise<Map<string, Trigger[]>> {
    if (this.isStale || this.goneSince.size > 0) await this.readAll();
    const armed = new Map<string, Trigger[]>();
    for (const [name, { path, hash, triggers, problems }] of this.known) {
      if (problems.length > 0 || triggers.length === 0) continue;
      const { held } = this.workspace;
      const isObeyed = isTrusted(this.workspace, path, hash);
      if (isObeyed) armed.set(name, triggers);
      const before = held.get(path);
      if (isObeyed && before) await held.release(path);
      if (!isObeyed && !before) held.hold(path, { hash, problems: [untrusted(path)] }, steady());
    }
    return armed;
  }

  private async readAll(): Promise<void> {
    this.isStale = false;
    const { folder, held } = this.workspace;
    const names = new Set(workflowFiles(folder));
    for (const name of names) {
      const path = at.workflow(name);
      const content = readRegular(join(folder, path))?.content;
      if (!content) continue;
      this.goneSince.delete(name);
      const hash = sha256(content);
      if (this.known.get(name)?.hash === hash) continue;
      const read = readWorkflow(content.toString("utf8"), this.workspace.roles.keys());
      const problems = "problems" in read ? read.problems : [];
      this.known.set(name, { path, hash, triggers: "ok" in read ? triggersOf(read.ok) : [], problems });
      if (problems.length > 0) held.hold(path, { hash, problems }, steady());
      else await held.release(path);
    }
    for (const name of this.known.keys()) {
      if (names.has(name)) continue;
      const since = this.goneSince.get(name) ?? steady();
      this.goneSince.set(name, since);
      if (steady() - since < GONE_MS) continue;
      this.goneSince.delete(name);
      this.known.delete(name);
      await held.release(at.workflow(name));
    }
  }
}

function workflowFiles(folder: string): string[] {
  try {
    return readdirSync(join(folder, "workflows")).flatMap((name) => /^(\w[\w-]*)\.yaml$/.exec(name)?.[1] ?? []);
  } catch {
    return [];
  }
}

function untrusted(path: string): Problem {
  const hint = `Nothing begins by itself until you have read it: cox trust .workflow/${path}.`;
  return problem("untrusted-file", `${path} has triggers, is tracked by the code's branch, and is not trusted.`, {
    hint,
  });
}
