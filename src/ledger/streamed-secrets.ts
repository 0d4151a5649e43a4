/** Secrets that a stream of JSON lines tells in pieces: half of one in a line's text, the rest in the next one's. */
import { tokensOf } from "./json-tokens.ts";

/** What an agent's stream tells its words in. */
const STREAMED = /(?:^|\/)(?:text|partial_json|thinking|delta|content)$/;
/** A secret is not longer. */
const TAIL = 400;
/** Nor is it told in more pieces. */
const MOST_PIECES = 16;
/** In one text; a longer conversation is looked through line by line from there on. */
const MOST_LOOKS = 5000;

/** Whether a text holds such lines, perhaps in a string of JSON. */
export function mayStream(text: string): boolean {
  return /"(?:text|partial_json|thinking|delta|content)\\{0,7}"\s?:/.test(text) && /[}\]](?:\n|\\{1,7}n)\{/.test(text);
}

interface Piece {
  line: number;
  start: number;
  end: number;
  text: string;
}

/** The lines, with a secret that crosses from one to the next whole in the first of them. Each line is JSON, or blank. */
export function joinStreamed(lines: readonly string[], redact: (text: string) => { text: string }): string[] {
  const result = [...lines];
  if (!mayStream(lines.join("\n"))) return result;
  const pieces = lines.flatMap((line, n) => piecesOf(line, n));
  const changed = new Set<Piece>();
  let [first] = pieces;
  for (const [n, next] of pieces.entries()) {
    if (n === 0 || n > MOST_LOOKS) continue;
    const coming = pieces.slice(n, n + MOST_PIECES).map((piece) => piece.text);
    if (first && crosses(first.text.slice(-TAIL), coming.join("").slice(0, TAIL), redact)) {
      first.text += next.text;
      next.text = "";
      changed.add(first).add(next);
    } else if (next.text !== "") first = next;
  }
  for (const piece of [...changed].sort((a, b) => b.start - a.start)) {
    const line = result[piece.line] ?? "";
    result[piece.line] = line.slice(0, piece.start) + JSON.stringify(piece.text) + line.slice(piece.end);
  }
  return result;
}

function piecesOf(text: string, line: number): Piece[] {
  if (text.trim() === "") return [];
  return tokensOf(text).flatMap(({ is, place, start, end }) =>
    is === "string" && STREAMED.test(place)
      ? [{ line, start, end, text: JSON.parse(text.slice(start, end)) as string }]
      : [],
  );
}

function crosses(before: string, after: string, redact: (text: string) => { text: string }): boolean {
  if (!/[A-Za-z0-9_+/=.-]$/.test(before) || !/^[A-Za-z0-9_+/=.-]/.test(after)) return false;
  return redact(before + after).text !== redact(before).text + redact(after).text;
}
