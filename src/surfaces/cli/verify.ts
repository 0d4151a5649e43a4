/** `cox verify`: whether the ledger is whole, and the disk what it says. SPEC section 7. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { openObjects } from "../../ledger/cat-file.ts";
import { git, type Repository } from "../../ledger/git.ts";
import { readLog } from "../../ledger/log.ts";
import { at, WORKSPACE } from "../../store/paths.ts";
import { chainBreaks } from "./chain.ts";
import { refused, type Command, type Input, type Outcome } from "./command.ts";
import type { Context } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { bad, linesOf, ok, some, type Finding } from "./doctor-finding.ts";
import { differences } from "./doctor-git.ts";
import { findLedger, recordedFiles } from "./ledger-place.ts";
import { isObject } from "./tasks-on-disk.ts";

export const command: Command = {
  where: "anywhere",
  options: [{ name: "full", text: "also let git check every object of the repository (git fsck --full --strict)" }],
  example: "cox verify",
  description:
    "Check that each task's transitions follow one another without gap or repetition, that git has all that the ledger names, that the files are as recorded, and that nothing stale lies about. Exit 1 if something is wrong (✗); what is not recorded yet (!) does not count.",
  run,
};

async function run(input: Input, context: Context): Promise<Outcome> {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return refused(found.trouble);
  const { repository, ref, tip } = found.ok;
  const findings: Finding[] = [];
  if (tip === null) findings.push(ok("ledger", `${ref} has not begun`));
  else {
    findings.push(...(await chainFindings(repository, tip)));
    findings.push(await objectsFinding(repository, tip));
    const folder = join(repository.root, WORKSPACE);
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
      const { up } = await daemonOf({ repository: repository.root, folder, gitDir: repository.gitDir });
      const recorded = await recordedFiles(repository, tip);
      const differing = await differences({ repository, folder, recorded, up });
      findings.push(...(differing.length > 0 ? differing : [ok("files", `${recorded.size} files are as recorded`)]));
    }
  }
  findings.push(staleFinding(repository, ref));
  if (input.flag("full")) findings.push(await fsckFinding(repository));
  const wrong = findings.filter(({ state }) => state === "bad").length;
  const lines = findings.flatMap((finding) => linesOf(finding, context.paint));
  lines.push("", wrong === 0 ? `${ref} is whole.` : `${wrong} ${wrong === 1 ? "thing is" : "things are"} wrong.`);
  const json = {
    ok: wrong === 0,
    ref,
    tip,
    findings: findings.map(({ check, state, text, fix }) => ({ check, state, text, ...(fix ? { fix } : {}) })),
  };
  return { exit: wrong === 0 ? 0 : 1, json, text: lines.join("\n") };
}

/** The last `Cox-To` of a task is the status in its recorded file: asked of the same commit, so no daemon disturbs it. */
async function chainFindings(repository: Repository, tip: string): Promise<Finding[]> {
  const entries = await readLog(repository.root, tip, { ownLine: true });
  const tasks = new Set(entries.flatMap(({ session, task }) => (session && task ? [`${session}/${task}`] : [])));
  const status = new Map<string, string>();
  const objects = openObjects(repository.commonDir);
  try {
    for (const key of tasks) {
      const [session = "", id = ""] = key.split("/");
      const blob = await objects.get(`${tip}:${WORKSPACE}/${at.task(session, id)}`);
      const value: unknown = blob ? parsed(blob.content.toString("utf8")) : undefined;
      if (isObject(value) && typeof value["status"] === "string") status.set(key, value["status"]);
    }
  } finally {
    await objects.close();
  }
  const breaks = chainBreaks(entries, (key) => status.get(key) ?? null);
  const said = `${entries.length} entries, ${tasks.size} tasks`;
  if (breaks.length === 0) return [ok("story", `${said}: each transition follows the one before`)];
  return [
    bad("story", `${said}, ${breaks.length} breaks: ${some(breaks, 5)}`, "cox log --task <task> shows the story"),
  ];
}

async function objectsFinding({ commonDir }: Repository, tip: string): Promise<Finding> {
  const walked = await git(["rev-list", "--objects", "--quiet", tip], { cwd: commonDir, gitDir: commonDir });
  return walked.code === 0
    ? ok("objects", "git has all that the ledger names")
    : bad("objects", `git misses some: ${walked.stderr.split("\n")[0]}`, "fetch the ref from where it was pushed");
}

async function fsckFinding({ commonDir }: Repository): Promise<Finding> {
  const args = ["fsck", "--full", "--strict", "--no-dangling", "--no-progress"];
  const checked = await git(args, { cwd: commonDir, gitDir: commonDir });
  const said = `${checked.stdout.toString()}${checked.stderr}`.trim();
  return checked.code === 0
    ? ok("fsck", "git finds nothing wrong")
    : bad("fsck", `git fsck: ${some(said.split("\n"), 3)}`, "see git fsck --full --strict");
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
