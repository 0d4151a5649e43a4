/** A session's folder that leaves the disk: only what is on record is removed, and all at once or not at all. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { SessionId } from "../model/ids.ts";
import { instant, type Instant } from "../model/time.ts";
import { missing } from "./files.ts";
import { at, placeOf, RUN } from "./paths.ts";
import { readRegular } from "./scan.ts";

/** What a ledger holds. */
export interface Recorded {
  /** Path (relative to `.workflow/`) → blob id. */
  ids: ReadonlyMap<string, string>;
  read(path: string): Promise<Buffer | null>;
}

/** Where folders go that leave: what is left of them are conversations, which are recorded on request only. */
export const ARCHIVED = `${RUN}/archived`;
const CONVERSATIONS = ["messages", ".chat"];

/** The last change of a file that is not made from others, and how large all of it is. */
export function activityOf(workspace: string, session: SessionId): { since: Instant; bytes: number } {
  let newest = 0;
  let bytes = 0;
  for (const { path, full } of filesIn(join(workspace, session), session)) {
    const stat = lstatSync(full, { throwIfNoEntry: false });
    bytes += stat?.size ?? 0;
    if (!isMade(path, session)) newest = Math.max(newest, stat?.mtimeMs ?? 0);
  }
  return { since: instant(Math.round(newest)), bytes };
}

/** Files that would be lost with the folder: not in the ledger, or not as they are. `folder`: where the session is now. */
export async function unrecordedIn(
  workspace: string,
  { session, folder = session }: { session: SessionId; folder?: string },
  recorded: Recorded,
): Promise<string[]> {
  const lost: string[] = [];
  for (const { path, full } of filesIn(join(workspace, folder), session)) {
    const place = placeOf(path);
    if (isMade(path, session) || place.kind === "transcript" || path.endsWith("/.DS_Store")) continue;
    const id = recorded.ids.get(path);
    const content = id === undefined ? undefined : readRegular(full)?.content;
    const same = content !== undefined && id === blobId(content, id?.length ?? 0);
    // Of what agents were told and have answered, a secret's value is not kept anywhere.
    const redacted = place.kind === "output" || place.kind === "response";
    if (same || (content && redacted && (await wasRedacted(recorded, path)))) continue;
    lost.push(path);
  }
  return lost;
}

/**
 * Takes the folder out of sight in one step, and looks once more: what somebody saved in the last moment brings it back.
 * Answers with what was not recorded; then nothing was removed.
 */
export async function putAway(
  workspace: string,
  { session, now }: { session: SessionId; now: number },
  recorded: Recorded,
): Promise<string[]> {
  const from = join(workspace, session);
  const folder = `${ARCHIVED}/${session}@${now}`;
  const to = join(workspace, folder);
  if (!existsSync(from)) return [];
  await mkdir(join(workspace, ARCHIVED), { recursive: true });
  await rename(from, to);
  const lost = await unrecordedIn(workspace, { session, folder }, recorded);
  if (lost.length > 0) {
    if (!existsSync(from)) await rename(to, from);
    return lost;
  }
  for (const name of readdirSync(to))
    if (!CONVERSATIONS.includes(name)) await rm(join(to, name), { recursive: true, force: true });
  for (const name of CONVERSATIONS) await removeEmpty(join(to, name));
  await removeEmpty(to);
  return [];
}

export async function removeEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(() => {}); // there is something in it, or it is gone
}

/** Every file below the folder, and as which path it counts. Throws where that cannot be told: no folder is empty by that. */
export function* filesIn(folder: string, as: string): Generator<{ path: string; full: string }> {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (missing(error)) return;
    throw error;
  }
  for (const entry of entries) {
    const [path, full] = [`${as}/${entry.name}`, join(folder, entry.name)];
    if (entry.isDirectory()) yield* filesIn(full, path);
    else yield { path, full };
  }
}

/** What the daemon writes from what is elsewhere. */
function isMade(path: string, session: SessionId): boolean {
  const { kind } = placeOf(path);
  return kind === "view" || kind === "report" || path === at.checkpoint(session);
}

async function wasRedacted(recorded: Recorded, path: string): Promise<boolean> {
  const content = await recorded.read(path);
  return content !== null && /\[(?:redacted:|withheld:)/.test(content.toString("utf8"));
}

/** The id that git gives a file's content, by the length of the others. */
function blobId(content: Buffer, length: number): string {
  const hash = createHash(length === 64 ? "sha256" : "sha1");
  return hash.update(`blob ${content.length}\0`).update(content).digest("hex");
}
