/** `cox fork`: a new session from how one stood at a moment, with the code as it was then; to be run beside it. */
import { randomUUID } from "node:crypto";
import { lstatSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openObjects } from "../../ledger/cat-file.ts";
import type { SessionId } from "../../model/ids.ts";
import { syncFolder } from "../../store/files.ts";
import { formatJson } from "../../store/json-file.ts";
import { at as paths, placeOf, RUN, WORKSPACE } from "../../store/paths.ts";
import { commitOf, moveRefs, tryGit, type Ground } from "../../worktree/git.ts";
import { forkOf } from "../../worktree/difference.ts";
import { headOf, sessionBranch } from "../../worktree/place.ts";
import { findCode, type CodePlace } from "./code-place.ts";
import { done, refused, type Command, type Input, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { exclusively } from "./edit.ts";
import { recordedFiles } from "./ledger-place.ts";
import { findSession } from "./naming.ts";
import { parsed } from "./recorded-responses.ts";
import { commitFor } from "./restore-commit.ts";
import { contentIn, copiesFor } from "./restore-copies.ts";
import { isObject } from "./tasks-on-disk.ts";

type Here = Context & { workspace: Workspace };

/** Fields of `execution` that may be set for all that is still to be done; `number`: of that kind. */
const SETTABLE: Record<string, "text" | "number"> = {
  model: "text",
  effort: "text",
  timeout: "text",
  isolation: "text",
  max_attempts: "number",
  max_turns: "number",
  budget_usd: "number",
  priority: "number",
};

export const command: Command = {
  where: "workspace",
  description:
    "Makes a new session from how one is recorded, now or --at a moment: what was completed stays completed, the rest is to be done anew, with the code as it was then. The first session is not touched. cox compare puts both side by side.",
  arguments: [{ name: "session", text: "WFS-topic, or just the topic", is: "session" }],
  options: [
    { name: "at", value: "when", text: "a commit of the ledger, 2h ago, or a time such as 2026-11-21T09:00Z" },
    {
      name: "set",
      value: "key=value",
      text: `for all that is still to be done: agent, ${Object.keys(SETTABLE).join(", ")}`,
      repeatable: true,
    },
    { name: "as", value: "session", text: "its name (default: the next free WFS-topic-002)" },
  ],
  example: "cox fork user-auth --at 2h --set model=claude-sonnet-5",
  run: fork,
};

async function fork(input: Input, context: Here): Promise<Outcome> {
  const { workspace } = context;
  const settings = settingsFrom(input.list("set"));
  if ("trouble" in settings) return refused(settings.trouble);
  const place = await findCode(context);
  if ("trouble" in place) return refused(place.trouble);
  const when = input.text("at");
  const chosen = await commitFor(place.ok, { at: when, ref: undefined });
  if ("trouble" in chosen) return refused(chosen.trouble);
  const { commit } = chosen.ok;
  const found = findSession(workspace, input.text("session") ?? "");
  if ("trouble" in found) return refused(found.trouble);
  const session = found.ok;
  const start = `${session}/`;
  const files = [...(await recordedFiles(place.ok.repository, commit))].filter(([path]) => path.startsWith(start));
  if (!files.some(([path]) => path === paths.sessionFile(session))) {
    const what = `${session} is not recorded in ${commit.slice(0, 12)}.`;
    return refused({ exit: 1, what, todo: `cox log --session ${session} shows what is.` });
  }
  const made = await exclusively(workspace, async () => {
    const copies = copiesFor({ folder: workspace.folder, recorded: new Set([session]), as: input.text("as") });
    if ("trouble" in copies) return copies;
    const to = copies.ok.get(session) ?? session;
    const contents = await contentsOf(place.ok, { files, session, to, settings: settings.ok });
    const code = await codeThen(place.ok.ground, { session, contents, now: when === undefined });
    const branched =
      code === null
        ? null
        : await moveRefs(place.ok.ground, [{ ref: headOf(sessionBranch(to)), from: null, to: code }]);
    if (branched && "refused" in branched && (await commitOf(place.ok.ground, headOf(sessionBranch(to)))) !== code) {
      const what = `There is a branch ${sessionBranch(to)} already.`;
      return { trouble: { exit: 4, what, todo: "Name the session otherwise: --as WFS-…" } as Trouble };
    }
    const tasks = await putInPlace(workspace, to, { contents, branch: code === null ? null : sessionBranch(to) });
    return { to, code, tasks };
  });
  if ("trouble" in made) return refused(made.trouble);
  const { to, code, tasks } = made;
  const json = { session: to, from: session, at: commit, code, branch: code && sessionBranch(to), tasks };
  const lines = [
    `${to} is ${session} as of ${commit.slice(0, 12)}: ${tasks.completed} of ${tasks.total} tasks completed, ${tasks.total - tasks.completed} to be done.`,
    code === null
      ? "Its code begins from the branch that is checked out when it starts."
      : `Its code begins at ${code.slice(0, 12)}.`,
    `Run it: cox switch ${to}; beside others: max_active_sessions in config.yaml, and touch .workflow/${paths.marker(to)}`,
    `Then: cox compare ${session} ${to}`,
  ];
  const daemon = await daemonOf(workspace);
  return done(lines.join("\n"), { ...json, daemon: daemon.up ? "up" : "down" });
}

function settingsFrom(written: readonly string[]): { ok: Map<string, string | number> } | { trouble: Trouble } {
  const settings = new Map<string, string | number>();
  for (const each of written) {
    const [, key = "", value = ""] = /^([a-z_]+)=(.+)$/s.exec(each) ?? [];
    const kind = key === "agent" ? "text" : Object.hasOwn(SETTABLE, key) ? SETTABLE[key] : undefined;
    const number = Number(value);
    if (kind === undefined || (kind === "number" && !Number.isFinite(number))) {
      const what = `--set ${JSON.stringify(each)} sets nothing.`;
      const todo = `Such as model=claude-sonnet-5. It can be agent, ${Object.keys(SETTABLE).join(", ")}.`;
      return { trouble: { exit: 2, what, todo } };
    }
    settings.set(key, kind === "number" ? number : value);
  }
  return { ok: settings };
}

/** The session's files as the new one has them; pages are made anew by the daemon. */
async function contentsOf(
  { repository }: CodePlace,
  of: {
    files: readonly [string, string][];
    session: SessionId;
    to: SessionId;
    settings: ReadonlyMap<string, string | number>;
  },
): Promise<Map<string, Buffer>> {
  const copies = new Map([[of.session, of.to]]);
  const objects = openObjects(repository.commonDir);
  const contents = new Map<string, Buffer>();
  try {
    for (const [path, blob] of of.files) {
      const place = placeOf(path);
      if (place.kind === "view" || place.kind === "report" || path === paths.checkpoint(of.session)) continue;
      const object = await objects.get(blob);
      if (!object) throw new Error(`the ledger has no object ${blob} (${path})`);
      const copy = contentIn(copies, path, object.content);
      const own = path.slice(of.session.length + 1);
      const isTask = place.kind === "task" && place.id !== null;
      contents.set(own, isTask ? taskIn(copy, of.settings) : place.kind === "session-file" ? paused(copy) : copy);
    }
  } finally {
    await objects.close();
  }
  return contents;
}

/** Facts of the first session's work, which the new one has not done. */
const OF_THE_WORK = [
  "reason",
  "next_attempt_at",
  "branch",
  "commit",
  "failures",
  "failed_with",
  "over_budget",
  "conflict",
];

function taskIn(content: Buffer, settings: ReadonlyMap<string, string | number>): Buffer {
  const text = content.toString();
  const task = parsed(text);
  if (!isObject(task) || task["status"] === "completed" || task["status"] === "container") return content;
  const execution: Record<string, unknown> = isObject(task["execution"]) ? { ...task["execution"] } : {};
  for (const key of OF_THE_WORK) delete execution[key];
  for (const [key, value] of settings) if (key !== "agent") execution[key] = value;
  const agent = settings.has("agent") ? { agent: settings.get("agent") } : {};
  return Buffer.from(formatJson({ ...task, ...agent, status: "pending", execution }, text));
}

function paused(content: Buffer): Buffer {
  const text = content.toString();
  const file = parsed(text);
  if (!isObject(file)) return content;
  const { branch: _branch, ...rest } = file;
  const progress = isObject(rest["progress"]) ? { progress: { ...rest["progress"], current_tasks: [] } } : {};
  return Buffer.from(formatJson({ ...rest, status: "paused", ...progress }, text));
}

/**
 * The code that the session had: now, its branch; then, the last of the merges that its responses tell of, else what its
 * branch began from. Null where it has no branch.
 */
async function codeThen(
  ground: Ground,
  { session, contents, now }: { session: SessionId; contents: ReadonlyMap<string, Buffer>; now: boolean },
): Promise<string | null> {
  const tip = await commitOf(ground, headOf(sessionBranch(session)));
  if (now) return tip;
  const merged: string[] = [];
  const bases: string[] = [];
  for (const [path, content] of contents) {
    if (!path.startsWith("responses/")) continue;
    const response = parsed(content.toString());
    const work = isObject(response) && isObject(response["work"]) ? response["work"] : {};
    for (const [key, list] of [
      ["merged", merged],
      ["base", bases],
    ] as const) {
      const id = work[key];
      if (typeof id === "string" && /^[0-9a-f]{40,64}$/.test(id) && (await commitOf(ground, id))) list.push(id);
    }
  }
  if (merged.length > 0) {
    // Those that no other one has in it: one, since they are all on one branch.
    const last = await tryGit(ground, ["merge-base", "--independent", ...merged]);
    return last.stdout.split("\n")[0] || null;
  }
  const [base] = bases;
  if (base !== undefined) return base;
  const head = await commitOf(ground, "HEAD");
  return tip === null || head === null ? null : forkOf(ground, head, tip);
}

/** Complete from its first moment on. */
async function putInPlace(
  workspace: Workspace,
  to: SessionId,
  { contents, branch }: { contents: ReadonlyMap<string, Buffer>; branch: string | null },
): Promise<{ total: number; completed: number }> {
  const staged = join(workspace.folder, RUN, "tmp", randomUUID());
  const tasks = { total: 0, completed: 0 };
  try {
    for (const [path, content] of contents) {
      const file = join(staged, path);
      await mkdir(dirname(file), { recursive: true });
      const isSession = path === "workflow-session.json";
      const value = isSession || path.startsWith(".task/") ? parsed(content.toString()) : null;
      if (path.startsWith(".task/") && isObject(value) && value["status"] !== "container") {
        tasks.total += 1;
        if (value["status"] === "completed") tasks.completed += 1;
      }
      const whole =
        isSession && isObject(value) && branch !== null
          ? formatJson({ ...value, branch }, content.toString())
          : content;
      await writeFile(file, whole, { flush: true });
    }
    if (lstatSync(join(workspace.folder, to), { throwIfNoEntry: false }))
      throw new Error(`${WORKSPACE}/${to} is there already`);
    await rename(staged, join(workspace.folder, to));
    await syncFolder(workspace.folder);
    return tasks;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}
