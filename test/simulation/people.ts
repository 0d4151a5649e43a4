/** People at their files: they drop tasks, edit, cancel, retry, approve and delete them, and switch sessions. */
import { Chance } from "./chance.ts";
import type { Entry } from "./disk.ts";
import { FOLDER, type World } from "./world.ts";

const SESSIONS = ["WFS-main", "WFS-side"] as const;
const MEAN_WAIT_MS = 160 * 60_000;

interface Wanted {
  title: string;
  session: string;
  deleted: boolean;
  /** The last word on what it shall fulfil that surely was saved. */
  token: string | undefined;
  /** Others wait for it: it is not deleted. */
  needed: boolean;
}

interface Written {
  title: string;
  status: string;
  context: { acceptance: string[] };
  execution: Record<string, unknown>;
  [key: string]: unknown;
}

export class People {
  readonly wanted = new Map<string, Wanted>();
  drops = 0;
  edits = 0;
  private readonly world: World;
  private readonly chance: Chance;
  private files = 0;
  /** The highest number that they gave themselves, by session. */
  private readonly numbers = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
    this.chance = new Chance(world.options.seed, "people");
  }

  begin(until: number): void {
    const { disk } = this.world;
    for (const session of SESSIONS) disk.makeFolders(`${FOLDER}/${session}/.task`);
    disk.makeFolders(`${FOLDER}/inbox`);
    for (const folder of [...SESSIONS.map((session) => `${session}/.task`), "inbox"]) this.keep(`${FOLDER}/${folder}`);
    for (const session of SESSIONS) this.save(`${FOLDER}/.active-${session}`, "");
    const next = () => {
      if (this.world.clock.now > until) return;
      this.act();
      this.world.clock.after(this.chance.wait(MEAN_WAIT_MS), next);
    };
    this.drop();
    this.world.clock.after(1000, next);
  }

  /** When nothing fails any more: what is blocked is tried again, so that all can be completed. */
  mend(): void {
    for (const session of SESSIONS) {
      if (!this.world.disk.find(`${FOLDER}/.active-${session}`)) this.save(`${FOLDER}/.active-${session}`, "");
    }
    for (const { key } of this.onRecord(({ status }) => status === "blocked")) this.again(key);
  }

  private act(): void {
    const what = this.chance.next();
    if (what < 0.5) this.drop();
    else if (what < 0.68) this.edit();
    else if (what < 0.75) this.cancel();
    else if (what < 0.88) this.retry();
    else if (what < 0.92) this.delete();
    else this.mark();
  }

  /** Some tasks at once, which may depend on each other and on earlier ones. */
  private drop(): void {
    const session = this.chance.is(0.75) ? SESSIONS[0] : SESSIONS[1];
    const known = this.onRecord(() => true).filter(({ key }) => key.startsWith(`${session}/`) && this.isThere(key));
    const highest = Math.max(0, ...known.map(({ key }) => Number(/impl-(\d+)/.exec(key)?.[1] ?? 0)));
    // Sometimes the very next numbers, which drops without one may be given at the same time.
    let number = Math.max(highest, this.numbers.get(session) ?? 0) + (this.chance.is(0.5) ? 0 : 20);
    const own: string[] = [];
    for (let count = this.chance.whole(1, 3); count > 0; count--) {
      const title = `Task T${++this.drops}`;
      this.wanted.set(title, { title, session, deleted: false, token: undefined, needed: false });
      const form = this.chance.next();
      if (form < 0.15) {
        const path = `${FOLDER}/${session}/prompts/t${this.drops}.md`;
        this.world.say(`a person drops ${title} as ${path.slice(FOLDER.length + 1)}`);
        this.save(path, `# ${title}\n\nDo it.\n`);
        continue;
      }
      const id = `impl-${++number}`;
      this.numbers.set(session, number);
      const named = form > 0.3;
      const before = named ? [...own, ...known.map(({ key }) => key.slice(session.length + 1))] : [];
      const dependencies = before.filter(() => this.chance.is(Math.min(0.5, 2 / before.length)));
      for (const dependency of dependencies) this.need(session, dependency);
      if (named) own.push(id);
      if (own.length > 1) for (const wanted of [...this.wanted.values()].slice(-4)) wanted.needed = true;
      const name = `${session}/.task/${named ? id : `t${this.drops}`}.json`;
      this.world.say(`a person drops ${title} as ${name}`);
      this.put(`${FOLDER}/${name}`, this.newTask(title, dependencies));
    }
  }

  private newTask(title: string, dependencies: string[]): string {
    const command = this.chance.is(0.3) ? { agent: "command", execution: { command: "true" } } : {};
    const execution = {
      ...command.execution,
      ...(this.chance.is(0.2) ? { budget_usd: this.chance.of([0.3, 0.8, 1.5]) } : {}),
      ...(this.chance.is(0.1) ? { continue_on_error: true } : {}),
      ...(this.chance.is(0.1) ? { approve: this.chance.of(["before", "after"]) } : {}),
    };
    const priority = this.chance.is(0.2) ? { priority: this.chance.whole(-2, 5) } : {};
    const paths = this.chance.is(0.9) ? `src/${title.slice(5)}` : "";
    const task = { title, ...command, paths, relations: { dependencies }, execution: { ...execution, ...priority } };
    return `${JSON.stringify(task, null, 2)}\n`;
  }

  private edit(): void {
    const key = this.any(() => true);
    if (!key) return;
    const token = `E${++this.edits}`;
    const change = (task: Written) => {
      task.context = { ...task.context, acceptance: [token] };
      if (this.chance.is(0.3)) task.execution.priority = this.chance.whole(-2, 5);
    };
    const slow = this.chance.is(0.3) ? this.chance.between(1000, 40_000) : 0;
    this.rewrite(key, change, slow, token);
  }

  private cancel(): void {
    const key = this.any(({ status }) => status === "pending" || status === "active");
    if (key) this.rewrite(key, (task) => (task.status = "blocked"), 0);
  }

  private retry(): void {
    const key = this.any(({ status }) => status === "blocked") ?? this.any(({ status }) => status !== "completed");
    if (key) this.again(key);
  }

  private again(key: string): void {
    this.rewrite(
      key,
      (task) => {
        const { reason } = task.execution;
        if (reason === "awaiting-approval" || reason === "rejected") {
          task.execution.approved = true;
          return;
        }
        task.status = "pending";
        if (reason === "budget") delete task.execution.budget_usd;
        delete task.execution.reason;
        delete task.execution.next_attempt_at;
      },
      0,
    );
  }

  private delete(): void {
    const key = this.any(({ title }) => this.wanted.get(title)?.needed === false);
    const path = key && this.pathOf(key);
    if (!path || !this.world.disk.find(path)) return;
    const wanted = this.wanted.get(this.world.history.tasks.get(key)?.title ?? "");
    if (!wanted) return;
    wanted.deleted = true;
    this.world.say(`a person deletes ${key}`);
    this.world.disk.remove(path);
    this.keep(path);
  }

  /** Another session first: the older of two markers may have to go. */
  private mark(): void {
    const session = this.chance.of(SESSIONS);
    const path = `${FOLDER}/.active-${session}`;
    const there = this.world.disk.find(path);
    this.world.say(`a person ${there ? "removes" : "sets"} the marker of ${session}`);
    if (there) this.world.disk.remove(path);
    else this.save(path, "");
    this.keep(path);
  }

  /** As an editor does: reads, and saves later what was made from that. */
  private rewrite(key: string, change: (task: Written) => unknown, after: number, token?: string): void {
    const path = this.pathOf(key);
    const text = this.world.disk.read(path);
    const entry = this.world.disk.find(path);
    if (text === undefined || !entry) return;
    let task: Written;
    try {
      task = JSON.parse(text) as Written;
    } catch {
      return; // another editor is at it
    }
    task.execution ??= {};
    change(task);
    const { title } = task;
    const save = () => {
      if (!this.world.disk.find(path)) return;
      this.world.say(`a person saves ${key}${token ? ` ${token}` : ` as ${task.status}`}`);
      this.put(path, `${JSON.stringify(task, null, 2)}\n`, (sure) => {
        const wanted = this.wanted.get(title);
        if (wanted && token) wanted.token = sure ? token : undefined;
      });
    };
    if (after > 0) this.world.clock.after(after, save);
    else save();
  }

  /** At once under another name and renamed, or in place and in two parts. */
  private put(path: string, text: string, saved: (sure: boolean) => void = () => {}): void {
    if (this.chance.is(0.8)) {
      this.save(path, text);
      return saved(true);
    }
    const { disk } = this.world;
    this.world.say(`a person writes ${path} in two parts`);
    const entry: Entry = disk.find(path) ?? this.create(path);
    const bytes = Buffer.from(text);
    this.whatever(() => disk.write(path, entry, bytes.subarray(0, Math.floor(bytes.length / 2))));
    disk.sync(entry);
    this.keep(path);
    this.world.clock.after(this.chance.between(1, 120), () => {
      this.whatever(() => disk.write(path, entry, bytes));
      disk.sync(entry);
      const sure = disk.find(path) === entry;
      // Whoever sees that the save is not there saves once more.
      if (!sure) this.save(path, text);
      saved(true);
    });
  }

  private create(path: string): Entry {
    this.whatever(() => this.world.disk.makeFolders(path.slice(0, path.lastIndexOf("/"))));
    return this.whatever(() => this.world.disk.create(path));
  }

  private save(path: string, text: string): void {
    const { disk } = this.world;
    const temporary = `${path}.${++this.files}.tmp`;
    const entry = this.create(temporary);
    this.whatever(() => disk.write(temporary, entry, Buffer.from(text)));
    disk.sync(entry);
    disk.rename(temporary, path);
    this.keep(path);
  }

  /** People make room for what they save. */
  private whatever<T>(act: () => T): T {
    const { disk } = this.world;
    const { full } = disk;
    disk.full = false;
    try {
      return act();
    } finally {
      disk.full = full;
    }
  }

  /** What people did survives a power cut. */
  private keep(path: string): void {
    for (let at = path; at.length > FOLDER.length;) {
      at = at.slice(0, at.lastIndexOf("/"));
      this.world.disk.sync(this.world.disk.get(at));
    }
  }

  private need(session: string, id: string): void {
    const wanted = this.wanted.get(this.world.history.tasks.get(`${session}/${id}`)?.title ?? "");
    if (wanted) wanted.needed = true;
  }

  private any(fits: (task: { status: string; title: string }) => boolean): string | undefined {
    const found = this.onRecord(fits);
    return found.length > 0 ? this.chance.of(found).key : undefined;
  }

  private onRecord(fits: (task: { status: string; title: string }) => boolean): { key: string }[] {
    return [...this.world.history.tasks].flatMap(([key, task]) => (fits(task) ? [{ key }] : []));
  }

  /** What somebody has just deleted may be on record still. */
  private isThere(key: string): boolean {
    return this.wanted.get(this.world.history.tasks.get(key)?.title ?? "")?.deleted === false;
  }

  private pathOf(key: string): string {
    const [session, id] = key.split("/");
    return `${FOLDER}/${session}/.task/${id}.json`;
  }
}
