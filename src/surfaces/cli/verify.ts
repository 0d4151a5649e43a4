/** `cox verify`: whether the ledger is whole, and the disk what it says. SPEC section 7. */
import { lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Repository } from "../../ledger/git.ts";
import { WORKSPACE } from "../../store/paths.ts";
import { refused, type Command, type Input, type Outcome } from "./command.ts";
import type { Context } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { bad, linesOf, ok, some, type Finding } from "./doctor-finding.ts";
import { fsckFinding, HOW_TO_MEND, notBegun, objectsFinding, storyFinding } from "./ledger-checks.ts";
import { compare } from "./ledger-differences.ts";
import { findLedger, type LedgerPlace } from "./ledger-place.ts";
import { oneLine } from "./text.ts";

export const command: Command = {
  where: "anywhere",
  options: [{ name: "quick", text: "leave out git fsck, which reads every object of the repository, byte for byte" }],
  example: "cox verify",
  description:
    "Check that each task's transitions follow one another without gap or repetition, that git has all that the ledger names and finds it sound (git fsck), that the files are as recorded, and that nothing stale lies about. Beside a daemon, which may be writing, a difference is looked at three times before it is said. Exit 1 if something is wrong (✗); what is not recorded yet (!) does not count.",
  run,
};

async function run(input: Input, context: Context): Promise<Outcome> {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return refused(found.trouble);
  const { repository, ref, tip } = found.ok;
  const findings: Finding[] = [];
  if (tip === null) findings.push(await checked("ledger", () => notBegun(repository, ref)));
  else {
    findings.push(await checked("story", () => storyFinding(repository, tip)));
    findings.push(await checked("objects", () => objectsFinding(repository, tip)));
    findings.push(...(await filesFindings(found.ok)));
  }
  findings.push(staleFinding(repository, ref));
  if (!input.flag("quick")) {
    if (context.interactive)
      context.tell("git fsck looks at every object of the repository (--quick leaves that out) …\n");
    findings.push(await checked("fsck", () => fsckFinding(repository, tip)));
  }
  const wrong = findings.filter(({ state }) => state === "bad").length;
  const lines = findings.flatMap((finding) => linesOf(finding, context.paint));
  const whole = tip === null ? `${ref} has not begun.` : `${ref} is whole.`;
  lines.push("", wrong === 0 ? whole : `${wrong} ${wrong === 1 ? "thing is" : "things are"} wrong.`);
  const json = {
    ok: wrong === 0,
    ref,
    tip,
    findings: findings.map(({ check, state, text, fix }) => ({ check, state, text, ...(fix ? { fix } : {}) })),
  };
  return { exit: wrong === 0 ? 0 : 1, json, text: lines.join("\n") };
}

/** A check that breaks off is a finding like another: the others are still made. */
async function checked(check: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    return bad(check, `It cannot be read: ${oneLine((error as Error).message, 400)}`, HOW_TO_MEND);
  }
}

async function filesFindings({ repository, ref }: LedgerPlace): Promise<Finding[]> {
  const folder = join(repository.root, WORKSPACE);
  if (repository.bare || !lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  try {
    const { up } = await daemonOf({ repository: repository.root, folder, gitDir: repository.gitDir });
    const { findings, files } = await compare({ repository, ref, folder, up });
    return findings.length > 0 ? findings : [ok("files", `${files} files are as recorded`)];
  } catch (error) {
    return [bad("files", `They cannot be compared: ${oneLine((error as Error).message, 400)}`, HOW_TO_MEND)];
  }
}

const OLD_MS = 60_000;

/** What a killed writer left; the next start clears it. A daemon at work holds nothing for as long as this. */
function staleFinding({ commonDir }: Repository, ref: string): Finding {
  const packs = join(commonDir, "objects/pack");
  const stale = [
    ...namesIn(packs).flatMap((name) => (name.startsWith("cox_tmp_") ? [join(packs, name)] : [])),
    join(commonDir, `${ref}.lock`),
  ].filter((path) => Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > OLD_MS);
  return stale.length === 0
    ? ok("leftovers", "nothing stale lies about")
    : bad("leftovers", `A killed writer left ${some(stale, 3)}.`, "cox start clears them");
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
