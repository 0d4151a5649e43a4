/** Which commit of the ledger somebody means: an id, cut short or whole, or the ledger's name, each with `~3` and the like. */
import { git, type Repository } from "../../ledger/git.ts";
import { moment } from "../../views/waiting.ts";
import { instant } from "../../model/time.ts";
import type { Trouble } from "./command.ts";
import { commitAt, type LedgerPlace } from "./ledger-place.ts";
import { oneLine } from "./text.ts";

const MOST_LISTED = 10;

/**
 * An id that is cut short stands for the ledger's commit that begins so, whatever else of the repository does. The name in
 * the settings (`cox/ledger`) stands for the ledger of this working tree, also in a linked one. `tip`: its newest commit.
 */
export async function commitIn(
  { repository, ref, tip }: LedgerPlace & { tip: string },
  name: string,
): Promise<{ ok: string } | { trouble: Pick<Trouble, "what" | "why"> }> {
  const [, base = name, steps = ""] = /^(.*?)([~^].*)?$/s.exec(name) ?? [];
  const own = ownName(repository, ref, base);
  const begun = own === undefined ? await startingWith(repository, { tip, base }) : [];
  if (begun.length > 1) {
    const listed = await git(["log", "--no-walk", "--format=%H%x00%ct%x00%s", ...begun.slice(0, MOST_LISTED)], {
      cwd: repository.commonDir,
      gitDir: repository.commonDir,
    });
    const lines = listed.stdout.toString().split("\n").filter(Boolean).map(lineOf);
    const more = begun.length > MOST_LISTED ? `, and ${begun.length - MOST_LISTED} more` : "";
    return {
      trouble: {
        what: `${name} may be any of ${begun.length} commits of the ledger.`,
        why: `There is ${lines.join(", ")}${more}.`,
      },
    };
  }
  const commit = await commitAt(repository, `${own ?? begun[0] ?? base}${steps}`);
  if (commit === null) return { trouble: { what: `${oneLine(name)} is no commit of this repository.` } };
  return (await isWithin(repository, commit, tip))
    ? { ok: commit }
    : { trouble: { what: `${oneLine(name)} does not belong to the ledger ${ref}.` } };
}

function lineOf(line: string): string {
  const [id = "", seconds = "", subject = ""] = line.split("\0");
  return `${id.slice(0, 16)} (${moment(instant(Number(seconds) * 1000))}, ${oneLine(subject, 80)})`;
}

/** This working tree's ref, if the name is what the settings call it. */
function ownName({ gitDir, commonDir }: Repository, ref: string, base: string): string | undefined {
  const named = gitDir === commonDir ? ref : ref.replace(/^refs\/cox\/worktrees\/[^/]+\//, "refs/cox/");
  return base === named || `refs/${base}` === named ? ref : undefined;
}

async function startingWith(repository: Repository, { tip, base }: { tip: string; base: string }): Promise<string[]> {
  if (!/^[0-9a-f]{4,64}$/.test(base)) return [];
  const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
  const listed = await git(["rev-parse", `--disambiguate=${base}`], own);
  // An object that is in two packs may be named twice.
  const ids = [...new Set(listed.stdout.toString().split("\n").filter(Boolean))];
  if (ids.length === 0) return [];
  const types = await git(["cat-file", "--batch-check=%(objectname) %(objecttype)"], {
    ...own,
    input: `${ids.join("\n")}\n`,
  });
  const commits = types.stdout
    .toString()
    .split("\n")
    .filter((line) => line.endsWith(" commit"))
    .map((line) => line.slice(0, -" commit".length));
  const within: string[] = [];
  for (const commit of commits) if (await isWithin(repository, commit, tip)) within.push(commit);
  return within;
}

async function isWithin({ commonDir }: Repository, commit: string, tip: string): Promise<boolean> {
  const asked = await git(["merge-base", "--is-ancestor", commit, tip], { cwd: commonDir, gitDir: commonDir });
  return asked.code === 0;
}
