/** From a cold start to a state that can be decided on: the ledger says what was recorded, the disk what is. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { agentEnvironment } from "../agent/environment.ts";
import { ensureExclude, findRepository, trackedUnder, type Repository } from "../ledger/git.ts";
import { blobIdOf, openLedger } from "../ledger/ledger.ts";
import { recommendedRules } from "../ledger/recommended-rules.ts";
import { redactor } from "../ledger/redact.ts";
import { policyOf } from "../machine/policy.ts";
import { emptyState, type State } from "../machine/state.ts";
import { parseAttemptName, taskKey, taskNumbers, type RunId, type SessionId } from "../model/ids.ts";
import { stateOf } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Breaker, StopReason } from "../model/transition.ts";
import { Kept } from "../store/kept.ts";
import { at, RUN, WORKSPACE } from "../store/paths.ts";
import { readRegular, Scanner, type Found } from "../store/scan.ts";
import { writeEditorSchemas } from "../store/editor-schemas.ts";
import { HeldFiles } from "./held.ts";
import type { Log } from "./log.ts";
import { rejoinAtStart, tipFile } from "./rejoin.ts";
import { remember } from "./remember.ts";
import { Secrets } from "./secrets.ts";
import { loadConfig, loadRoles } from "./settings.ts";
import type { Tenure } from "./tenure.ts";
import { steady } from "./steady.ts";
import { runOf, takeBack, undecided } from "./unfinished.ts";
import { isTrusted, type Workspace } from "./workspace.ts";
import { defaults } from "../store/config-file.ts";

export interface Booted {
  workspace: Workspace;
  /** What differs on disk from what was recorded. */
  found: Found[];
  /** Runs that left a folder, and that nothing recorded stands behind any more. */
  orphans: RunId[];
}

export async function boot(of: {
  repository: string;
  folder: string;
  log: Log;
  tenure: Tenure;
  /** Resolves when changes on disk are heard of: what is looked at from then on needs no second look. */
  watching: Promise<void>;
}): Promise<Booted | { problem: { message: string; hint: string } }> {
  const { folder, log, tenure } = of;
  const [located, rules] = await Promise.all([findRepository(of.repository), recommendedRules()]);
  if ("problem" in located) return located;
  const repository = located.ok;
  if (repository.bare)
    return {
      problem: {
        message: "This is a bare repository: agents need a working tree.",
        hint: "Clone it, and start there.",
      },
    };
  await emptyTemporary(folder);
  await makeFolders(folder, log);
  if (await ensureExclude(repository.commonDir)) log.say("info", `added /${WORKSPACE}/ to .git/info/exclude`);

  const secrets = new Secrets(process.env, (values) => redactor(values, rules));
  await secrets.keepIn(join(folder, RUN, "secret-names.json"));
  log.redactWith(secrets.redact);
  await writeEditorSchemas(folder).catch((error: Error) =>
    log.say("warn", `the schemas for editors could not be written: ${error.message}`),
  );

  const tracked = new Set((await trackedUnder(repository, WORKSPACE)).map((path) => path.slice(WORKSPACE.length + 1)));
  const trusted = await readTrusted(folder);
  const trust = (path: string, hash: string) => isTrusted({ tracked, trusted }, path, hash);
  const roles = await loadRoles(folder, { trusted: trust, say: (text) => log.say("warn", text) });
  const config = await loadConfig(folder, trust);
  const settings = "ok" in config ? config.ok : defaults();
  if ("problems" in config)
    log.say(
      "warn",
      `config.yaml cannot be used, the defaults are in force: ${config.problems.map((found) => found.message).join(" ")}`,
    );
  log.setLevel(settings.log_level);

  secrets.add(settings.agent.env);
  secrets.addUnasked(agentEnvironment({ userEnv: process.env, names: [], runner: "claude", extra: {} }));
  secrets.addRoles(roles);
  const ledgerRef = refOf(repository, settings.ledger.ref);
  const open = () =>
    openLedger({
      repository: repository.root,
      ref: ledgerRef,
      durability: settings.ledger.durability,
      redact: secrets.redact,
      packList: join(folder, RUN, "ledger-packs"),
      tipFile: tipFile(folder),
      sign: settings.ledger.sign,
    });
  const blobId = (content: Buffer) => blobIdOf(repository.objectFormat, content, secrets.redact);
  const moved = await rejoinAtStart({ gitDir: repository.commonDir, ref: ledgerRef, folder, blobId });
  if (moved && "problem" in moved) return { problem: { message: moved.problem, hint: "" } };
  if (moved) log.say("warn", moved.ok);
  const opened = await open();
  if ("problem" in opened) return opened;

  const scanner = new Scanner(folder);
  const workspace: Workspace = {
    repository: repository.root,
    folder,
    gitDir: repository.gitDir,
    commonDir: repository.commonDir,
    hasCommits: repository.hasCommits,
    begun: new Map(),
    config: settings,
    roles,
    policy: policyOf(settings, roles, repository.hasCommits),
    state: emptyState(),
    ledger: opened.ok,
    ledgerRef,
    openLedger: open,
    scanner,
    kept: new Kept(folder, scanner, steady()),
    held: new HeldFiles(folder),
    log,
    tenure,
    secrets,
    versions: new Map(),
    sessionVersions: new Map(),
    obstructed: new Map(),
    patterns: [],
    sources: new Map(),
    highest: new Map(),
    tracked,
    identities: new Map(),
    trusted,
  };
  const [recorded] = await Promise.all([opened.ok.files(), of.watching]);
  await remember(workspace, recorded);
  await recall(workspace, recorded.keys());
  const orphans = await takeBack(workspace);
  const found = await undecided(workspace, await scanner.full("unread"));
  return { workspace, found, orphans };
}

