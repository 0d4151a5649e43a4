/** Files on disk beside what was recorded of them with their secrets replaced. */
import { behindMarks, type Behind } from "../ledger/as-recorded.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Whether a file is as it was recorded, secrets replaced: those too that this daemon was not given, and that are known
 * from now on. Of a file that has changed, the lines that have not tell them as well.
 */
export async function isAsRecorded(
  { ledger, secrets }: Pick<Workspace, "ledger" | "secrets">,
  file: { path: string; id: string; content: Buffer },
): Promise<boolean> {
  if (ledger.blobId(file.content) === file.id) return true;
  const recorded = await ledger.read(file.path);
  if (!recorded) return false;
  // Recorded when nobody had named the variable yet.
  if (recorded.equals(file.content)) return true;
  if (!recorded.includes("[redacted:")) return false;
  // Byte for byte, whatever the encoding.
  const [then, now] = [recorded.toString("latin1"), file.content.toString("latin1")];
  const behind = behindMarks(then, now);
  if (behind) return secrets.isRedacted(behind.map(decoded));
  for (const one of behindLines(then, now)) secrets.isRedacted(one.map(decoded));
  return false;
}

const MARKS = /\[redacted:[a-z-]+\]/g;
/** A line tells something if so much of it was not replaced. */
const TELLING = 10;
/** So many pairs of lines are compared. */
const MOST_PAIRS = 100_000;

function behindLines(recorded: string, disk: string): Behind[][] {
  const old = new Set(recorded.split("\n"));
  const lines = disk.split("\n").filter((line) => !old.has(line));
  const marked = [...old].filter((line) => line.replace(MARKS, "").trim().length >= TELLING && line.match(MARKS));
  const found: Behind[][] = [];
  let pairs = 0;
  for (const line of marked) {
    for (const other of lines) {
      if (++pairs > MOST_PAIRS) return found;
      const behind = behindMarks(line, other);
      if (behind) found.push(behind);
    }
  }
  return found;
}

function decoded({ kind, text }: Behind): Behind {
  return { kind, text: Buffer.from(text, "latin1").toString() };
}
