/** `cox doctor`: everything that can be wrong, each with what mends it. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { WORKSPACE } from "../../store/paths.ts";
import type { Command, Input, Outcome } from "./command.ts";
import type { Context } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { bypassFinding, claudeFindings } from "./doctor-claude.ts";
import { bad, linesOf, ok, warn, type Finding } from "./doctor-finding.ts";
import { excludeFinding, gitFinding, ledgerFindings, repositoryOf, trackedFinding } from "./doctor-git.ts";
import { fileSystemFinding, nodeFinding, unwatchedFinding, watchFinding } from "./doctor-system.ts";
import { needsClaude } from "./needs-claude.ts";
import { worktreeFindings } from "./doctor-worktrees.ts";
import { bypassing, configOf, filesOf, leftoverFinding, sizeFindings } from "./doctor-workspace.ts";

export const command: Command = {
  where: "anywhere",
  options: [
    { name: "fix", text: "mend what can be mended safely: the exclude line, orphan markers, unfinished files" },
  ],
  example: "cox doctor --fix",
  description:
    "Look for everything that can be wrong with git, Claude Code, the machine and the workspace, and say what mends it. Exit 1 if something is wrong (✗); warnings (!) do not count.",
  run,
};

async function run(input: Input, context: Context): Promise<Outcome> {
  const mended: string[] = [];
  let findings = await examine(context);
  if (input.flag("fix")) {
    for (const { repair } of findings) if (repair) mended.push(await repair());
    if (mended.length > 0) findings = await examine(context);
  }
  const wrong = findings.filter(({ state }) => state === "bad").length;
  const shown = findings.map(({ check, state, text, fix, repair }) => ({
    check,
    state,
    text,
    ...(fix ? { fix } : {}),
    fixable: repair !== undefined,
  }));
  const lines = [
    ...mended.map((what) => context.paint("green", `mended: ${what}`)),
    ...findings.flatMap((finding) => linesOf(finding, context.paint)),
  ];
  lines.push("", wrong === 0 ? "Nothing is wrong." : `${wrong} ${wrong === 1 ? "thing is" : "things are"} wrong.`);
  return { exit: wrong === 0 ? 0 : 1, json: { ok: wrong === 0, findings: shown, mended }, text: lines.join("\n") };
}

async function examine(context: Context): Promise<Finding[]> {
  const { dir, environment } = context;
  const findings = [nodeFinding(process.versions.node), await gitFinding(dir)];
  // Without git nothing below can be told.
  if (findings.some(({ check, state }) => check === "git" && state === "bad")) return findings;
  const found = await repositoryOf(dir);
  findings.push(...found.findings);
  const folder = "repository" in found ? join(found.repository.root, WORKSPACE) : undefined;
  const there = folder === undefined ? undefined : lstatSync(folder, { throwIfNoEntry: false });
  if (!("repository" in found) || folder === undefined || !there?.isDirectory()) {
    findings.push(...(await claudeFindings("claude", environment, { trustsProject: false, needed: false })));
    if (there) findings.push(bad("workspace", `${folder} is not a folder.`, "move it away, then cox init"));
    else if (folder)
      findings.push(
        warn("workspace", "There is no workspace here yet.", "cox init (or, if its ledger exists: cox restore)"),
      );
    return findings;
  }
  const { repository } = found;
  const workspace = { repository: repository.root, folder, gitDir: repository.gitDir };
  const settings = configOf(workspace, environment);
  const { config } = settings;
  const daemon = await daemonOf(workspace);
  const files = await filesOf(folder);
  const add = (...more: (Finding | undefined)[]) => findings.push(...more.filter((one) => one !== undefined));
  const asked = { trustsProject: config.trust_project_settings, needed: needsClaude(folder) };
  add(...(await claudeFindings(config.agent.claude, environment, asked)));
  add(bypassFinding(bypassing(folder, config), environment, process.getuid?.()));
  add(...settings.findings, excludeFinding(repository));
  add(daemonFinding(daemon), fileSystemFinding(folder), watchFinding(files.watched));
  add(...files.findings, daemon.up ? undefined : leftoverFinding(folder));
  add(trackedFinding(workspace), ...(await ledgerFindings(folder, environment, daemon.up)));
  add(...sizeFindings(folder, config.retention.warn_mb));
  if (config.isolation === "worktree") add(...(await worktreeFindings(repository)));
  return findings;
}

function daemonFinding(daemon: Awaited<ReturnType<typeof daemonOf>>): Finding {
  if (!daemon.up) return ok("daemon", "none is up; nobody holds the workspace");
  const { holder } = daemon;
  if (holder?.trouble) {
    const { since, message } = holder.trouble;
    return bad(
      "daemon",
      `up (process ${holder.pid}), but since ${since} nothing can be recorded: ${message}`,
      "make room on the disk, or mend what it says; it tries every 2 s and goes on by itself",
    );
  }
  if (holder?.unwatched) return unwatchedFinding(holder.unwatched, holder.pid);
  return ok(
    "daemon",
    holder ? `up: process ${holder.pid} on ${holder.host}, version ${holder.version}, since ${holder.since}` : "up",
  );
}
