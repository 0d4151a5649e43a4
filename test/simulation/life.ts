/** One seed from beginning to end: the daemon's lives, the faults, and what must be true when they are over. */
import type { Loop as LoopType } from "../../src/daemon/loop.ts";
import type { Found } from "../../src/store/scan.ts";
import { Chance } from "./chance.ts";
import { DiskError } from "./disk.ts";
import { ending } from "./ending.ts";
import { install } from "./globals.ts";
import { People } from "./people.ts";
import { enter, FOLDER, Killed, REPOSITORY, World, type Options } from "./world.ts";

const HOUR = 3_600_000;
const MEND_MS = 20 * 60_000;
const MOST_MENDS = 30;
/** Share of events that are lost in good times. */
const USUAL = 0.2;

export interface Outcome {
  seed: number;
  violation: string | undefined;
  last: string[];
  fingerprint: string;
  hours: number;
  lives: number;
  kills: number;
  cuts: number;
  tasks: number;
  agents: number;
  transitions: number;
  commits: number;
  events: number;
  steps: number;
}

/** Plays a seed. The daemon's modules are those that were loaded after the hooks. */
export async function live(options: Options): Promise<Outcome> {
  const { boot } = await import("../../src/daemon/boot.ts");
  const { Loop } = await import("../../src/daemon/loop.ts");
  const world = new World(options);
  enter(world);
  install();
  const life = new Life(world, { boot, Loop });
  await life.play();
  const { history, processes, watcher } = world;
  return {
    seed: options.seed,
    violation: world.violation,
    last: world.last,
    fingerprint: world.fingerprint,
    hours: world.clock.now / HOUR,
    lives: world.life,
    kills: life.kills,
    cuts: life.cuts,
    tasks: life.people.drops,
    agents: processes.started,
    transitions: history.transitions,
    commits: history.commits.length,
    events: watcher.told + watcher.lost,
    steps: world.steps,
  };
}

/** A task's file as a daemon wrote it that did not come to record it. */
function isOwnWork(file: Found): boolean {
  return file.is === "file" && file.place.kind === "task" && file.content.includes('"source": {');
}

interface Daemon {
  boot: (typeof import("../../src/daemon/boot.ts"))["boot"];
  Loop: typeof LoopType;
}

class Life {
  readonly people: People;
  kills = 0;
  cuts = 0;
  private readonly world: World;
  private readonly daemon: Daemon;
  private readonly faults: Chance;
  private calm = false;

  constructor(world: World, daemon: Daemon) {
    this.world = world;
    this.daemon = daemon;
    this.faults = new Chance(world.options.seed, "when");
    this.people = new People(world);
  }

  async play(): Promise<void> {
    const { world } = this;
    const until = world.options.hours * HOUR;
    this.furnish();
    world.watcher.losing = USUAL;
    this.people.begin(until);
    this.start();
    this.trouble(until);
    const step = () => this.step();
    await world.clock.run(until, step);
    if (world.violation !== undefined) return;
    this.quiet();
    for (let mends = 0; mends < MOST_MENDS; mends++) {
      await world.clock.run(until + (mends + 1) * MEND_MS, step);
      if (world.violation !== undefined || ending(world, this.people) === undefined) break;
      this.people.mend();
    }
    const missing = world.violation ?? ending(world, this.people);
    if (missing !== undefined) world.broken(missing);
    world.die("kill");
    this.bury();
  }

  /** A repository with settings, on a disk that has them for sure. */
  private furnish(): void {
    const { disk } = this.world;
    disk.makeFolders(FOLDER);
    disk.makeFolders(`${REPOSITORY}/.git`);
    disk.makeFolders("/sim/bin");
    disk.makeFolders("/bin");
    const rescan = this.world.isMutant("no-rescan") ? "100000h" : "30m";
    const settings = [
      `rescan: ${rescan}`,
      "concurrency: 3",
      "max_active_sessions: 2",
      "agent: { timeout: 1h, silence: 10m }",
      "notify: { level: none }",
    ];
    for (const [path, text] of [
      [`${FOLDER}/config.yaml`, `${settings.join("\n")}\n`],
      ["/sim/bin/claude", "claude"],
      ["/bin/sh", "sh"],
    ] as const) {
      const entry = disk.create(path);
      disk.write(path, entry, Buffer.from(text));
      disk.sync(entry);
    }
    for (const path of ["/", "/bin", "/sim", "/sim/bin", REPOSITORY, FOLDER]) disk.sync(disk.get(path));
  }

  /** After each event: whether the run goes on. */
  private step(): boolean {
    if (this.world.dying) this.bury();
    return this.world.violation === undefined;
  }