/** Live attempts, waits and breakers, from the tasks and the checkpoints. */
async function recall(workspace: Workspace, recorded: Iterable<string>): Promise<void> {
  const { state, highest } = workspace;
  const given = new Map<SessionId, number>();
  for (const path of recorded) {
    const [session = "", folder, name = ""] = path.split("/");
    const attempt = folder === "prompts" ? parseAttemptName(name.replace(/\.md$/, "")) : undefined;
    if (attempt) given.set(session, Math.max(given.get(session) ?? 0, taskNumbers(attempt.task)[0]));
  }
  for (const [id, session] of state.sessions) {
    let most = given.get(id) ?? 0;
    for (const task of session.tasks.values()) {
      most = Math.max(most, taskNumbers(task.id)[0]);
      const last = task.execution.last_attempt;
      if (stateOf(task).status !== "active" || !last?.run_id) continue;
      state.runs.set(taskKey(id, task.id), runOf(workspace, id, task, last.run_id));
    }
    const checkpoint = await lastCheckpoint(workspace, id);
    highest.set(id, Math.max(most, checkpoint.highest ?? 0));
    for (const [account, until] of Object.entries(checkpoint.limits ?? {})) {
      if (until > (state.limits.get(account) ?? "")) state.limits.set(account, until);
    }
    // Each session's tells what the whole workspace had spent when it was written.
    const { spent } = checkpoint;
    if (spent && isLater(spent, state.spent)) state.spent = spent;
    for (const { run_id, stopping } of checkpoint.runs ?? []) {
      for (const [key, run] of state.runs)
        if (stopping && run.runId === run_id) state.runs.set(key, { ...run, stopping });
    }
    for (const [key, breaker] of Object.entries(checkpoint.breakers ?? {})) state.breakers.set(key, breaker);
  }
}

/** What a day has cost only grows. */
function isLater(a: State["spent"], b: State["spent"]): boolean {
  return a.day === b.day ? a.usd > b.usd || a.tokens > b.tokens : a.day > b.day;
}

interface Checkpoint {
  at?: Instant;
  highest?: number;
  limits?: Record<string, string>;
  breakers?: Record<string, Breaker>;
  spent?: State["spent"];
  runs?: { run_id: RunId; stopping?: StopReason }[];
}

/** The newer of the two: the recorded one comes before the one on disk, but not every change of it is recorded. */
async function lastCheckpoint(workspace: Workspace, session: SessionId): Promise<Checkpoint> {
  const path = at.checkpoint(session);
  const texts = [await workspace.ledger.read(path), readRegular(join(workspace.folder, path))?.content];
  const [recorded, onDisk] = texts.map((text): Checkpoint => {
    try {
      return JSON.parse(text?.toString("utf8") ?? "{}") as Checkpoint;
    } catch {
      return {};
    }
  });
  return (onDisk?.at ?? "") > (recorded?.at ?? "") ? (onDisk ?? {}) : (recorded ?? {});
}

/** Each linked working tree has a ledger of its own. */
function refOf(repository: Repository, ref: string): string {
  if (repository.gitDir === repository.commonDir) return ref;
  const name = relative(join(repository.commonDir, "worktrees"), repository.gitDir).replace(/[^A-Za-z0-9_-]+/g, "-");
  const hash = createHash("sha256").update(repository.gitDir).digest("hex").slice(0, 8);
  return ref.replace(/^refs\/cox\//, `refs/cox/worktrees/${/^[A-Za-z0-9]/.test(name) ? name : hash}/`);
}

/** Half-written files of a daemon that is no more: the lock is held, so nobody else writes there. */
async function emptyTemporary(folder: string): Promise<void> {
  await rm(join(folder, RUN, "tmp"), { recursive: true, force: true });
  await mkdir(join(folder, RUN, "tmp"), { recursive: true });
}

async function readTrusted(folder: string): Promise<Map<string, string>> {
  try {
    return new Map(
      Object.entries(JSON.parse(await readFile(join(folder, RUN, "trust.json"), "utf8")) as Record<string, string>),
    );
  } catch {
    return new Map();
  }
}

/** Where people put files. One that cannot be made is missed by nobody but them. */
async function makeFolders(folder: string, log: Log): Promise<void> {
  for (const name of ["inbox", "agents"]) {
    await mkdir(join(folder, name), { recursive: true }).catch((error: Error) =>
      log.say("warn", `${name}/ could not be made: ${error.message}`),
    );
  }
}
