/** How many agents this machine has room for, and what day it is here: what decisions cannot know by themselves. */
import { readFileSync } from "node:fs";
import { availableParallelism, freemem, loadavg } from "node:os";
import type { Config } from "../config.ts";
import { instant, type Instant } from "../model/time.ts";

/** What a Claude Code process takes when it works, and what is left to everybody else. */
const MEGABYTES_PER_AGENT = 400;
const MEGABYTES_LEFT = 512;
const LOOK_MS = 1000;

export interface Machine {
  freeMegabytes: number;
  /** Processes that ran or waited for a processor, over the last minute. */
  load: number;
  cores: number;
}

/** The most agents at once; at least one, so that work goes on whatever others do with the machine. */
export function roomFor(live: number, most: number, { freeMegabytes, load, cores }: Machine): number {
  const byMemory = live + Math.floor((freeMegabytes - MEGABYTES_LEFT) / MEGABYTES_PER_AGENT);
  // Agents wait for their service most of the time: only a machine that is full gets no more of them.
  const byLoad = load < cores * 1.5 ? most : live;
  return Math.max(1, Math.min(most, byMemory, byLoad));
}

export class Capacity {
  private readonly look: () => Machine;
  private seen: { at: number; machine: Machine } | undefined;

  constructor(look: () => Machine = thisMachine) {
    this.look = look;
  }

  now({ concurrency, max_concurrency }: Pick<Config, "concurrency" | "max_concurrency">, live: number): number {
    if (concurrency !== "auto") return concurrency;
    const at = performance.now();
    if (!this.seen || at - this.seen.at > LOOK_MS) this.seen = { at, machine: this.look() };
    return roomFor(live, max_concurrency, this.seen.machine);
  }
}

function thisMachine(): Machine {
  return { freeMegabytes: available() / 2 ** 20, load: loadavg()[0] ?? 0, cores: availableParallelism() };
}

/** Bytes; on Linux what could be had by giving up caches counts as free. */
function available(): number {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "latin1"))?.[1];
    return kilobytes ? Number(kilobytes) * 1024 : freemem();
  } catch {
    return freemem();
  }
}

/** The day at this moment (ms since 1970) by the clock on the wall, and when it ends. */
export function dayOf(now: number): { name: string; ends: Instant } {
  const here = new Date(now);
  const two = (value: number) => String(value).padStart(2, "0");
  const ends = new Date(here.getFullYear(), here.getMonth(), here.getDate() + 1).getTime();
  return {
    name: `${here.getFullYear()}-${two(here.getMonth() + 1)}-${two(here.getDate())}`,
    ends: instant(ends),
  };
}
