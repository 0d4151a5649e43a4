/** Claude Code as agents will find it, and who pays: told from the presence of names and files; no secret is ever read. */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { plain } from "../../model/plain.ts";
import { bad, ok, warn, type Finding } from "./doctor-finding.ts";
import { isObject } from "./tasks-on-disk.ts";

const OLDEST = "2.1.197";
const INSTALL = "npm install -g @anthropic-ai/claude-code, or set agent.claude to where it is";

/** `needed`: whether there is work for it; else whatever is wrong with it is only a warning. */
export async function claudeFindings(
  name: string,
  env: NodeJS.ProcessEnv,
  { trustsProject, needed }: { trustsProject: boolean; needed: boolean },
): Promise<Finding[]> {
  const program = await programFinding(name, env);
  const account = accountFinding(env, trustsProject);
  // Without the program nobody can log in: one thing is wrong, not two.
  const findings = [program, program.state === "bad" ? mildly(account) : account];
  return needed ? findings : findings.map(mildly);
}

async function programFinding(name: string, env: NodeJS.ProcessEnv): Promise<Finding> {
  const file = programAt(name, env["PATH"] ?? "");
  if (file === undefined)
    return bad("claude", `Claude Code (${name}) was not found. Tasks for other agents run without it.`, INSTALL);
  const said = await versionOf(file, env);
  const version = /^(\d+\.\d+\.\d+)/.exec(said)?.[1];
  if (version === undefined)
    return bad("claude", `${file} does not say which version it is${said ? `: ${said}` : ""}.`, INSTALL);
  if (!isAtLeast(version, OLDEST))
    return bad("claude", `Claude Code ${version} is older than ${OLDEST}.`, `claude update (${file})`);
  return ok("claude", `Claude Code ${version} (${file})`);
}

const mildly = (finding: Finding): Finding => (finding.state === "bad" ? { ...finding, state: "warn" } : finding);

/** Whether `claude` can be started and paid; undefined when it can, else what is missing. For `cox demo --live`. */
export async function whatClaudeLacks(name: string, env: NodeJS.ProcessEnv): Promise<Finding | undefined> {
  return (await claudeFindings(name, env, { trustsProject: false, needed: true })).find(({ state }) => state === "bad");
}

/** In the order in which Claude Code itself looks. */
export function accountFinding(env: NodeJS.ProcessEnv, trustsProject: boolean): Finding {
  const set = (variable: string) => (env[variable] ?? "") !== "";
  const check = "account";
  for (const [variable, cloud] of [
    ["CLAUDE_CODE_USE_BEDROCK", "Amazon Bedrock"],
    ["CLAUDE_CODE_USE_VERTEX", "Google Vertex AI"],
    ["CLAUDE_CODE_USE_FOUNDRY", "Microsoft Foundry"],
  ] as const) {
    if (set(variable)) return ok(check, `your ${cloud} account pays (${variable} is set)`);
  }
  if (set("ANTHROPIC_AUTH_TOKEN"))
    return ok(check, "the account of ANTHROPIC_AUTH_TOKEN pays (a gateway's, as a rule)");
  if (set("ANTHROPIC_API_KEY"))
    return ok(check, "the account of ANTHROPIC_API_KEY pays, by use; a login is not used while it is set");
  const home = env["CLAUDE_CONFIG_DIR"] || join(env["HOME"] ?? "", ".claude");
  const helper = hasKey(join(home, "settings.json"), "apiKeyHelper");
  if (helper && trustsProject)
    return ok(check, `the account of the apiKeyHelper in ${join(home, "settings.json")} pays`);
  if (set("CLAUDE_CODE_OAUTH_TOKEN")) return ok(check, "the subscription of CLAUDE_CODE_OAUTH_TOKEN pays");
  if (existsSync(join(home, ".credentials.json")))
    return ok(check, `the account that claude is logged in with pays (${home})`);
  const state = env["CLAUDE_CONFIG_DIR"] ? join(home, ".claude.json") : join(env["HOME"] ?? "", ".claude.json");
  if (hasKey(state, "oauthAccount")) return ok(check, "the account that claude is logged in with pays");
  if (helper) {
    return bad(
      check,
      "An apiKeyHelper is set, but agents do not load settings files.",
      "export ANTHROPIC_API_KEY, run claude and /login, or set trust_project_settings: true",
    );
  }
  return bad(
    check,
    "Nobody pays: no key is set, and claude is not logged in.",
    "run claude and /login, or export ANTHROPIC_API_KEY",
  );
}

export function bypassFinding(
  asking: readonly string[],
  env: NodeJS.ProcessEnv,
  uid: number | undefined,
): Finding | undefined {
  if (asking.length === 0) return undefined;
  const who = asking.join(", ");
  if (uid === 0 && env["IS_SANDBOX"] !== "1") {
    return bad(
      "permissions",
      `${who}: bypassPermissions, which Claude Code refuses as root.`,
      "run as another user; or, in a container of your own, export IS_SANDBOX=1",
    );
  }
  return warn(
    "permissions",
    `${who}: bypassPermissions. These agents may do whatever your account may.`,
    "prefer acceptEdits with allowed_tools",
  );
}

function programAt(name: string, path: string): string | undefined {
  // As agents see PATH: without what a package manager put in front.
  const folders = path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder) && !/[\\/]node_modules[\\/]\.bin[\\/]*$/.test(folder));
  const candidates = isAbsolute(name) ? [name] : /[\\/]/.test(name) ? [] : folders.map((folder) => join(folder, name));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

function versionOf(file: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(
      file,
      ["--version"],
      { env, timeout: 20_000, killSignal: "SIGKILL" },
      (error, stdout, stderr) => {
        resolve(
          plain(error ? stderr.trim() || error.message : stdout)
            .trim()
            .split("\n")[0]
            ?.slice(0, 200) ?? "",
        );
      },
    );
    child.stdin?.end();
  });
}

function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) => text.split(".").map(Number)) as [number[], number[]];
  const differing = b.findIndex((part, place) => part !== a[place]);
  return differing === -1 || (a[differing] ?? 0) > (b[differing] ?? 0);
}

function hasKey(file: string, key: string): boolean {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    return isObject(value) && value[key] !== undefined && value[key] !== null && value[key] !== "";
  } catch {
    return false;
  }
}
