/** What is wrong with a workflow, and where in its file. */
import { problem, type Problem, type ProblemCode } from "../problems.ts";

/** A problem at a place of the file: keys and positions of a list. */
export interface Finding {
  problem: Problem;
  path: (string | number)[];
  /** What of the value there is meant. */
  text?: string;
}

export function finding(
  code: ProblemCode,
  message: string,
  { path, hint, text }: { path: Finding["path"]; hint: string; text?: string },
): Finding {
  return { problem: problem(code, message, { hint }), path, ...(text === undefined ? {} : { text }) };
}
