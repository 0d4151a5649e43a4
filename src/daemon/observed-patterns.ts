/** `errors/patterns.json` as people save it. SPEC sections 5 and 9. */
import { mergePatterns } from "../machine/patterns.ts";
import { noPatterns, type PatternsFile } from "../model/pattern.ts";
import { problem, type Problem } from "../problems.ts";
import { checkPatterns } from "../store/check.ts";
import { locate, parseJson } from "../store/json-file.ts";
import { at } from "../store/paths.ts";
import type { FoundFile, Look, Observation } from "./observation.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

/** One that cannot be used is reported; the last good one stays in force. */
export async function foundPatterns(workspace: Workspace, found: FoundFile, { seen, now }: Look): Promise<void> {
  const { held, state } = workspace;
  const { path, hash } = found;
  if (!isTrusted(workspace, path, hash)) {
    const hint = `Read it, then: cox trust .workflow/${path}`;
    const text = `${path} arrived by git and is not trusted: it is not obeyed.`;
    return held.hold(path, { hash, problems: [problem("untrusted-file", text, { hint })] }, now);
  }
  const read = readPatterns(found.content);
  if ("problems" in read) return held.hold(path, { hash, ...read }, now);
  await held.release(path);
  seen.events.push({ type: "patterns-edited", file: mergePatterns(read.ok, state.patterns, workspace.patterns) });
  seen.files.push({ path, content: found.content });
}

/** Without the file nothing is known. */
export function patternsGone({ state }: Workspace, seen: Observation): void {
  seen.files.push({ path: at.patterns, content: null });
  if (state.patterns.patterns.length > 0) seen.events.push({ type: "patterns-edited", file: noPatterns() });
}

function readPatterns(content: Buffer): { ok: PatternsFile } | { problems: Problem[]; unfinished: boolean } {
  const parsed = parseJson(content);
  if ("problems" in parsed) return parsed;
  const checked = checkPatterns(parsed.ok);
  return "ok" in checked ? checked : { problems: locate(parsed.text, checked.problems), unfinished: false };
}
