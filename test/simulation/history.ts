/**
 * The ledger as git keeps it: objects and a ref, which a power cut may take back until it is synced; and what must be true
 * of what it says. Each commit is compared with those before it, in the moment in which it becomes history.
 */
import { createHash } from "node:crypto";
import type { Chance } from "./chance.ts";
import type { World } from "./world.ts";

/** As `LedgerEntry` of src/ledger. */
interface Commit {
  subject: string;
  trailers: [key: string, value: string][];
  actor: "daemon" | "person";
  at: string;
  changes: { path: string; content: Buffer | null }[];
}

export interface Recorded {
  status: string;
  continues: boolean;
  dependencies: string[];
  title: string;
  budget: number | undefined;
}

export class History {
  readonly files = new Map<string, Buffer>();
  /** `<session>/<task>` → as it is on record. */
  readonly tasks = new Map<string, Recorded>();
  /** Attempts that are on record as begun: run → task. */
  readonly begun = new Map<string, string>();
  /** How often a task of this title began, and was deleted. */
  readonly born = new Map<string, number>();
  readonly deleted = new Set<string>();
  readonly commits: string[] = [];
  transitions = 0;
  private undo: (() => void)[] = [];
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  get tip(): string | null {
    return this.commits.at(-1) ?? null;
  }

  /** The ref has moved: from now on every reader sees it. */
  publish(entries: readonly Commit[]): string[] {
    const made: string[] = [];
    for (const entry of entries) {
      const id = createHash("sha1").update(`${this.tip} ${entry.subject} ${this.commits.length}`).digest("hex");
      this.commits.push(id);
      this.undo.push(() => this.commits.pop());
      made.push(id);
      this.world.say(`recorded ${entry.subject}`);
      this.check(entry);
      for (const { path, content } of entry.changes) {
        this.put(this.files, path, content ?? undefined);
      }
    }
    return made;
  }

  /** What was published survives a power cut. */
  sync(): void {
    this.undo = [];
  }

  /** The power was cut: what was not synced is there or not, wholly. */
  cut(chance: Chance): void {
    if (this.undo.length > 0 && chance.is(0.5)) {
      this.world.say("the last commits were not on the disk yet");
      for (const back of this.undo.reverse()) back();
    }
    this.undo = [];
  }

  private check({ subject, trailers, changes }: Commit): void {
    const facts = new Map(trailers);
    const [session, id, from, to] = ["Cox-Session", "Cox-Task", "Cox-From", "Cox-To"].map((key) => facts.get(key));
    if (!session || !id) return;
    const key = `${session}/${id}`;
    const before = this.tasks.get(key);
    const content = changes.findLast(({ path }) => path === `${session}/.task/${id}.json`)?.content;
    const task = content ? (JSON.parse(content.toString("utf8")) as Written) : undefined;
    if (from && to) {
      this.transitions++;
      const known = before?.status ?? "new";
      if (from !== known)
        this.world.broken(`a transition was lost or repeated: "${subject}" while ${key} was ${known}`);
      if (to === "active") this.starts(key, session, task);
    } else if (!before) this.world.broken(`"${subject}" is about a task that is not on record`);
    if (to === "deleted") {
      if (before) this.deleted.add(before.title);
      this.put(this.tasks, key, undefined);
      return;
    }
    if (!task) return this.world.broken(`"${subject}" came without the task's file`);
    if (from === "new") this.world.say(`  ${key} is ${task.title}`);
    if (from === "new") this.put(this.born, task.title, (this.born.get(task.title) ?? 0) + 1);
    const status = to ?? before?.status ?? "";
    if (task.status !== status) this.world.broken(`"${subject}" came with a file that says ${task.status}`);
    const { execution, relations, title } = task;
    this.put(this.tasks, key, {
      status,
      continues: execution.continue_on_error === true,
      dependencies: relations.dependencies,
      title,
      budget: execution.budget_usd,
    });
  }

  private starts(key: string, session: string, task: Written | undefined): void {
    const run = task?.execution.last_attempt?.run_id;
    if (!run) return this.world.broken(`${key} is active without an attempt`);
    if (this.begun.has(run)) this.world.broken(`attempt ${run} of ${key} began twice`);
    this.put(this.begun, run, key);
    for (const id of task.relations.dependencies) {
      const dependency = this.tasks.get(`${session}/${id}`);
      const done = dependency?.status === "completed" || (dependency?.status === "blocked" && dependency.continues);
      if (!done) this.world.broken(`${key} began before its dependency ${id} (${dependency?.status ?? "unknown"})`);
    }
  }

  private put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
    const before = map.get(key);
    this.undo.push(() => void (before === undefined ? map.delete(key) : map.set(key, before)));
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
}

interface Written {
  title: string;
  status: string;
  relations: { dependencies: string[] };
  execution: {
    continue_on_error?: boolean;
    budget_usd?: number;
    last_attempt?: { run_id?: string | null } | null;
  };
}
