/** A repository in which agents have worked: session branch, task branches, trailers, merges and responses, made by git alone. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { environment, git, record, repository, SESSION, session, task, write } from "./recorded.ts";

export const BRANCH = `cox/${SESSION}/session`;
const MODEL = "claude-opus-5-5";

export interface Work {
  /** `impl-1`. */
  id: string;
  title?: string;
  /** What the agent leaves; null: deleted. */
  files: Record<string, string | Buffer | null>;
  /** The agent commits by itself, without trailers; else Coxswain does. */
  own?: boolean;
  attempt?: number;
  cost?: number;
  /** Left on its branch. */
  unmerged?: boolean;
  execution?: Record<string, unknown>;
  more?: Record<string, unknown>;
}

export interface Coded {
  dir: string;
  git: (...args: string[]) => string;
  put: (path: string, content: string | Buffer | null) => void;
  commit: (message: string, files: Record<string, string | Buffer | null>) => string;
  /** A task is done on its branch and merged into the session's. */
  work: (work: Work) => { commit: string; merged: string | null };
}

/** `main` with `files`, and a workspace with one session, whose branch begins there. */
export function coded(t: TestContext, files: Record<string, string | Buffer>): Coded {
  const dir = repository(t);
  const run = (...args: string[]) => git(dir, ...args);
  const put: Coded["put"] = (path, content) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    if (content === null) rmSync(join(dir, path));
    else writeFileSync(join(dir, path), content);
  };
  const commit: Coded["commit"] = (message, changed) => {
    for (const [path, content] of Object.entries(changed)) put(path, content);
    run("add", "-A");
    run("commit", "-q", "-m", message);
    return run("rev-parse", "HEAD");
  };
  const lab: Coded = { dir, git: run, put, commit, work: (work) => perform(lab, work) };
  commit("files", files);
  run("branch", BRANCH);
  write(dir, `${SESSION}/workflow-session.json`, session({ branch: BRANCH, base_branch: "main" }));
  write(dir, `.active-${SESSION}`, "");
  mkdirSync(join(dir, ".workflow/.run"), { recursive: true });
  writeFileSync(join(dir, ".git/info/exclude"), "/.workflow/\n");
  return lab;
}

/** Records all that is in `.workflow/`. */
export async function recordAll(dir: string): Promise<void> {
  const listed = execFileSync("find", [".", "-type", "f", "-not", "-path", "./.run/*"], {
    cwd: join(dir, ".workflow"),
    encoding: "utf8",
  });
  const files = listed.split("\n").flatMap((line) => (line === "" ? [] : [line.slice(2)]));
  await record(dir, [{ subject: "workspace: all", trailers: [], files }]);
}

export function trailers(work: Work): string {
  const { id, attempt = 1, cost = 0.25 } = work;
  return [
    `Cox-Session: ${SESSION}`,
    `Cox-Task: ${id}`,
    `Cox-Attempt: ${attempt}`,
    "Cox-Role: code-developer",
    `Cox-Model: ${MODEL}`,
    `Cox-Cost-USD: ${cost}`,
  ].join("\n");
}

/** In a worktree of its own, as the daemon does it. */
function perform({ dir }: Coded, work: Work): { commit: string; merged: string | null } {
  const { id, files, own = false, attempt = 1, cost = 0.25, title = `Task ${id}` } = work;
  const branch = `cox/${SESSION}/${id}`;
  const tree = join(dir, "..", `tree-${id}`);
  git(dir, "worktree", "add", "-q", "-b", branch, tree, BRANCH);
  const base = git(tree, "rev-parse", "HEAD");
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    if (content === null) rmSync(join(tree, path));
    else writeFileSync(join(tree, path), content);
  }
  git(tree, "add", "-A");
  const author = own ? [] : ["-c", "user.name=Coxswain", "-c", "user.email=coxswain@localhost"];
  const message = own ? "done, I think" : `${SESSION} ${id}: ${title}\n\n${trailers(work)}`;
  git(tree, ...author, "commit", "-q", "-m", message);
  const commit = git(tree, "rev-parse", "HEAD");
  git(dir, "worktree", "remove", "--force", tree);
  let merged: string | null = null;
  if (!work.unmerged) {
    const session = join(dir, "..", "tree-session");
    git(dir, "worktree", "add", "-q", session, BRANCH);
    const said = `Merge ${SESSION} ${id}: ${title}\n\n${trailers(work)}`;
    git(session, "-c", "user.name=Coxswain", "merge", "-q", "--no-ff", "-m", said, branch);
    merged = git(session, "rev-parse", "HEAD");
    git(dir, "worktree", "remove", "--force", session);
  }
  const name = `${id}-a${attempt}`;
  const acceptance = [`it works as ${id} says`];
  const context = { requirements: [], scope: [], acceptance, inherited_from: SESSION };
  const execution = { attempts: attempt, branch, commit, ...work.execution };
  const status = work.unmerged ? "blocked" : "completed";
  write(dir, `${SESSION}/.task/${id}.json`, task(id, { title, status, context, ...work.more }, execution));
  write(dir, `${SESSION}/prompts/${name}.md`, `Do ${id}.\n`);
  write(dir, `${SESSION}/responses/${name}.json`, {
    task: id,
    attempt,
    run_id: `run-${id}-${attempt}`,
    agent_session: null,
    outcome: "success",
    result: "done",
    cost_usd: cost,
    tokens: { input: 100, output: 20, cache_read: 0, cache_write: 0 },
    turns: 7,
    duration_ms: 61_000,
    model: MODEL,
    permission_denials: [],
    work: { branch, base, commit, merged, commits: commitsOf(dir, base, commit), files: filesOf(dir, base, commit) },
    gates: [],
  });
  return { commit, merged };
}

function commitsOf(dir: string, base: string, commit: string) {
  const ids = git(dir, "rev-list", "--reverse", "--no-merges", `${base}..${commit}`).split("\n").filter(Boolean);
  return ids.map((id) => {
    const patch = execFileSync("git", ["diff-tree", "-p", "--root", id], { cwd: dir, env: environment(dir) });
    const { stdout } = spawnSync("git", ["patch-id", "--stable"], {
      cwd: dir,
      env: environment(dir),
      input: patch,
      encoding: "utf8",
    });
    return { id, patch: stdout.split(" ")[0] || null };
  });
}

function filesOf(dir: string, base: string, commit: string) {
  const raw = git(dir, "diff-tree", "-r", "-z", "--no-renames", base, commit).split("\0").filter(Boolean);
  const counts = git(dir, "diff-tree", "-r", "-z", "--numstat", "--no-renames", base, commit).split("\0");
  const found: { path: string; blob: string | null; added: number | null; deleted: number | null }[] = [];
  for (let place = 0; place + 1 < raw.length; place += 2) {
    const [, , , blob = "", kind] = (raw[place] ?? "").split(" ");
    const path = raw[place + 1] ?? "";
    const [added, deleted] = (counts.find((line) => line.endsWith(`\t${path}`)) ?? "").split("\t");
    const number = (text: string | undefined) => (text === undefined || text === "-" ? null : Number(text));
    found.push({ path, blob: kind === "D" ? null : blob, added: number(added), deleted: number(deleted) });
  }
  return found;
}
