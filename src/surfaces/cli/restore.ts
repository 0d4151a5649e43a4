/** `cox restore`: brings `.workflow/` back from the ledger. Sessions come back paused. SPEC sections 1, 7 and 13. */
import { lstatSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { mkdir, rm } from "node:fs/promises";
import { ensureExclude, git } from "../../ledger/git.ts";
import { takeLock } from "../../store/lock.ts";
import { RUN, WORKSPACE } from "../../store/paths.ts";
import { done, refused, type Command, type Input, type Outcome, type Trouble } from "./command.ts";
import { notAFolder, type Context } from "./context.ts";
import { commitAt, findLedger, type LedgerPlace } from "./ledger-place.ts";
import { bringBack, type BroughtBack } from "./restore-files.ts";
import { standDown, type StoodDown } from "./restore-sessions.ts";

export const command: Command = {
  where: "anywhere",
  options: [
    { name: "at", value: "commit", text: "as it was at this commit of the ledger (default: the newest)" },
    { name: "ref", value: "ref", text: "the ledger, if it is another than the settings say" },
    { name: "force", text: "also write over files that differ from what was recorded" },
  ],
  example: "rm -rf .workflow && cox restore",
  description:
    "Bring .workflow/ back from the ledger in git. Sessions come back paused, and files that exist and differ are left alone unless --force is given.",
  run,
};

async function run(input: Input, context: Context): Promise<Outcome> {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return refused(found.trouble);
  const { repository } = found.ok;
  if (repository.bare) {
    return refused({
      exit: 4,
      what: "This is a bare repository.",
      why: "A workspace needs a working tree.",
      todo: "Clone it, and restore there.",
    });
  }
  const folder = join(repository.root, WORKSPACE);
  const there = lstatSync(folder, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) return refused(notAFolder(folder, there.isSymbolicLink()));
  const commit = await commitFor(found.ok, { at: input.text("at"), ref: input.text("ref") });
  if ("trouble" in commit) return refused(commit.trouble);

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
  try {
    await ensureExclude(repository.commonDir);
    const brought = await bringBack({ repository, folder, ...commit.ok, force: input.flag("force") });
    await makeFolders(folder);
    const stood = await standDown(folder, brought.written);
    return outcomeOf(brought, stood, { newest: commit.ok.commit === found.ok.tip, root: repository.root });
  } finally {
    lock.ok.release();
    await rm(join(folder, RUN, "daemon.json"), { force: true });
  }
}

/** Those of a new workspace that nothing is recorded of while they are empty. What else has the name is left alone. */
async function makeFolders(folder: string): Promise<void> {
  for (const name of ["inbox", "agents"]) {
    await mkdir(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** The commit to restore: one that belongs to the ledger. */
async function commitFor(
  { repository, ref, tip }: LedgerPlace,
  wanted: { at: string | undefined; ref: string | undefined },
): Promise<{ ok: { ref: string; commit: string } } | { trouble: Trouble }> {
  const name = wanted.ref ?? ref;
  const newest = wanted.ref === undefined ? tip : await commitAt(repository, wanted.ref);
  if (newest === null) return { trouble: nothingRecorded(name, await otherLedgers(repository)) };
  if (wanted.at === undefined) return { ok: { ref: name, commit: newest } };
  const commit = await commitAt(repository, wanted.at);
  if (commit === null)
    return { trouble: { exit: 2, what: `${wanted.at} is not a commit.`, todo: `git log ${name} lists them.` } };
  const belongs = await git(["merge-base", "--is-ancestor", commit, newest], {
    cwd: repository.commonDir,
    gitDir: repository.commonDir,
  });
  if (belongs.code !== 0) {
    return {
      trouble: {
        exit: 2,
        what: `${wanted.at} does not belong to the ledger ${name}.`,
        todo: `git log ${name} lists the commits that do.`,
      },
    };
  }
  return { ok: { ref: name, commit } };
}

function nothingRecorded(ref: string, others: string[]): Trouble {
  const fetch = `If it was pushed: git fetch origin ${ref}:${ref}, then again.`;
  const [first] = others;
  return {
    exit: 1,
    what: `Nothing is recorded in ${ref}.`,
    why: first === undefined ? "This repository has no ledger (yet)." : `There is ${others.join(", ")}.`,
    todo: first === undefined ? fetch : `cox restore --ref ${first}`,
  };
}

async function otherLedgers({ commonDir }: LedgerPlace["repository"]): Promise<string[]> {
  const listed = await git(["for-each-ref", "--format=%(refname)", "refs/cox/"], { cwd: commonDir, gitDir: commonDir });
  return listed.stdout
    .toString()
    .split("\n")
    .filter((name) => name !== "" && !name.startsWith("refs/cox/rescue/"));
}

function outcomeOf(brought: BroughtBack, stood: StoodDown, of: { newest: boolean; root: string }): Outcome {
  const { commit, written, unchanged, kept, skipped } = brought;
  const json = { commit, written: written.length, unchanged, kept, skipped, ...stood };
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
  const lines = [
    `Brought back ${count(written.length, "file")} from ${commit.slice(0, 12)}${unchanged > 0 ? `; ${count(unchanged, "file")} stood as recorded` : ""}.`,
    ...stood.sessions.map(({ session, tasks, status }) => `  ${session}  ${count(tasks, "task")}  ${status}`),
  ];
  if (stood.requeued.length > 0) lines.push(`Not running any more, so pending again: ${stood.requeued.join(", ")}.`);
  if (kept.length > 0)
    lines.push(`Left alone, since they differ from what was recorded (--force writes over them):`, ...listed(kept));
  if (!of.newest) lines.push("This is not the newest record: at the next start the difference is taken as your edit.");
  const paused = stood.sessions.find(({ status }) => status === "paused");
  if (written.length > 0) lines.push("Views and checkpoints are brought up to date at the next start.");
  lines.push(paused ? `Next: cox switch ${paused.session}, then cox start.` : "Next: cox status, or cox start.");
  if (skipped.length === 0) return done(lines.join("\n"), json);
  const trouble: Trouble = {
    exit: 1,
    what: `${count(skipped.length, "file")} could not be brought back: ${skipped
      .slice(0, 5)
      .map(({ path, why }) => `${path} (${why})`)
      .join(", ")}.`,
    todo: "Move what is in the way, then cox restore again.",
  };
  return { exit: 1, json, text: lines.join("\n"), trouble };
}

function listed(paths: string[]): string[] {
  const shown = paths.slice(0, 20).map((path) => `  ${path}`);
  return paths.length > shown.length ? [...shown, `  and ${paths.length - shown.length} more`] : shown;
}
