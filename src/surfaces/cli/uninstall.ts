/** `cox uninstall`: takes the lines of `cox init` out of git's own files, and what else is asked for. Nothing else is touched. */
import { lstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { dropExclude, git, type Repository } from "../../ledger/git.ts";
import { isHeld, readHolder, takeLock } from "../../store/lock.ts";
import { RUN, WORKSPACE } from "../../store/paths.ts";
import { done, refused, type Command, type Input, type Outcome, type Trouble } from "./command.ts";
import { notAFolder, type Context } from "./context.ts";
import { asked } from "./init.ts";
import { findLedger } from "./ledger-place.ts";
import { findInstalled, type Installed } from "./uninstall-plan.ts";

interface Wanted {
  lines: boolean;
  ledger: boolean;
  workspace: boolean;
  worktrees: boolean;
}

export const command: Command = {
  where: "anywhere",
  options: [
    { name: "ledger", text: "delete the refs under refs/cox/ of this workspace: all that was recorded" },
    { name: "workspace", text: "delete the folder .workflow/ (and the worktrees in it)" },
    { name: "worktrees", text: "remove the worktrees of agents under .workflow/.run/worktrees" },
    { name: "all", text: "all three" },
    { name: "yes", short: "y", text: "do not ask: without another option, take out the two lines and nothing else" },
    { name: "dry-run", text: "list what would be removed, and remove nothing" },
  ],
  example: "cox uninstall --dry-run",
  description:
    "Takes the two lines that cox init added out of .git/info/exclude and .git/info/attributes. On a terminal it lists what there is and asks about each thing; where nobody can be asked, an option has to say what goes (--yes: the two lines). What was recorded, .workflow/ and worktrees stay unless an option or an answer says otherwise. Work that is committed nowhere else is never deleted; branches stay.",
  run,
};

async function run(input: Input, context: Context): Promise<Outcome> {
  const place = await findLedger(context.dir, context.environment);
  if ("trouble" in place) return refused(place.trouble);
  const { repository } = place.ok;
  const folder = join(repository.root, WORKSPACE);
  const there = repository.bare ? undefined : lstatSync(folder, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) return refused({ ...notAFolder(folder, there.isSymbolicLink()), exit: 4 });
  if (there && isHeld(folder)) return refused(held(folder));

  const found = await findInstalled(place.ok);
  const dry = input.flag("dry-run");
  const named = namedIn(input);
  const unasked = named === undefined && !dry && !context.interactive;
  if (unasked && removalOf(found, { ...NOTHING, lines: true }).lines.length > 0) return refused(nobodyAsked(found));
  const wanted = named ?? (dry || unasked ? { ...NOTHING, lines: true } : await answered(context, found));
  const obstacle = inTheWay(found, wanted);
  if (obstacle) return refused(obstacle);
  const removed = removalOf(found, wanted);
  const locked = there && !dry ? await locking(folder, context.version) : undefined;
  if (locked && "trouble" in locked) return refused(locked.trouble);
  try {
    if (!dry) await remove(repository, removed);
  } finally {
    locked?.release();
    if (there && !dry) await rm(join(folder, RUN, "daemon.json"), { force: true });
  }
  return told({ found, removed, dry });
}

const NOTHING: Wanted = { lines: false, ledger: false, workspace: false, worktrees: false };

/** What the options say; undefined if they say nothing. */
function namedIn(input: Input): Wanted | undefined {
  const all = input.flag("all");
  const wanted = {
    ledger: all || input.flag("ledger"),
    workspace: all || input.flag("workspace"),
    worktrees: all || input.flag("worktrees") || input.flag("workspace"),
  };
  const some = wanted.ledger || wanted.worktrees || input.flag("yes");
  return some ? { ...wanted, lines: true } : undefined;
}

function nobodyAsked({ lines }: Installed): Trouble {
  return {
    exit: 4,
    what: "Nothing was removed: nobody can be asked here.",
    why: `It would take out ${lines.map(({ file, line }) => `${line} from ${file}`).join(", and ")}.`,
    todo: "cox uninstall --yes does that, --all removes .workflow/ and what was recorded too, --dry-run only lists.",
  };
}

async function answered(context: Context, found: Installed): Promise<Wanted> {
  const ask = (there: boolean, question: string) => (there ? asked(context, `${question} [y/N] `) : false);
  const worktrees = await ask(
    found.worktrees.length > 0,
    `Remove the worktrees of agents (${found.worktrees.map(({ path }) => path).join(", ")})?`,
  );
  const inIt = worktrees || found.worktrees.length === 0;
  const workspace = await ask(found.workspace !== null && inIt, `Delete ${found.workspace ?? ""}?`);
  const ledger = await ask(
    found.refs.length > 0,
    `Delete what was recorded (${found.refs.map(({ name }) => name).join(", ")})?`,
  );
  const taken = found.lines.map(({ file, line }) => `  ${line}  in ${file}\n`).join("");
  const shown = workspace || found.workspace === null ? "" : `Without them git status shows ${found.workspace}. `;
  const lines = await ask(
    found.neededBy === null && found.lines.length > 0,
    `cox init added\n${taken}${shown}Take them out?`,
  );
  return { lines, ledger, workspace, worktrees };
}

function inTheWay(found: Installed, wanted: Wanted): Trouble | undefined {
  const kept = found.worktrees.filter(({ holds }) => holds !== undefined);
  if (wanted.worktrees && kept.length > 0) {
    return {
      exit: 4,
      what: `Nothing was removed: ${kept.map(({ path, holds }) => `${path}: ${holds}`).join("; ")}.`,
      why: "Work that is nowhere else is never deleted.",
      todo: "Commit and merge it, or git worktree remove --force <path>; then again.",
      facts: { worktrees: kept },
    };
  }
  if ((wanted.workspace || wanted.worktrees) && found.running.length > 0) {
    return {
      exit: 4,
      what: `Nothing was removed: agents of ${found.running.join(", ")} may still be at work.`,
      todo: "cox start looks after them again, cox stop --now ends them.",
    };
  }
  if (wanted.workspace && found.tracked.length > 0) {
    return {
      exit: 4,
      what: `Nothing was removed: your branch tracks ${found.tracked.slice(0, 5).join(", ")}.`,
      why: "Files of your branch are yours to remove.",
      todo: "git rm -r --cached .workflow, commit that, then again.",
    };
  }
  return undefined;
}

interface Removal {
  lines: Installed["lines"];
  refs: Installed["refs"];
  workspace: string | null;
  worktrees: string[];
}

function removalOf(found: Installed, wanted: Wanted): Removal {
  return {
    lines: wanted.lines && found.neededBy === null ? found.lines : [],
    refs: wanted.ledger ? found.refs : [],
    workspace: wanted.workspace ? found.workspace : null,
    worktrees: wanted.worktrees ? found.worktrees.map(({ path }) => path) : [],
  };
}

/** The lines go last: `git status` never shows a folder that is about to be gone. */
async function remove({ commonDir }: Repository, { lines, refs, workspace, worktrees }: Removal): Promise<void> {
  const own = { cwd: commonDir, gitDir: commonDir };
  for (const path of worktrees) {
    // Without --force: what changed in it meanwhile keeps it.
    const { code, stderr } = await git(["worktree", "remove", path], own);
    if (code !== 0) throw new Error(`git worktree remove failed: ${stderr}`);
  }
  if (refs.length > 0) {
    const input = refs.map(({ name, commit }) => `delete ${name} ${commit}\n`).join("");
    const { code, stderr } = await git(["update-ref", "--stdin"], { ...own, input });
    if (code !== 0) throw new Error(`git update-ref failed: ${stderr}`);
  }
  if (workspace !== null) await rm(workspace, { recursive: true, force: true, maxRetries: 3 });
  if (lines.length > 0) await dropExclude(commonDir);
}

async function locking(folder: string, version: string): Promise<{ release(): void } | { trouble: Trouble }> {
  const since = new Date().toISOString();
  const lock = await takeLock(folder, { pid: process.pid, start: null, host: hostname(), since, version });
  return "ok" in lock ? lock.ok : { trouble: held(folder) };
}

function held(folder: string): Trouble {
  const holder = readHolder(folder);
  return {
    exit: 4,
    what: `A daemon is at work here${holder ? ` (process ${holder.pid}, since ${holder.since})` : ""}.`,
    why: "It would write again what is removed.",
    todo: "cox stop, then again.",
  };
}

function told({ found, removed, dry }: { found: Installed; removed: Removal; dry: boolean }): Outcome {
  const changed = !dry && removed.lines.length + removed.refs.length + removed.worktrees.length > 0;
  const left = {
    refs: [...found.refs.filter((ref) => !removed.refs.includes(ref)).map(({ name }) => name), ...found.rescued],
    workspace: removed.workspace === null ? found.workspace : null,
    worktrees: found.worktrees.map(({ path }) => path).filter((path) => !removed.worktrees.includes(path)),
  };
  const json = { changed: changed || (!dry && removed.workspace !== null), dry_run: dry, removed, left };
  const verb = dry ? "would remove" : "removed";
  const lines = [
    ...removed.lines.map(({ file, line }) => `${verb}  ${line}  from ${file}`),
    ...removed.worktrees.map((path) => `${verb}  worktree ${path}`),
    ...removed.refs.map(({ name, commit }) => `${verb}  ${name} (was ${commit})`),
    ...(removed.workspace === null ? [] : [`${verb}  ${removed.workspace}`]),
  ];
  if (lines.length === 0) lines.push("Nothing to do.");
  if (found.neededBy !== null && found.lines.length > 0)
    lines.push(`The lines in .git/info stay: ${found.neededBy} is a workspace too.`);
  if (left.worktrees.length > 0) lines.push(`left: ${left.worktrees.join(", ")} (--worktrees)`);
  if (left.workspace !== null) lines.push(`left: ${left.workspace} (--workspace; until then git status shows it)`);
  const recorded = found.refs.filter(({ name }) => left.refs.includes(name));
  if (recorded.length > 0) lines.push(`left: ${recorded.map(({ name }) => name).join(", ")} (--ledger)`);
  for (const name of found.rescued) lines.push(`left: ${name}, work that no branch has (git update-ref -d ${name})`);
  return done(lines.join("\n"), json);
}