  private start(): void {
    const { world } = this;
    if (world.alive) return;
    world.life++;
    world.alive = true;
    world.left = this.calm
      ? Number.POSITIVE_INFINITY
      : Math.ceil(this.faults.wait(this.faults.is(0.12) ? 400 : 60_000));
    world.say(`a daemon starts (${world.life})`);
    void this.run(world.life).then(
      (end) => this.ended(world, world.life, end),
      (error: Error) => {
        // Where the disk cannot be read there is no beginning: somebody starts it again.
        if (error instanceof DiskError) this.ended(world, world.life, error.message);
        else if (!(error instanceof Killed)) world.broken(`the daemon threw: ${error.stack}`);
      },
    );
  }

  private ended(world: World, life: number, end: string): void {
    if (world.life !== life || !world.alive) return;
    world.say(`the daemon ended by itself: ${end}`);
    world.die("kill");
  }

  /** As src/daemon/start.ts does it. */
  private async run(life: number): Promise<string> {
    const { world } = this;
    const log = {
      say: (level: string, text: string) => {
        if (world.life === life && world.alive && level !== "debug") world.say(`  ${level} ${text}`);
      },
      setLevel: () => {},
      redactWith: () => {},
    };
    const tenure = { holds: () => world.life === life && world.alive, tell: async () => true };
    const early = new Set<string>();
    world.watcher.hint = (path) => early.add(path);
    const watching = Promise.resolve();
    const booted = await this.daemon.boot({ repository: REPOSITORY, folder: FOLDER, log, tenure, watching });
    if ("problem" in booted) return booted.problem.message;
    const { workspace, found, orphans } = booted;
    if (world.isMutant("no-adoption")) workspace.state.runs.clear();
    const loop = new this.daemon.Loop(workspace, { once: false });
    world.watcher.hint = (path) => loop.hint(path);
    for (const path of early) loop.hint(path);
    if (world.isMutant("no-recommit")) {
      for (const file of found.splice(0)) {
        if (isOwnWork(file)) workspace.scanner.accept(file);
        else found.push(file);
      }
    }
    return `exit code ${await loop.run({ found, orphans })}`;
  }

  /** The daemon is dead, or the machine is down: what is not on the disk is lost, and somebody starts it again. */
  private bury(): void {
    const { world, faults } = this;
    const how = world.dying;
    world.dying = undefined;
    world.alive = false;
    world.watcher.hint = undefined;
    world.processes.orphaned();
    if (how === "power") {
      this.cuts++;
      world.processes.cut();
      world.history.cut(faults);
      world.say(`the power was cut: ${world.disk.cut(faults)} changes of names were lost`);
    } else {
      this.kills++;
      world.say("the daemon was killed");
    }
    const wait = how === "power" ? faults.between(20_000, 300_000) : faults.between(50, 20_000);
    world.clock.after(wait, () => this.start());
  }

  /** Faults by the clock; those by the step are in {@link World.pass}. */
  private trouble(until: number): void {
    const { world, faults } = this;
    const every = (mean: number, act: () => void) => {
      const next = () => {
        if (world.clock.now >= until) return;
        if (!this.calm) act();
        world.clock.after(faults.wait(mean), next);
      };
      world.clock.after(faults.wait(mean), next);
    };
    every(8 * HOUR, () => {
      if (world.alive) world.die("kill");
    });
    every(5 * HOUR, () => {
      if (world.alive) world.left = Math.min(world.left, Math.ceil(faults.wait(30)));
    });
    every(7 * HOUR, () => world.die("power"));
    every(9 * HOUR, () => this.suspend());
    every(6 * HOUR, () => {
      world.say("no event of the file system arrives");
      const { losing } = world.watcher;
      world.watcher.losing = 1;
      world.clock.after(
        faults.wait(1.5 * HOUR),
        () => (world.watcher.losing = this.calm ? 0 : Math.min(losing, USUAL)),
      );
    });
    every(7 * HOUR, () => {
      world.say("the disk is full");
      world.disk.full = true;
      world.clock.after(faults.wait(3 * 60_000), () => {
        world.disk.full = false;
        world.say("the disk has room again");
      });
    });
    every(7 * HOUR, () => {
      world.say("the disk has errors");
      world.failing = faults.of([0.02, 0.2]);
      world.clock.after(faults.wait(60_000), () => (world.failing = 0));
    });
  }

  private suspend(): void {
    const by = this.faults.is(0.3) ? -this.faults.wait(HOUR) : this.faults.wait(2 * HOUR);
    this.world.clock.jumped += by;
    this.world.say(`the clock jumps by ${Math.round(by / 1000)} s`);
  }

  /** From now on nothing fails. */
  private quiet(): void {
    const { world } = this;
    this.calm = true;
    world.say("faults are over");
    world.left = Number.POSITIVE_INFINITY;
    world.failing = 0;
    world.disk.full = false;
    world.watcher.losing = 0;
    world.processes.healthy = true;
  }
}
