/** Which commit of the ledger `cox restore` takes. */
import { git } from "../../ledger/git.ts";
import { whyUnreadable } from "../../ledger/unreadable.ts";
import type { SessionId } from "../../model/ids.ts";
import { instant, isInstant, parseDuration, toMs, type Instant } from "../../model/time.ts";
import { at, WORKSPACE } from "../../store/paths.ts";
import type { Trouble } from "./command.ts";
import { unreadable } from "./ledger-checks.ts";
import { commitIn } from "./ledger-commit.ts";
import { commitAt, type LedgerPlace } from "./ledger-place.ts";

/** The commit to restore: the newest, one that belongs to the ledger, or the last of a time. */
export async function commitFor(
  { repository, ref, tip }: LedgerPlace,
  wanted: { at: string | undefined; ref: string | undefined },
): Promise<{ ok: { ref: string; commit: string } } | { trouble: Trouble }> {
  const name = wanted.ref ?? ref;
  const newest = wanted.ref === undefined ? tip : await commitAt(repository, wanted.ref);
  if (newest === null) {
    const why = await whyUnreadable(repository.commonDir, name);
    return {
      trouble: why === undefined ? nothingRecorded(name, await otherLedgers(repository)) : unreadable(name, why),
    };
  }
  if (wanted.at === undefined) return { ok: { ref: name, commit: newest } };
  const ago = parseDuration(wanted.at);
  if (ago !== undefined || isInstant(wanted.at)) {
    const by = instant(ago === undefined ? toMs(wanted.at) : Date.now() - ago);
    const commit = await lastBy(repository, newest, by);
    return commit === null ? { trouble: nothingBy(by, name) } : { ok: { ref: name, commit } };
  }
  const named = await commitIn({ repository, ref: name, tip: newest }, wanted.at);
  if ("ok" in named) return { ok: { ref: name, commit: named.ok } };
  const { what, why } = named.trouble;
  return {
    trouble: {
      exit: 2,
      what: what.replace("is no commit of this repository", "is neither a commit nor a time"),
      ...(why === undefined ? {} : { why }),
      todo: `git log ${name} lists the commits that are; a time is 2h, or 2026-11-21T09:00Z.`,
    },
  };
}

/** The newest commit up to this one that wrote something of the session: where it was last, if it is gone since. */
export async function lastWith(
  { commonDir }: LedgerPlace["repository"],
  { commit, session }: { commit: string; session: SessionId },
): Promise<string | null> {
  const args = ["log", "-1", "--format=%H", "--diff-filter=AM", commit, "--", `${WORKSPACE}/${session}/`];
  const found = await git(args, { cwd: commonDir, gitDir: commonDir });
  return found.stdout.toString().trim() || null;
}

/** Where a session was last that has left the disk by the rules of retention; else the commit as given. */
export async function beforeArchiving(
  repository: LedgerPlace["repository"],
  { ref, commit, session }: { ref: string; commit: string; session: SessionId },
): Promise<{ ref: string; commit: string }> {
  const { commonDir } = repository;
  const file = `${WORKSPACE}/${at.sessionFile(session)}`;
  const args = ["log", "-1", "--name-status", "--format=%s", commit, "--", file];
  const last = (await git(args, { cwd: commonDir, gitDir: commonDir })).stdout.toString();
  if (!/^WFS-\S+: \S+ -> archived\n+D\t/.test(last)) return { ref, commit };
  return { ref, commit: (await lastWith(repository, { commit, session })) ?? commit };
}

async function lastBy({ commonDir }: LedgerPlace["repository"], newest: string, by: Instant): Promise<string | null> {
  const until = `--before=@${Math.floor(toMs(by) / 1000)} +0000`;
  const found = await git(["rev-list", "-1", until, newest], { cwd: commonDir, gitDir: commonDir });
  if (found.code !== 0) throw new Error(`the ledger could not be read: ${found.stderr}`);
  return found.stdout.toString().trim() || null;
}

function nothingBy(by: Instant, ref: string): Trouble {
  return { exit: 1, what: `Nothing was recorded by ${by}.`, todo: `git log --reverse ${ref} shows what came first.` };
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
