/** Git and the ledger: the program, the repository, what is recorded against what is on disk. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { simpleGit } from "simple-git";
import { git, ensureExclude, EXCLUDE_LINE, findRepository, type Repository } from "../../ledger/git.ts";
import { readLog } from "../../ledger/log.ts";
import { WORKSPACE } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { chainBreaks } from "./chain.ts";
import type { Workspace } from "./context.ts";
import { bad, ok, some, warn, type Finding } from "./doctor-finding.ts";
import { HOW_TO_MEND, notBegun } from "./ledger-checks.ts";
import { compare } from "./ledger-differences.ts";
import { findLedger } from "./ledger-place.ts";
import { isObject } from "./tasks-on-disk.ts";
import { howToTrust, TRUSTED, untrustedFiles } from "./trusted.ts";

const OLDEST = [2, 39] as const;

export async function gitFinding(dir: string): Promise<Finding> {
  const version = await simpleGit(dir).version();
  if (!version.installed)
    return bad(
      "git",
      "git could not be started.",
      `install git ${OLDEST.join(".")} or newer, and see that it is on PATH`,
    );
  return versionFinding(`${version.major}.${version.minor}.${version.patch}`);
}

export function versionFinding(said: string): Finding {
  const [version = said.trim(), major, minor] = /(\d+)\.(\d+)[\d.]*/.exec(said) ?? [];
  const fits = Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]);
  return fits
    ? ok("git", `git ${version}`)
    : bad("git", `git ${version} is older than ${OLDEST.join(".")}.`, "install a newer git");
}

export async function repositoryOf(
  dir: string,
): Promise<{ repository: Repository; findings: Finding[] } | { findings: Finding[] }> {
  const found = await findRepository(dir);
  if ("problem" in found) return { findings: [bad("repository", found.problem.message, found.problem.hint)] };
  const repository = found.ok;
  if (repository.bare)
    return {
      findings: [
        bad("repository", "This is a bare repository: agents need a working tree.", "clone it, and work there"),
      ],
    };
  const where =
    repository.head.branch ?? (repository.head.commit ? `at ${repository.head.commit.slice(0, 12)}` : "nowhere");
  if (!repository.hasCommits) {
    return {
      repository,
      findings: [
        warn(
          "repository",
          `${repository.root} has no commit yet: all agents work in the repository itself.`,
          "git commit",
        ),
      ],
    };
  }
  return { repository, findings: [ok("repository", `${repository.root}, ${where}`)] };
}

export function excludeFinding(repository: Repository): Finding {
  const file = join(repository.commonDir, "info/exclude");
  const there = existsSync(file) && readFileSync(file, "utf8").split(/\r?\n/).includes(EXCLUDE_LINE);
  if (there) return ok("exclude", `${WORKSPACE}/ is kept out of git status`);
  const repair = async () => {
    await ensureExclude(repository.commonDir);
    return `added ${EXCLUDE_LINE} to ${file}`;
  };
  return {
    ...bad(
      "exclude",
      `${WORKSPACE}/ is not excluded: git status shows it, and git add . would take it.`,
      "cox doctor --fix",
    ),
    repair,
  };
}

/** Files of the workspace that the code's branch brings along: not obeyed until they are trusted. SPEC section 13. */
export function trackedFinding(workspace: Workspace): Finding | undefined {
  const untrusted = untrustedFiles(workspace);
  if (untrusted.length === 0) return undefined;
  const fix = untrusted.includes(TRUSTED)
    ? howToTrust(TRUSTED)
    : `${howToTrust(untrusted[0] ?? "")} (or, all of them: git rm --cached -r ${WORKSPACE})`;
  return warn("trust", `Tracked by the repository, so neither run nor obeyed: ${some(untrusted)}.`, fix);
}

/** `up`: a daemon is at work, so that what differs may be on its way. */
export async function ledgerFindings(folder: string, environment: NodeJS.ProcessEnv, up: boolean): Promise<Finding[]> {
  const found = await findLedger(folder, environment);
  if ("trouble" in found) return [bad("ledger", found.trouble.what, found.trouble.todo ?? "see git fsck")];
  const { repository, ref, tip } = found.ok;
  if (tip === null) return [await notBegun(repository, ref)];
  let entries;
  let findings;
  try {
    entries = await readLog(repository.root, tip, { ownLine: true });
    findings = (await compare({ repository, ref, folder, up })).findings;
  } catch (error) {
    return [bad("ledger", `${ref} cannot be read: ${(error as Error).message}`, HOW_TO_MEND)];
  }
  const others = await ledgersOfOthers(repository, ref);
  const own = others.length > 0 ? `; each working tree has its own, others: ${some(others)}` : "";
  findings.unshift(ok("ledger", `${ref} at ${tip.slice(0, 12)}, ${entries.length} entries${own}`));
  const breaks = chainBreaks(entries, (key) => statusOf(folder, key));
  // A daemon at work is always a moment ahead of, or behind, this look.
  if (breaks.length > 0 && !up)
    findings.push(
      warn(
        "story",
        `${breaks.length} gaps between ledger and files: ${some(breaks, 3)}`,
        "cox start compares and records them",
      ),
    );
  return findings;
}

/** Ledgers of the repository's other working trees. */
async function ledgersOfOthers({ commonDir }: Repository, ref: string): Promise<string[]> {
  const listed = await git(["for-each-ref", "--format=%(refname)", "refs/cox/"], { cwd: commonDir, gitDir: commonDir });
  const names = listed.stdout.toString().split("\n");
  return names.filter((name) => /^refs\/cox\/(?:worktrees\/[^/]+\/)?ledger$/.test(name) && name !== ref);
}

function statusOf(folder: string, key: string): string | null {
  const [session, task] = key.split("/");
  const content = readRegular(join(folder, session ?? "", ".task", `${task}.json`))?.content;
  try {
    const value: unknown = content && JSON.parse(content.toString("utf8"));
    return isObject(value) && typeof value["status"] === "string" ? value["status"] : null;
  } catch {
    return null;
  }
}
