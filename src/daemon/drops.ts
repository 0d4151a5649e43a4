/** From the bytes of a dropped file to something that can be taken in. SPEC section 3.3. */
import { join } from "node:path";
import type { Drop } from "../machine/intake.ts";
import { isTaskId } from "../model/ids.ts";
import { plain } from "../model/plain.ts";
import { problem, type Problem } from "../problems.ts";
import { checkTaskDrop } from "../store/check.ts";
import { locate, parseJson } from "../store/json-file.ts";
import { escaping, promptFileIs } from "../store/escaping.ts";
import { isTextDrop, WORKSPACE } from "../store/paths.ts";

export type ReadDrop = { ok: Drop; text?: string } | { problems: Problem[]; unfinished: boolean };

const MOST_OF_A_TITLE = 200;

/** `text` is the prompt of a markdown or text file. */
export function readDrop(file: { path: string; content: Buffer; hash: string }, repository: string): ReadDrop {
  const name = file.path.slice(file.path.lastIndexOf("/") + 1);
  const known = { file: file.path, sha256: file.hash };
  if (isTextDrop(name)) {
    const text = textOf(file.content);
    if ("problems" in text) return text;
    const title = titleOf(text.ok);
    if (!title)
      return {
        problems: [problem("empty-file", "The file has no text.", { hint: "Its first line is the title." })],
        unfinished: true,
      };
    return { ok: { ...known, drop: { title }, idByName: null, escaping: [] }, text: text.ok };
  }
  const parsed = parseJson(file.content);
  if ("problems" in parsed) return parsed;
  const checked = checkTaskDrop(parsed.ok);
  if ("problems" in checked) return { problems: locate(parsed.text, checked.problems), unfinished: false };
  const base = name.slice(0, -".json".length);
  const { ok: drop } = checked;
  const named = { ...known, drop, idByName: isTaskId(base) ? base : null };
  const workspace = join(repository, WORKSPACE);
  const promptFile = (name: string, session: string) => promptFileIs(name, { repository, workspace, session });
  return { ok: { ...named, escaping: escaping(drop.paths ?? "", repository), promptFile } };
}

function textOf(content: Buffer): { ok: string } | { problems: Problem[]; unfinished: boolean } {
  try {
    return { ok: new TextDecoder("utf-8", { fatal: true }).decode(content) };
  } catch {
    return {
      problems: [problem("not-utf8", "The file is not UTF-8 text.", { hint: "Save it as UTF-8." })],
      unfinished: false,
    };
  }
}

/** The first line or heading that says something. */
function titleOf(text: string): string {
  for (const line of text.split("\n")) {
    const title = plain(line)
      .replace(/^\s*#+\s*/, "")
      .replace(/\s+/g, " ")
      .trim();
    if (title) return [...title].slice(0, MOST_OF_A_TITLE).join("");
  }
  return "";
}
