/** `workflows/.triggers.json`: what is remembered of triggers, so that no cause begins two runs, and none is lost. */
import { Buffer } from "node:buffer";
import type { Instant } from "../model/time.ts";
import type { Cause, Vars } from "../model/workflow.ts";
import type { Found, Refs } from "../workflow/due.ts";

/** Of one trigger. What it is about has been seen as it says: only what differs is news. */
export interface Remembered {
  /** The latest instant of a schedule that something became of. */
  last?: Instant;
  refs?: Refs;
  /** Of the files, all together. */
  digest?: string;
  /** Runs that were over. */
  runs?: string[];
  /** Causes that wait for a run to end. */
  waits: Found[];
}

export interface RememberedWorkflow {
  /** By the trigger's key. */
  triggers: Map<string, Remembered>;
  /** Keys of causes that have begun runs, the latest last. */
  begun: string[];
  /** Runs that are asked for, and that are no tasks yet. `file`: the request in the inbox. */
  asked: { file: string; cause: Cause; vars?: Vars }[];
}

export interface TriggerMemory {
  /** Counts what was written: a file on disk whose number is not the recorded one was never recorded. */
  n: number;
  workflows: Map<string, RememberedWorkflow>;
}

const MOST_BEGUN = 200;

export function nothingRemembered(): TriggerMemory {
  return { n: 0, workflows: new Map() };
}

export function memoryText({ n, workflows }: TriggerMemory): string {
  const all = [...workflows].map(([name, { triggers, begun, asked }]) => [
    name,
    { triggers: Object.fromEntries(triggers), begun: begun.slice(-MOST_BEGUN), asked },
  ]);
  return `${JSON.stringify({ n, workflows: Object.fromEntries(all) as unknown }, null, 2)}\n`;
}

/** Undefined where it is none of ours. */
export function readMemory(content: Buffer | null | undefined): TriggerMemory | undefined {
  if (!content) return undefined;
  try {
    const { n, workflows } = JSON.parse(content.toString("utf8")) as {
      n: number;
      workflows: Record<string, Omit<RememberedWorkflow, "triggers"> & { triggers: Record<string, Remembered> }>;
    };
    const known = Object.entries(workflows).map(([name, { triggers, begun, asked }]): [string, RememberedWorkflow] => [
      name,
      { triggers: new Map(Object.entries(triggers)), begun: [...begun], asked: [...asked] },
    ]);
    return typeof n === "number" ? { n, workflows: new Map(known) } : undefined;
  } catch {
    return undefined;
  }
}
