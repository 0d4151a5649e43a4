/** `src/ledger/ledger.ts`: commits on a ref that a power cut may take back until it is synced. */
import { createHash } from "node:crypto";
import { world } from "../world.ts";

export class LedgerMoved extends Error {}
export class LedgerUnwritable extends Error {}

type Entries = Parameters<ReturnType<typeof world>["history"]["publish"]>[0];

const SLOW_MS = 30;

export async function openLedger() {
  await world().later(() => world().pass());
  return { ok: ledger() };
}

function ledger() {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    get tip() {
      return world().history.tip;
    },
    record(entries: Entries, ready?: Promise<unknown>) {
      const done = turn.then(() => (world().isMutant("act-before-record") ? promise : record)(entries, ready));
      turn = done.catch(() => {});
      return done;
    },
    async files() {
      await world().later(() => world().pass());
      return new Map([...world().history.files].map(([path, content]) => [path, blobId(content)]));
    },
    read: (path: string) => world().later(() => world().history.files.get(path) ?? null),
    blobId,
    plainId: blobId,
    async tidy() {},
    async close() {},
  };
}

/** A daemon that acts before it is on record: it is told that it was recorded, and that is done only then. */
async function promise(entries: Entries, ready: Promise<unknown> | undefined): Promise<{ commits: string[] }> {
  await ready;
  void new Promise<void>((resolve) => world().clock.after(SLOW_MS, resolve)).then(() => record(entries, undefined));
  return { commits: [] };
}

async function record(entries: Entries, ready: Promise<unknown> | undefined): Promise<{ commits: string[] }> {
  await ready;
  if (entries.length === 0) return { commits: [] };
  const commits = await world().later(() => {
    world().passFailing(".git");
    if (world().disk.full) throw new LedgerUnwritable("the ledger could not be written: ENOSPC");
    return world().history.publish(entries);
  }, SLOW_MS);
  await world().later(() => {
    world().pass();
    if (!world().isMutant("no-sync")) world().history.sync();
  }, SLOW_MS);
  return { commits };
}

export function blobIdOf(_format: string, content: Buffer): string {
  return blobId(content);
}

const ids = new WeakMap<Buffer, string>();

function blobId(content: Buffer): string {
  const known = ids.get(content);
  if (known) return known;
  const id = createHash("sha1").update(content).digest("hex");
  ids.set(content, id);
  return id;
}
