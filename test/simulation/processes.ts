/** Agents as processes: they live on without the daemon, and die with the machine. */
import { Chance } from "./chance.ts";
import { script, type Ending } from "./agents.ts";
import type { World } from "./world.ts";

export interface Identity {
  bootId: string;
  pid: number;
  start: string;
}

interface Command {
  runDir: string;
  runId: string;
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}

export interface Process {
  identity: Identity;
  runId: string | undefined;
  /** `<session>/<task>` that it works on; undefined for what an agent left running, and for a shell that waits. */
  task: string | undefined;
  runDir: string;
  alive: boolean;
  silentSince: number | undefined;
  /** Tells the daemon that waits, if it still lives. */
  gone: (() => void) | undefined;
}

export class Processes {
  readonly all = new Set<Process>();
  started = 0;
  /** US dollars: what agents have cost, and what of it they told. */
  spent = 0;
  told = 0;
  /** Agents fail only while there are faults. */
  healthy = false;
  private boots = 0;
  private pids = 100;
  private readonly world: World;
  private readonly chance: Chance;
  private readonly costs: Chance;

  constructor(world: World, chance: Chance) {
    this.world = world;
    this.chance = chance;
    this.costs = new Chance(world.options.seed, "costs");
  }

  /** A shell that waits for the daemon's command, and ends with it. */
  shell(): Process {
    const identity = {
      bootId: this.bootId,
      pid: ++this.pids,
      start: String(Math.floor(this.world.clock.now)),
    };
    const process: Process = {
      identity,
      runId: undefined,
      task: undefined,
      runDir: "",
      alive: true,
      silentSince: undefined,
      gone: undefined,
    };
    this.all.add(process);
    return process;
  }

  get bootId(): string {
    return `boot-${this.boots}`;
  }

  isAlive({ bootId, pid, start }: Identity): boolean {
    for (const { identity } of this.all)
      if (identity.pid === pid) return identity.bootId === bootId && identity.start === start;
    return false;
  }

  ofRun(runId: string): Process[] {
    return [...this.all].filter((process) => process.runId === runId);
  }

  /** The shell starts its agent. */
  run(process: Process, command: Command, gone: () => void): void {
    const { env, runId, runDir } = command;
    const task = `${env.COX_SESSION}/${env.COX_TASK}`;
    const others = [...this.all].filter((other) => other.task === task);
    for (const other of others) this.world.broken(`two live agents for ${task}: ${other.runId} and ${runId}`);
    if (!this.world.history.begun.has(runId))
      this.world.broken(`an agent for ${task} was started before that was on record`);
    this.started++;
    Object.assign(process, { runId, task, runDir, gone });
    const budget = this.budgetOf(task);
    const ending = script({
      chance: this.chance,
      costs: this.costs,
      command,
      healthy: this.healthy,
      now: this.world.clock.wall,
    });
    if (budget !== undefined && ending.costs > budget + ending.dearest)
      this.world.broken(`${task} cost $${ending.costs} with a budget of $${budget}: more than one call above it`);
    if (!this.opens(process)) {
      this.leave(process, { exit: "2" });
      this.kill(process);
      return;
    }
    this.world.say(`agent ${task} a${env.COX_ATTEMPT} runs (${ending.how}, ${Math.round(ending.ms / 1000)} s)`);
    this.spent += ending.costs;
    if (ending.how === "hangs") {
      process.silentSince = this.world.clock.now + ending.ms;
      return;
    }
    this.world.clock.after(ending.ms, () => this.end(process, ending));
  }

  private budgetOf(task: string): number | undefined {
    return this.world.history.tasks.get(task)?.budget;
  }

  private end(process: Process, ending: Ending): void {
    if (!process.alive) return;
    this.world.say(`agent ${process.task} ends (${ending.how})`);
    const exit = ending.code === undefined ? {} : { exit: String(ending.code) };
    this.leave(process, { stdout: ending.stdout, stderr: ending.stderr, ...exit });
    if (ending.tells) this.told += ending.costs;
    if (ending.leavesChild) {
      const child = this.shell();
      Object.assign(child, { runId: process.runId, runDir: process.runDir });
    }
    this.kill(process);
  }

  /** As a shell does before the agent: whether the disk takes the files for what it prints. */
  private opens(process: Process): boolean {
    return this.leave(process, { stdout: "", stderr: "" }) === 2;
  }

  /** Into the run's folder: how many of the files the disk took. */
  private leave({ runDir }: Process, files: { stdout?: string; stderr?: string; exit?: string }): number {
    const { disk } = this.world;
    let taken = 0;
    for (const [name, text] of Object.entries(files)) {
      try {
        const path = `${runDir}/${name}`;
        const data = name === "exit" ? `${text}\n`.padEnd(7) + "\n" : text;
        disk.write(path, disk.find(path) ?? disk.create(path), Buffer.from(data));
        taken++;
      } catch {
        // The folder is gone, or the disk is full.
      }
    }
    return taken;
  }

  /** A signal that it cannot ignore; with `politely`, one that it may answer by ending on its own. */
  kill(process: Process, politely = false): void {
    if (!process.alive) return;
    process.alive = false;
    this.all.delete(process);
    if (politely && process.task && this.chance.is(0.5)) this.leave(process, { stdout: "", stderr: "", exit: "130" });
    process.gone?.();
  }

  /** The daemon is gone: shells that it had given nothing to do end too. */
  orphaned(): void {
    for (const process of [...this.all]) {
      process.gone = undefined;
      if (process.runId === undefined) this.kill(process);
    }
  }

  /** The machine went down. */
  cut(): void {
    for (const process of this.all) process.alive = false;
    this.all.clear();
    this.boots++;
  }
}
