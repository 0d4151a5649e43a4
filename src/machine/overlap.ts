/** Which agents may work side by side in one place. SPEC section 8. */
import { mayWrite, type Role } from "../model/role.ts";
import { pathsOf, type Task } from "../model/task.ts";
import type { Run } from "../model/transition.ts";
import type { Policy } from "./policy.ts";

/** Where an agent of this role works on this task: a worktree needs a commit to start from. */
export function isolationOf(
  task: Task,
  role: Role,
  policy: Pick<Policy, "isolation" | "hasCommits">,
): Run["isolation"] {
  if (!policy.hasCommits || role.runner === "human") return "none";
  return task.execution.isolation ?? role.isolation ?? policy.isolation;
}

/** What an agent of this role may write for this task that others could write too. */
export function writesOf(task: Task, role: Role, isolation: Run["isolation"]): Run["writes"] {
  if (isolation === "worktree") return "none";
  const paths = pathsOf(task).map(normalPath);
  const { tools } = task.execution;
  const writes = mayWrite(tools ? { ...role, tools } : role);
  if (paths.length === 0) return writes ? "any" : "none";
  if (!writes && role.runner !== "command") return "none";
  return paths.includes("") ? "any" : paths;
}

/** `./src//a/` → `src/a`; the repository itself is the empty text. */
function normalPath(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

/** Whether two agents in the same place could write the same files. */
export function mayClash(a: Run["writes"], b: Run["writes"]): boolean {
  if (a === "none" || b === "none") return false;
  if (a === "any" || b === "any") return true;
  return a.some((one) =>
    b.some((other) => one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`)),
  );
}
