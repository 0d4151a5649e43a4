/** The environment of an agent: an allow-list, never the daemon's own. SPEC section 6. */
import { delimiter } from "node:path";
import type { RunnerKind } from "../model/role.ts";

export interface AgentEnvironment {
  /** Of the user who started the daemon. */
  userEnv: NodeJS.ProcessEnv;
  /** Names that the configuration, the role and the task ask to pass. */
  names: readonly string[];
  runner: RunnerKind;
  /** What Coxswain adds itself; wins over everything else. */
  extra: Readonly<Record<string, string>>;
}

export function agentEnvironment({ userEnv, names, runner, extra }: AgentEnvironment): Record<string, string> {
  const allowed = [
    ...BASIC,
    ...(runner === "claude" ? CLAUDE : []),
    ...(runner === "claude" ? cloudNames(userEnv) : []),
  ];
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(userEnv)) {
    if (value === undefined || never(name)) continue;
    if (names.includes(name) || allowed.some((pattern) => matches(pattern, name))) environment[name] = value;
  }
  if (environment.PATH !== undefined) environment.PATH = userPath(environment.PATH);
  return { ...environment, ...extra };
}

/** PATH as the user has it: without what a package manager put in front to run a script of this or another project. */
export function userPath(path: string): string {
  return path
    .split(delimiter)
    .filter((folder) => !/[\\/]node_modules[\\/]\.bin[\\/]*$|[\\/]node-gyp-bin[\\/]*$/.test(folder))
    .join(delimiter);
}

/** A name, or a beginning of names with `*` at the end. */
const BASIC = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TERM", "COLORTERM", "TMPDIR", "XDG_*"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"],
  ...["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"],
];

/** What Claude Code itself reads. IS_SANDBOX is a person's word that root may bypass permissions here. */
const CLAUDE = [
  ...["ANTHROPIC_*", "CLAUDE_*", "DISABLE_*", "API_TIMEOUT_MS", "MAX_THINKING_TOKENS", "IS_SANDBOX"],
  ...["BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS"],
];

/**
 * Variables of another run: of the package manager that started the daemon, or of a Claude Code that the daemon was
 * started from. An agent that inherited those would take itself for a part of that session.
 */
const NEVER = [
  ...["CLAUDECODE", "CLAUDE_PID", "CLAUDE_EFFORT", "CLAUDE_ENV_FILE", "CLAUDE_PROJECT_DIR", "CLAUDE_CODE_ENTRYPOINT"],
  ...["CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_SESSION_ATTENDED", "CLAUDE_CODE_CHILD_*", "CLAUDE_CODE_EXECPATH"],
  ...["CLAUDE_CODE_MESSAGING_*", "CLAUDE_CODE_SSE_PORT", "NODE_OPTIONS", "npm_*"],
];

function never(name: string): boolean {
  return NEVER.some((pattern) => matches(pattern, name));
}

/** Where Claude Code goes through a cloud provider, it needs that provider's own variables. */
function cloudNames(env: NodeJS.ProcessEnv): string[] {
  return [
    ...(env.CLAUDE_CODE_USE_BEDROCK ? ["AWS_*"] : []),
    ...(env.CLAUDE_CODE_USE_VERTEX ? ["CLOUD_ML_REGION", "VERTEX_*", "GOOGLE_*", "GCLOUD_PROJECT"] : []),
  ];
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
