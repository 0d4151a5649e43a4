/**
 * The world that the daemon lives in: one seed, one life. The daemon is the real one (src/daemon), with stand-ins for what
 * is outside of it; each of them asks the world first, which may let the daemon die at that very moment.
 */
import { createHash } from "node:crypto";
import { Chance } from "./chance.ts";
import { Clock } from "./clock.ts";
import { Disk, DiskError } from "./disk.ts";
import { History } from "./history.ts";
import { Processes } from "./processes.ts";
import { Watcher } from "./watcher.ts";

export const REPOSITORY = "/sim/repository";
export const FOLDER = `${REPOSITORY}/.workflow`;

/** Faults that a person could build into the daemon; the simulation must notice each of them. */
export const MUTANTS = [
  "no-directory-sync",
  "no-sync",
  "no-rescan",
  "act-before-record",
  "no-recommit",
  "no-adoption",
] as const;
export type Mutant = (typeof MUTANTS)[number];

export interface Options {
  seed: number;
  hours: number;
  mutant: Mutant | undefined;
  /** Told each line of what happens. */
  trace: ((line: string) => void) | undefined;
}

/** What a daemon that has been killed meets: nothing that it still does has any effect. */
export class Killed extends Error {
  override name = "Killed";
}

const KEPT_LINES = 60;

export class World {
  readonly options: Options;
  readonly clock = new Clock();
  readonly disk: Disk;
  readonly history: History;
  readonly processes: Processes;
  readonly watcher: Watcher;
  /** Chance of the daemon itself, of how long things take, and of what fails. */
  readonly own: Chance;
  readonly pace: Chance;
  readonly faults: Chance;
  /** Which life of the daemon this is, and whether it is over. */
  life = 0;
  alive = false;
  dying: "kill" | "power" | undefined;
  /** So many steps until it is killed. */
  left = Number.POSITIVE_INFINITY;
  /** Share of reads, writes and syncs that fail. */
  failing = 0;
  steps = 0;
  violation: string | undefined;
  private readonly digest = createHash("sha256");
  private readonly lines: string[] = [];

  constructor(options: Options) {
    const { seed } = options;
    this.options = options;
    this.own = new Chance(seed, "daemon");
    this.pace = new Chance(seed, "pace");
    this.faults = new Chance(seed, "faults");
    this.watcher = new Watcher(this, new Chance(seed, "watcher"));
    this.disk = new Disk(
      () => this.clock.wall,
      (path) => this.watcher.changed(path),
    );
    this.history = new History(this);
    this.processes = new Processes(this, new Chance(seed, "agents"));
  }

  isMutant(mutant: Mutant): boolean {
    return this.options.mutant === mutant;
  }

  say(line: string): void {
    const hours = (this.clock.now / 3_600_000).toFixed(5);
    const text = `${hours}h ${line}`;
    this.digest.update(text);
    this.lines.push(text);
    if (this.lines.length > 2 * KEPT_LINES) this.lines.splice(0, KEPT_LINES);
    this.options.trace?.(text);
  }

  /** The last that happened. */
  get last(): string[] {
    return this.lines.slice(-KEPT_LINES);
  }

  /** A short text that is the same only for the same life. */
  get fingerprint(): string {
    return this.digest.copy().digest("hex").slice(0, 16);
  }

  /** The first one counts: what follows from it tells less. */
  broken(promise: string): void {
    if (this.violation !== undefined) return;
    this.violation = promise;
    this.say(`VIOLATION ${promise}`);
  }

  /** The daemon does something: throws when it has been killed, which may be right now. */
  pass(): void {
    if (!this.alive) throw new Killed();
    this.steps++;
    if (--this.left > 0) return;
    this.die("kill");
    throw new Killed();
  }

  /** The same for what may fail for reasons of the machine. */
  passFailing(path: string): void {
    this.pass();
    if (this.failing > 0 && this.faults.is(this.failing)) throw new DiskError("EIO", path);
  }

  die(how: "kill" | "power"): void {
    this.dying ??= how;
    this.alive = false;
  }

  /** Something that the daemon waits for: done after a moment, and never for one that has been killed meanwhile. */
  async later<T>(act: () => T, most = 4): Promise<T> {
    const { life } = this;
    const over = () => !this.alive || this.life !== life;
    if (!over() && this.pace.is(0.4)) {
      await new Promise<void>((resolve) => this.clock.after(this.pace.between(0, most), resolve));
    }
    if (over()) return new Promise<T>(() => {});
    try {
      return act();
    } catch (error) {
      if (error instanceof Killed) return new Promise<T>(() => {});
      throw error;
    }
  }
}

let current: World | undefined;

export function enter(world: World): void {
  current = world;
}

export function world(): World {
  if (!current) throw new Error("there is no world");
  return current;
}
