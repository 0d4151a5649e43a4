/** Which agents may work side by side in one place. SPEC section 8. */
import { mayWrite, type Role } from "../model/role.ts";
import { pathsOf, type Task } from "../model/task.ts";
import type { Run } from "../model/transition.ts";

/** What an agent of this role may write for this task. */
export function writesOf(task: Task, role: Role): Run["writes"] {
  const paths = pathsOf(task);
  if (paths.length > 0 && role.runner !== "human") return mayWrite(role) || role.runner === "command" ? paths : "none";
  return mayWrite(role) ? "any" : "none";
}

/** Whether two agents in the same place could write the same files. */
export function mayClash(a: Run["writes"], b: Run["writes"]): boolean {
  if (a === "none" || b === "none") return false;
  if (a === "any" || b === "any") return true;
  return a.some((one) => b.some((other) => one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`)));
}
