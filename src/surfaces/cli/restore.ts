/** `cox restore`: brings `.workflow/` back from the ledger. Sessions come back paused. SPEC sections 1, 7 and 13. */
import { lstatSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { mkdir, rm } from "node:fs/promises";
import { openObjects } from "../../ledger/cat-file.ts";
import { ensureExclude } from "../../ledger/git.ts";
import { isSessionId, type SessionId } from "../../model/ids.ts";
import { takeLock } from "../../store/lock.ts";
import { RUN, WORKSPACE } from "../../store/paths.ts";
import { done, refused, type Command, type Input, type Outcome, type Trouble } from "./command.ts";
import { notAFolder, type Context } from "./context.ts";
import { findLedger, recordedFiles, type LedgerPlace } from "./ledger-place.ts";
import { beforeArchiving, commitFor, lastWith } from "./restore-commit.ts";
import { copiesFor, type Copies } from "./restore-copies.ts";
import { deriveFacts } from "./restore-facts.ts";
import { bringBack, type BroughtBack } from "./restore-files.ts";
import { standDown, type StoodDown } from "./restore-sessions.ts";
import { restoreTo } from "./restore-to.ts";
import { rebuildViews } from "./restore-views.ts";

export const command: Command = {
  where: "anywhere",
  options: [
    {
      name: "at",
      value: "when",
      text: "as it was: a commit of the ledger, 2h ago, or a time such as 2026-11-21T09:00Z",
    },
    { name: "session", value: "session", text: "only this session", is: "session" },
    { name: "as", value: "session", text: "the name it comes back under (default: its own, or the next free -002)" },
    { name: "to", value: "dir", text: "as plain files into this folder, which must be empty; nothing else changes" },
    { name: "ref", value: "ref", text: "the ledger, if it is another than the settings say" },
    { name: "force", text: "also write over files that differ from what was recorded" },
  ],
  example: "rm -rf .workflow && cox restore",
  description:
    "Bring .workflow/ back from the ledger in git. Sessions come back paused, and files that exist and differ are left alone unless --force is given.\n\nWith --at or --session, a session that is still on disk is not touched: what was recorded comes back beside it, under the next free name (WFS-x-002). With --force it comes back in its own place, over what is there. The daemon must not be at work (cox stop); only --to, which writes elsewhere, works beside it.",
  run,
};

async function run(input: Input, context: Context): Promise<Outcome> {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return refused(found.trouble);
  const { repository } = found.ok;
  const wrong = wrongUse(input);
  if (wrong) return refused(wrong);
  const to = input.text("to");
  if (repository.bare && to === undefined) {
    return refused({
      exit: 4,
      what: "This is a bare repository.",
      why: "A workspace needs a working tree.",
      todo: "Clone it, and restore there; or --to <dir>.",
    });
  }
  const commit = await commitFor(found.ok, { at: input.text("at"), ref: input.text("ref") });
  if ("trouble" in commit) return refused(commit.trouble);
  const session = sessionNamed(input.text("session"));
  const from =
    session !== undefined && input.text("at") === undefined
      ? await beforeArchiving(repository, { ...commit.ok, session })
      : commit.ok;
  const chosen = await chosenFrom(repository, from.commit, session);
  if ("trouble" in chosen) return refused(chosen.trouble);
  const { only, sessions } = chosen.ok;
  if (to !== undefined) {
    return restoreTo({ repository, ...from, only, folder: resolve(context.dir, to), force: input.flag("force") });
  }

  const folder = join(repository.root, WORKSPACE);
  const there = lstatSync(folder, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) return refused(notAFolder(folder, there.isSymbolicLink()));
  const since = new Date().toISOString();
  const lock = await takeLock(folder, {
    pid: process.pid,
    start: null,
    host: hostname(),
    since,
    version: context.version,
  });
  if ("heldBy" in lock) {
    const who = lock.heldBy ? ` (process ${lock.heldBy.pid}, since ${lock.heldBy.since})` : "";
    return refused({
      exit: 4,
      what: `A daemon is at work here${who}.`,
      why: "It would take what comes back for your edits.",
      todo: "cox stop, then again.",
    });
  }
  const objects = openObjects(repository.commonDir);
  try {
    const force = input.flag("force");
    const beside = (input.text("at") ?? input.text("session")) !== undefined && !force;
    const copies =
      beside || input.text("as") !== undefined
        ? copiesFor({ folder, recorded: sessions, as: input.text("as") })
        : { ok: new Map<SessionId, SessionId>() };
    if ("trouble" in copies) return refused(copies.trouble);
    await ensureExclude(repository.commonDir);
    const brought = await bringBack({ repository, folder, ...from, force, only, copies: copies.ok });
    await makeFolders(folder);
    const { tip } = found.ok;
    const newest = async (path: string) =>
      tip === null || tip === commit.ok.commit
        ? null
        : ((await objects.get(`${tip}:${WORKSPACE}/${path}`).catch(() => null))?.content ?? null);
    const stood = await standDown(folder, { written: brought.written, copies: new Set(copies.ok.values()), newest });
    const touched = new Set(brought.written.map((path) => path.split("/", 1)[0] ?? ""));
    await deriveFacts(folder, touched);
    await rebuildViews(folder, touched);
    return outcomeOf(brought, stood, {
      newest: from.commit === found.ok.tip || copies.ok.size > 0,
      copies: copies.ok,
    });
  } finally {
    await objects.close();
    lock.ok.release();
    await rm(join(folder, RUN, "daemon.json"), { force: true });
  }
}

function wrongUse(input: Input): Trouble | undefined {
  const [session, as, to] = ["session", "as", "to"].map((name) => input.text(name));
  if (as !== undefined && session === undefined)
    return { exit: 2, what: "--as needs --session.", todo: "cox restore --session WFS-x --as WFS-y" };
  if (as !== undefined && to !== undefined)
    return { exit: 2, what: "--as and --to exclude each other.", why: "Files outside are as they were recorded." };
  if (as !== undefined && input.flag("force"))
    return {
      exit: 2,
      what: "--as and --force exclude each other.",
      why: "Under a new name there is nothing to write over.",
    };
  if (session !== undefined && !isSessionId(sessionNamed(session) ?? ""))
    return { exit: 2, what: `${session} is not a session's id.`, todo: "cox log shows the names of sessions." };
  return undefined;
}

/** `WFS-` may be left out. */
function sessionNamed(given: string | undefined): SessionId | undefined {
  return given === undefined || given.startsWith("WFS-") ? given : `WFS-${given}`;
}

/** Which paths of the commit are meant, and the sessions among them. */
async function chosenFrom(
  repository: LedgerPlace["repository"],
  commit: string,
  session: SessionId | undefined,
): Promise<{ ok: { only: (path: string) => boolean; sessions: Set<SessionId> } } | { trouble: Trouble }> {
  const paths = [...(await recordedFiles(repository, commit)).keys()];
  const all = new Set(paths.map((path) => path.split("/", 1)[0] ?? "").filter(isSessionId));
  if (session === undefined && paths.length === 0)
    return {
      trouble: {
        exit: 1,
        what: `Nothing is recorded in ${commit.slice(0, 12)}.`,
        why: `It has no file under ${WORKSPACE}/: it is no commit of a ledger, or nothing was left then.`,
        todo: "cox log shows what was recorded; --ref takes the name of a ledger.",
      },
    };
  if (session === undefined) return { ok: { only: () => true, sessions: all } };
  if (!all.has(session)) {
    const last = await lastWith(repository, { commit, session });
    return {
      trouble: {
        exit: 1,
        what: `There is no ${session} at ${commit.slice(0, 12)}.`,
        why: all.size > 0 ? `There is ${[...all].join(", ")}.` : "No session was recorded as it was then.",
        todo: last
          ? `cox restore --session ${session} --at ${last.slice(0, 12)}, where it was last.`
          : `cox log --session ${session} shows when it was.`,
      },
    };
  }
  return { ok: { only: (path) => path.startsWith(`${session}/`), sessions: new Set([session]) } };
}

/** Those of a new workspace that nothing is recorded of while they are empty. What else has the name is left alone. */
async function makeFolders(folder: string): Promise<void> {
  for (const name of ["inbox", "agents"]) {
    await mkdir(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

function outcomeOf(brought: BroughtBack, stood: StoodDown, of: { newest: boolean; copies: Copies }): Outcome {
  const { commit, written, unchanged, kept, skipped } = brought;
  const json = {
    commit,
    written: written.length,
    unchanged,
    kept,
    skipped,
    ...stood,
    copies: Object.fromEntries(of.copies),
  };
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
  const lines = [
    `Brought back ${count(written.length, "file")} from ${commit.slice(0, 12)}${unchanged > 0 ? `; ${count(unchanged, "file")} stood as recorded` : ""}.`,
    ...stood.sessions.map(({ session, tasks, status }) => `  ${session}  ${count(tasks, "task")}  ${status}`),
  ];
  for (const [from, to] of of.copies)
    lines.push(`${from} as it was then is ${to} now${from === to ? "" : `; ${from} is not touched`}.`);
  if (stood.requeued.length > 0) lines.push(`Not running any more, so pending again: ${stood.requeued.join(", ")}.`);
  if (kept.length > 0)
    lines.push(`Left alone, since they differ from what was recorded (--force writes over them):`, ...listed(kept));
  if (!of.newest) lines.push("This is not the newest record: at the next start the difference is taken as your edit.");
  const paused = stood.sessions.find(({ status }) => status === "paused");
  lines.push(paused ? `Next: cox switch ${paused.session}, then cox start.` : "Next: cox status, or cox start.");
  if (skipped.length === 0) return done(lines.join("\n"), json);
  const trouble: Trouble = {
    exit: 1,
    what: `${count(skipped.length, "file")} could not be brought back: ${skipped
      .slice(0, 5)
      .map(({ path, why }) => `${path} (${why})`)
      .join(", ")}.`,
    todo: skipped.some(({ damaged }) => damaged)
      ? "See git fsck; fetch the ledger from where it was pushed, then cox restore again. A start before that takes what is missing as deleted."
      : "Move what is in the way, then cox restore again.",
  };
  return { exit: 1, json, text: lines.join("\n"), trouble };
}

function listed(paths: string[]): string[] {
  const shown = paths.slice(0, 20).map((path) => `  ${path}`);
  return paths.length > shown.length ? [...shown, `  and ${paths.length - shown.length} more`] : shown;
}
