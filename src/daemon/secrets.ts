/** Values of the variables that agents get by name: they must not become a git object. SPEC section 7. */
import { readFile } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import { redactor } from "../ledger/redact.ts";
import { withheld } from "../ledger/withheld.ts";
import type { Role } from "../model/role.ts";
import type { Task } from "../model/task.ts";
import type { Change } from "../model/transition.ts";

const SHORTEST = 6;

/** Knows more and more values, and forgets none while the daemon lives: what an agent was given it may tell later. */
export class Secrets {
  private readonly environment: NodeJS.ProcessEnv;
  private readonly values = new Set<string>();
  private readonly names = new Set<string>();
  private file: string | undefined;
  private keeping: Promise<void> | undefined;
  private take: ReturnType<typeof redactor> | undefined;
  private readonly make: typeof redactor;

  /** `make` is another only where a test lets it fail. */
  constructor(environment: NodeJS.ProcessEnv, make = redactor) {
    this.environment = environment;
    this.make = make;
  }

  /**
   * What a task that is gone was given is redacted by the next daemon too: the names are kept in the file, never a value.
   * One that cannot be read or written costs only that.
   */
  async keepIn(file: string): Promise<void> {
    const kept: unknown = await readFile(file, "utf8")
      .then(JSON.parse, () => [])
      .catch(() => []);
    if (Array.isArray(kept)) this.add(kept.filter((name) => typeof name === "string"));
    this.file = file;
  }

  /** `names`: of variables. */
  add(names: Iterable<string> = []): void {
    for (const name of names) {
      if (!this.names.has(name)) {
        this.names.add(name);
        this.keep();
      }
      const value = this.environment[name] ?? "";
      if (value.length < SHORTEST || this.values.has(value)) continue;
      this.values.add(value);
      this.take = undefined;
    }
  }

  private keep(): void {
    const { file } = this;
    if (file === undefined) return;
    // All that come in this turn are written at once.
    this.keeping ??= Promise.resolve().then(async () => {
      this.keeping = undefined;
      await writeFileAtomic(file, `${JSON.stringify([...this.names])}\n`, { mode: 0o600 }).catch(() => {});
    });
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

  /**
   * The text without what is known by its value, and without what looks like a secret. Where that cannot be done the
   * text is withheld: nothing that was not looked through becomes a git object.
   */
  readonly redact = (text: string): string => {
    try {
      this.take ??= this.make([...this.values]);
      return this.take(text).text;
    } catch {
      return withheld(text);
    }
  };
}
