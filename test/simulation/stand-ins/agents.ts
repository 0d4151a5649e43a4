/** What `src/agent` and `src/daemon` ask of processes: shells, their agents, signals, silence. */
import { world } from "../world.ts";
import type { Identity, Process } from "../processes.ts";

const OF_THE_SHELL = 40;

/** `src/agent/proc-table.ts`. */
export const MARKER = "COX_RUN_ID";

export function isAlive(identity: Identity): Promise<boolean> {
  return world().later(() => world().processes.isAlive(identity));
}

export async function isOfThisBoot({ bootId }: Identity): Promise<boolean> {
  return bootId === world().processes.bootId;
}

export async function withMarker(): Promise<[]> {
  return [];
}

export function sinceBoot(): number {
  return world().clock.now;
}

export function variableOf(): undefined {
  return undefined;
}

export async function markedRuns(): Promise<Set<string>> {
  return new Set([...world().processes.all].flatMap(({ runId }) => runId ?? []));
}

export async function processes(): Promise<[]> {
  return [];
}

/** `src/agent/wrapper.ts`. */
interface Wrapper {
  identity: Identity;
  isAlive: boolean;
  run: (command: Parameters<ReturnType<typeof world>["processes"]["run"]>[1]) => Promise<void>;
  retire: () => Promise<void>;
}

export async function startWrapper(): Promise<Wrapper> {
  const process = await world().later(() => {
    world().pass();
    return world().processes.shell();
  }, OF_THE_SHELL);
  return wrapper(process);
}

function wrapper(process: Process): Wrapper {
  const { life } = world();
  return {
    identity: process.identity,
    isAlive: true,
    run: (command) => {
      world().pass();
      return new Promise((resolve) =>
        world().processes.run(process, command, () => {
          if (world().life === life) resolve();
        }),
      );
    },
    retire: async () => {
      if (world().life === life && process.task === undefined) world().processes.kill(process);
    },
  };
}

export class Wrappers {
  prepare = async () => {};
  take = startWrapper;
  giveBack(one: Wrapper): void {
    void one.retire();
  }
  dismiss = async () => {};
  looked = () => {};
  rest = () => {};
  close = () => {};
}

/** `src/agent/stop-run.ts`. */
export async function stopRun(of: { runId: string; graceMs: number }): Promise<{ killed: number }> {
  const polite = world().pace.is(0.7);
  const grace = polite ? world().pace.between(0, of.graceMs) : of.graceMs;
  if (world().processes.ofRun(of.runId).length === 0) return { killed: 0 };
  await new Promise<void>((resolve) => world().clock.after(grace, resolve));
  return end(of.runId, polite);
}

export async function sweep(runId: string): Promise<{ killed: number }> {
  return end(runId, false);
}

function end(runId: string, polite: boolean): Promise<{ killed: number }> {
  return world().later(() => {
    world().pass();
    const found = world().processes.ofRun(runId);
    for (const process of found) world().processes.kill(process, polite);
    return { killed: found.length };
  });
}

/** `src/agent/gates.ts`. */
export const gatesMarker = (runId: string) => `${runId}-verify`;

/** `src/daemon/workshop.ts`: the repository has no commit, so all work in one place, and all gates pass. */
export class Workshop {
  enter = async () => ({ failure: { class: "unknown", message: "There are no worktrees here." } });
  entered = async () => undefined;
  deliver = async <T>(_: unknown, end: T): Promise<T> => end;
  tidy = async () => {};
  tidyAll = async () => {};
  tidySession = async () => {};
  close = () => {};
}

/** `src/daemon/review-change.ts` and `review-watch.ts`: nobody reviews. */
export const changeOf = async () => ({ none: "There is no git here." });
export const watchReview = async () => {};
export const reviewed = async <T>(_workspace: unknown, _shops: unknown, _live: unknown, end: T) => ({ end });

/** `src/daemon/vigil.ts`, without the looks between. */
export async function look(): Promise<void> {}

export function watchSilence(
  live: { run: { runId: string } },
  limitMs: () => number,
  { stop }: { stop: (why: "stalled") => Promise<void> },
): unknown {
  return setInterval(() => {
    const [process] = world().processes.ofRun(live.run.runId);
    const { silentSince } = process ?? {};
    if (silentSince !== undefined && world().clock.now - silentSince > limitMs()) void stop("stalled");
  }, 60_000);
}
