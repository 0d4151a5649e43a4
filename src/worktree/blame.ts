/** `git blame`: which commit a line is from. */
import { tryGit, type Ground } from "./git.ts";

export interface BlamedLine {
  /** Its number in the file as it was asked for, from 1. */
  line: number;
  /** Null where it is not committed yet. */
  commit: string | null;
  /** Where it stood in that commit. */
  origin: { path: string; line: number };
  text: string;
  /** The commit is where the history asked for begins: it is from there, or from before. */
  boundary: boolean;
}

/** Lines that moved within a file or came from another of the same commit are followed. */
const FOLLOW = ["-M", "-C"];

/**
 * The lines of a file; of the working tree, or with `at` of that commit (or range), by full id. `lines`: first and last.
 * A failure is what git said.
 */
export async function blame(
  ground: Ground,
  path: string,
  { at, lines }: { at?: string; lines?: readonly [number, number] } = {},
): Promise<{ ok: BlamedLine[] } | { refused: string }> {
  const args = [
    "blame",
    "--porcelain",
    "--no-textconv",
    ...FOLLOW,
    ...(lines ? ["-L", `${lines[0]},${lines[1]}`] : []),
    ...(at === undefined ? [] : [at]),
    "--",
    path,
  ];
  const outcome = await tryGit(ground, args);
  return outcome.code === 0 ? { ok: parse(outcome.stdout) } : { refused: outcome.stderr };
}

const HEAD = /^([0-9a-f]{40,64}) (\d+) (\d+)/;

function parse(output: string): BlamedLine[] {
  const found: BlamedLine[] = [];
  const known = new Map<string, { path: string; boundary: boolean }>();
  let head: { id: string; was: number; is: number } | undefined;
  for (const line of output.split("\n")) {
    if (!head) {
      const [, id, was, is] = HEAD.exec(line) ?? [];
      if (id !== undefined) head = { id, was: Number(was), is: Number(is) };
      continue;
    }
    const of = known.get(head.id) ?? { path: "", boundary: false };
    known.set(head.id, of);
    if (line.startsWith("\t")) {
      const commit = /^0+$/.test(head.id) ? null : head.id;
      const origin = { path: of.path, line: head.was };
      found.push({ line: head.is, commit, origin, text: line.slice(1), boundary: of.boundary });
      head = undefined;
    } else if (line === "boundary") of.boundary = true;
    else if (line.startsWith("filename ")) of.path = unquoted(line.slice("filename ".length));
  }
  return found;
}

const ESCAPES: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };

/** A path as git quotes it: `"a\nb"`, `"\303\244"`. */
function unquoted(text: string): string {
  if (!text.startsWith('"') || !text.endsWith('"')) return text;
  const bytes: Buffer[] = [];
  for (const [whole, octal, letter] of text.slice(1, -1).matchAll(/\\([0-7]{3})|\\(.)|[^\\]+/gs)) {
    if (octal !== undefined) bytes.push(Buffer.from([Number.parseInt(octal, 8)]));
    else if (letter !== undefined) bytes.push(Buffer.from(letter in ESCAPES ? [ESCAPES[letter] ?? 0] : letter));
    else bytes.push(Buffer.from(whole));
  }
  return Buffer.concat(bytes).toString();
}
