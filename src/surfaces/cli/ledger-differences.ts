/** What the disk has otherwise than the ledger. Beside a daemon a difference is one only if it lasts. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Repository } from "../../ledger/git.ts";
import { isSessionId } from "../../model/ids.ts";
import { placeOf } from "../../store/paths.ts";
import { readRegular, sha256 } from "../../store/scan.ts";
import { blockedAt } from "../../store/within.ts";
import { some, warn, type Finding } from "./doctor-finding.ts";
import { commitAt, isAsRecorded, recordedFiles } from "./ledger-place.ts";

/** Longer than a daemon takes from a file to its commit, on a slow disk too. */
const PAUSE_MS = 700;
/** A task that just moves on shows another difference each time. */
const LOOKS = 3;

interface Look {
  /** Session → it, for those that are not on disk. */
  lost: Map<string, string>;
  /** Path → id as recorded. */
  missing: Map<string, string>;
  /** Path → ids as recorded and as on disk. */
  differing: Map<string, string>;
  files: number;
}

interface Compared {
  repository: Repository;
  ref: string;
  folder: string;
  /** A daemon is at work, so that what differs may be on its way: only what stays as it is through all looks is said. */
  up: boolean;
  /** Between two looks. */
  pause?: () => Promise<unknown>;
}

/** `files`: how many are recorded. */
export async function compare(of: Compared): Promise<{ findings: Finding[]; files: number }> {
  let found = await lookAt(of);
  for (let look = 1; look < LOOKS && of.up && found.missing.size + found.differing.size > 0; look++) {
    await (of.pause ?? (() => sleep(PAUSE_MS)))();
    const again = await lookAt(of);
    found = {
      ...again,
      missing: both(found.missing, again.missing),
      differing: both(found.differing, again.differing),
    };
  }
  return { findings: findingsOf(found, of.up), files: found.files };
}

async function lookAt({ repository, ref, folder }: Compared): Promise<Look> {
  const tip = await commitAt(repository, ref);
  if (tip === null) throw new Error(`${ref} is gone`);
  const recorded = await recordedFiles(repository, tip);
  const found: Look = { lost: new Map(), missing: new Map(), differing: new Map(), files: recorded.size };
  for (const [path, id] of recorded) {
    const session = path.split("/")[0] ?? "";
    if (isSessionId(session) && !isFolder(join(folder, session))) {
      found.lost.set(session, session);
      continue;
    }
    if (["view", "output", "transcript", "report"].includes(placeOf(path).kind)) continue;
    const full = join(folder, path);
    const content = blockedAt(folder, path) === undefined ? readRegular(full)?.content : undefined;
    if (content) {
      if (!(await isAsRecorded(repository, id, content))) found.differing.set(path, `${id} ${sha256(content)}`);
    } else if (blockedAt(folder, path) === undefined && isThere(full)) found.differing.set(path, id);
    else found.missing.set(path, id);
  }
  return found;
}

/** A link to one is none. */
function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A link, a folder, something too large: it is there, but not what was recorded. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function both(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...after].filter(([path, value]) => before.get(path) === value));
}

function findingsOf({ lost, missing, differing }: Look, up: boolean): Finding[] {
  const findings: Finding[] = [];
  if (lost.size > 0)
    findings.push(warn("lost", `Recorded, but not on disk: ${some([...lost.keys()])}.`, "cox stop; cox restore"));
  if (missing.size > 0)
    findings.push(
      warn(
        "missing",
        `Recorded, but deleted: ${some([...missing.keys()])}.`,
        up
          ? "cox status says what keeps the daemon from recording it"
          : "cox restore, if that was a mistake; else cox start records it",
      ),
    );
  if (differing.size > 0)
    findings.push(
      warn(
        "unrecorded",
        `Changed since they were recorded: ${some([...differing.keys()])}.`,
        up ? "cox status says what keeps the daemon from taking it" : "cox start takes them as your edits",
      ),
    );
  return findings;
}
