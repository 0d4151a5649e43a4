/** `cox clean`: what has been kept for long enough leaves the disk; the ledger keeps everything. SPEC sections 11 and 12. */
import { hostname } from "node:os";
import { join } from "node:path";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { askToClean, isAskedToClean, lastCleaned, noLongerAsked, type Cleaned } from "../../store/cleaned.ts";
import { takeLock } from "../../store/lock.ts";
import { RUN } from "../../store/paths.ts";
import { cleanUp, planOf } from "./clean-up.ts";
import { done, refused, type Command, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { findLedger } from "./ledger-place.ts";
import { settingsOf } from "./settings.ts";
import { bytesText } from "./text.ts";

type Here = Context & { workspace: Workspace };

const DAEMON_MS = 60_000;
const LOOK_MS = 50;

export const command: Command = {
  where: "workspace",
  options: [{ name: "dry-run", text: "only say what would leave" }],
  example: "cox clean --dry-run",
  description:
    "Takes off the disk what has been kept for long enough: completed sessions (retention.completed, 7d), sessions that were\ngiven up with failed tasks (retention.failed, 30d), logs, conversations and left-over folders of runs (retention.outputs,\n30d). A daemon does it once a day. A session leaves only if all of it is in the ledger, where it stays:\ncox restore --session WFS-x brings it back. Active sessions and what is not recorded are never touched.",
  async run(input, context) {
    const { workspace, environment } = context;
    const settings = settingsOf(workspace, environment);
    if (settings.problems.length > 0)
      return refused({
        exit: 1,
        what: "The settings cannot be used, so nobody can tell what may leave.",
        problems: settings.problems,
        todo: "Mend .workflow/config.yaml, then again.",
      });
    const found = await findLedger(workspace.repository, environment);
    if ("trouble" in found) return refused(found.trouble);
    const { config } = settings;
    const here = { folder: workspace.folder, place: found.ok, config, now: Date.now() };
    if (input.flag("dry-run")) return outcomeOf(await planOf(here), true);
    if ((await daemonOf(workspace)).up) return byDaemon(context);
    const since = new Date().toISOString();
    const holder = { pid: process.pid, start: null, host: hostname(), since, version: context.version };
    const lock = await takeLock(workspace.folder, holder);
    if ("heldBy" in lock) return byDaemon(context); // it has just come
    try {
      const cleaned = await cleanUp(here);
      if (!("problem" in cleaned)) return outcomeOf(cleaned, false);
      return refused({ exit: 1, what: cleaned.problem.message, todo: cleaned.problem.hint });
    } finally {
      lock.ok.release();
      await rm(join(workspace.folder, RUN, "daemon.json"), { force: true });
    }
  },
};

/** The daemon is the one that writes the ledger: it is asked, and waited for. */
async function byDaemon({ workspace, tell }: Here): Promise<Outcome> {
  const { folder } = workspace;
  await askToClean(folder);
  tell("waiting for the daemon to clean\n");
  for (const deadline = Date.now() + DAEMON_MS; Date.now() < deadline; await sleep(LOOK_MS)) {
    if (isAskedToClean(folder)) continue;
    const cleaned = lastCleaned(folder);
    if (cleaned) return outcomeOf(cleaned, false);
  }
  await noLongerAsked(folder);
  return refused({
    exit: 1,
    what: "The daemon has not cleaned within a minute.",
    why: "It may be unable to record, or it has ended meanwhile.",
    todo: "cox status says how it is; then again.",
  });
}

const MOST_SHOWN = 20;

function outcomeOf(cleaned: Cleaned, dry_run: boolean): Outcome {
  const { archived, kept, removed } = cleaned;
  const bytes = [...archived, ...removed].reduce((sum, each) => sum + each.bytes, 0);
  const leaves = dry_run ? "would leave" : "left";
  const lines = archived.map(
    ({ session, why, since, bytes: size }) =>
      `${session} ${leaves} (${why}, idle since ${since.slice(0, 10)}, ${bytesText(size)}): cox restore --session ${session} brings it back`,
  );
  if (removed.length > 0) {
    const worn = removed.reduce((sum, each) => sum + each.bytes, 0);
    lines.push(
      `${removed.length} outworn logs, conversations and folders of runs ${leaves} (${bytesText(worn)})`,
      ...removed.slice(0, MOST_SHOWN).map(({ path }) => `  ${path}`),
      ...(removed.length > MOST_SHOWN ? [`  and ${removed.length - MOST_SHOWN} more`] : []),
    );
  }
  for (const { session, unrecorded } of kept) {
    const more = unrecorded.length > 3 ? ` and ${unrecorded.length - 3} more` : "";
    lines.push(
      `${session} stays: not in the ledger as it is: ${unrecorded.slice(0, 3).join(", ")}${more} (cox start records what can be)`,
    );
  }
  for (const { folder, bytes: size, limit_bytes } of cleaned.too_large)
    lines.push(`.workflow/${folder} has ${bytesText(size)}, more than ${bytesText(limit_bytes)} (retention.warn_mb)`);
  if (lines.length === 0) lines.push("There is nothing to clean.");
  const { at, ...facts } = cleaned;
  return done(lines.join("\n"), { dry_run, at, bytes, ...facts });
}
