/** Values of the variables that agents get by name: they must not become a git object. SPEC section 7. */
import { redactor } from "../ledger/redact.ts";
import type { Role } from "../model/role.ts";
import type { Task } from "../model/task.ts";
import type { Change } from "../model/transition.ts";

const SHORTEST = 6;

/** Knows more and more values, and forgets none while the daemon lives: what an agent was given it may tell later. */
export class Secrets {
  private readonly environment: NodeJS.ProcessEnv;
  private readonly values = new Set<string>();
  private take: ReturnType<typeof redactor> | undefined;

  constructor(environment: NodeJS.ProcessEnv) {
    this.environment = environment;
  }

  /** `names`: of variables. */
  add(names: Iterable<string> = []): void {
    for (const name of names) {
      const value = this.environment[name] ?? "";
      if (value.length < SHORTEST || this.values.has(value)) continue;
      this.values.add(value);
      this.take = undefined;
    }
  }

  addRoles(roles: ReadonlyMap<string, Role>): void {
    for (const role of roles.values()) this.add(role.env);
  }

  addTask(task: Pick<Task, "execution"> | null | undefined): void {
    const names: unknown = task?.execution?.env;
    if (Array.isArray(names)) this.add(names.filter((name) => typeof name === "string"));
  }

  /** What a decision's agents get is known before they, or what is recorded of them, can tell it. */
  addDecided(changes: readonly Change[]): void {
    for (const change of changes) if (change.of === "task" || change.of === "task-edit") this.addTask(change.after);
  }

  /** The text without what is known by its value, and without what looks like a secret. */
  readonly redact = (text: string): string => {
    this.take ??= redactor([...this.values]);
    return this.take(text).text;
  };
}
