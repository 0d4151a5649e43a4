/** What kind of agent works on a task. SPEC section 6. */

export const RUNNERS = ["claude", "command", "human", "scripted"] as const;
export type RunnerKind = (typeof RUNNERS)[number];

export const PERMISSION_MODES = [
  "default",
  "manual",
  "acceptEdits",
  "dontAsk",
  "plan",
  "auto",
  "bypassPermissions",
] as const;
export type PermissionMode = (typeof PERMISSION_MODES)[number];

/** A role as read from its markdown file: the front matter, and the body as the system prompt. */
export interface Role {
  name: string;
  description: string;
  runner: RunnerKind;
  model?: string;
  effort?: string;
  /** Claude Code's tool names; absent means the default set. */
  tools?: string[];
  allowed_tools?: string[];
  disallowed_tools?: string[];
  permission_mode?: PermissionMode;
  isolation?: "worktree" | "none";
  /** Gates of all its tasks. */
  verify?: string[];
  max_turns?: number;
  timeout?: string;
  /** Shell command of a `command` role. */
  command?: string;
  /** File that a `scripted` role plays. */
  script?: string;
  /** Names of environment variables to pass. */
  env?: string[];
  /** The body: what the agent is told about itself. */
  prompt: string;
  /** `built-in` or the file it was read from. */
  origin: string;
}

/** Roles that come along, each a markdown file in `src/agent/roles/`. */
export const BUILT_IN_ROLES = ["code-developer", "planning-agent", "code-review-test-agent", "review-agent"] as const;

/** Roles that need no file: `human` waits for a response, `command` runs `execution.command`. */
export const BARE_ROLES: readonly Role[] = [
  {
    name: "human",
    description: "A person does it and writes the response file.",
    runner: "human",
    prompt: "",
    origin: "built-in",
  },
  { name: "command", description: "A shell command does it.", runner: "command", prompt: "", origin: "built-in" },
];

const WRITING_TOOLS = new Set(["Bash", "Edit", "Write", "MultiEdit", "NotebookEdit"]);

/** The role as it reviews: it reads. What needs a permission is refused, and of what could write only single commands are left. */
export function asReviewer(role: Role): Role {
  const isWriting = (rule: string) => WRITING_TOOLS.has(rule.replace(/\(.*/s, ""));
  const mayStay = (rule: string) => !isWriting(rule) || /^Bash\(.+\)$/s.test(rule);
  const tools = role.tools?.filter(mayStay) ?? [];
  return {
    ...role,
    tools: tools.length > 0 ? tools : ["Read", "Glob", "Grep"],
    ...(role.allowed_tools ? { allowed_tools: role.allowed_tools.filter(mayStay) } : {}),
    disallowed_tools: [...(role.disallowed_tools ?? []), "Edit", "Write", "NotebookEdit"],
    permission_mode: "default",
  };
}

/** Whether an agent of this role could change files on its own account: decides what may run side by side. */
export function mayWrite(role: Role): boolean {
  if (role.runner === "human" || role.runner === "command") return false;
  if (role.permission_mode === "plan") return false;
  return role.tools === undefined || role.tools.some((tool) => WRITING_TOOLS.has(tool.replace(/\(.*/, "")));
}
