/** The files of a workspace: settings, sessions, tasks, markers, reports, and what lies about. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import { parentOf, type SessionId } from "../../model/ids.ts";
import { problemLine } from "../../problems.ts";
import { checkSession, checkTaskDrop } from "../../store/check.ts";
import { locate, parseJson } from "../../store/json-file.ts";
import { at, RUN } from "../../store/paths.ts";
import { sizesOf } from "../../store/outworn.ts";
import { readRegular, Scanner, type Found } from "../../store/scan.ts";
import { bad, ok, some, warn, type Finding } from "./doctor-finding.ts";
import type { Workspace } from "./context.ts";
import { settingsOf, UNTRUSTED_SETTINGS } from "./settings.ts";
import { isObject } from "./tasks-on-disk.ts";
import { bytesText } from "./text.ts";

export function configOf(workspace: Workspace, env: NodeJS.ProcessEnv): { config: Config; findings: Finding[] } {
  const { config, file, problems } = settingsOf(workspace, env);
  const fix = "edit .workflow/config.yaml; cox config --docs explains it";
  const findings = problems.map((found) => bad("settings", problemLine(found, at.config), fix));
  if (file === "untrusted")
    findings.push(warn("settings", UNTRUSTED_SETTINGS, `read it, then: cox trust .workflow/${at.config}`));
  else if (problems.length === 0)
    findings.push(ok("settings", file === "obeyed" ? at.config : "none written: the defaults"));
  return { config, findings };
}

/** `watched`: how many files and folders the daemon watches. */
export async function filesOf(folder: string): Promise<{ findings: Finding[]; watched: number }> {
  const found = await new Scanner(folder).full();
  const findings = [
    ...irregular(found),
    ...reports(found),
    ...faulty(found),
    ...markerFindings(folder),
    ...relations(found),
  ];
  const tasks = found.filter(({ place }) => place.kind === "task").length;
  const sessions = found.filter(({ place }) => place.kind === "session-folder").length;
  if (!findings.some(({ state }) => state === "bad"))
    findings.unshift(ok("files", `${sessions} sessions, ${tasks} task files`));
  const folders = new Set(found.map(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf("/")))));
  return { findings, watched: found.length + folders.size };
}

/** What a writer that was killed left behind; the daemon clears it at its start. */
export function leftoverFinding(folder: string): Finding | undefined {
  const tmp = join(folder, RUN, "tmp");
  const names = namesIn(tmp);
  if (names.length === 0) return undefined;
  const repair = async () => {
    for (const name of names) rmSync(join(tmp, name), { recursive: true, force: true });
    return `removed ${names.length} unfinished files`;
  };
  return {
    ...warn("leftovers", `${names.length} unfinished files in ${join(".workflow", RUN, "tmp")}.`, "cox doctor --fix"),
    repair,
  };
}

export function sizeFindings(folder: string, warnMb: number): Finding[] {
  const { run_bytes, metrics_bytes, too_large } = sizesOf(folder, warnMb);
  if (too_large.length === 0)
    return [ok("size", `.run has ${bytesText(run_bytes)}, metrics ${bytesText(metrics_bytes)}`)];
  return too_large.map(({ folder: which, bytes, limit_bytes }) =>
    warn(
      "size",
      `.workflow/${which} has ${bytesText(bytes)}, more than ${bytesText(limit_bytes)} (retention.warn_mb).`,
      "cox clean --dry-run says what may leave; retention.* says when",
    ),
  );
}

/** Roles that ask for bypassPermissions, and the settings if they do. */
export function bypassing(folder: string, config: Config): string[] {
  const asking = config.agent.permission_mode === "bypassPermissions" ? ["agent.permission_mode"] : [];
  for (const name of namesIn(join(folder, "agents"))) {
    const text = readRegular(join(folder, "agents", name))?.content.toString("utf8") ?? "";
    const front = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? "";
    if (/^(permission_mode|permissionMode):\s*["']?bypassPermissions\b/m.test(front))
      asking.push(`role ${name.replace(/\.md$/, "")}`);
  }
  return asking;
}

function irregular(found: readonly Found[]): Finding[] {
  return found.flatMap((one) => {
    if (one.is === "oversized" && one.place.kind !== "other")
      return [
        bad(
          "files",
          `${one.path} has ${one.size} bytes; 1 MiB is the most.`,
          "put long texts into files of their own and name them",
        ),
      ];
    if (one.place.kind === "session-part")
      return [bad("files", `${one.path} stands where a folder of its session has to be.`, `rm .workflow/${one.path}`)];
    if (one.is !== "irregular" || one.place.kind === "session-folder" || one.place.kind === "marker") return [];
    return [
      bad("files", `${one.path} is ${one.what}, not a regular file: it is never opened.`, `rm .workflow/${one.path}`),
    ];
  });
}

function reports(found: readonly Found[]): Finding[] {
  const there = new Set(found.map(({ path }) => path));
  const paths = found.filter(({ place }) => place.kind === "report").map(({ path }) => path);
  return paths.flatMap((path) => {
    const file = path.replace(/\.error\.md$/, "");
    // Removed while no daemon was there: the next start takes the report away.
    if (!there.has(file)) return [];
    return [bad("files", `${file} was not taken in.`, `read .workflow/${path}, and mend the file`)];
  });
}

function faulty(found: readonly Found[]): Finding[] {
  const reported = new Set(found.map(({ path }) => path));
  return found.flatMap((one): Finding[] => {
    const { path, place } = one;
    if (one.is !== "file" || (place.kind !== "task" && place.kind !== "session-file") || reported.has(at.report(path)))
      return [];
    const parsed = parseJson(one.content);
    if ("problems" in parsed)
      return parsed.problems.map((each) => bad("files", problemLine(each, path), `cox validate .workflow/${path}`));
    const checked = place.kind === "task" ? checkTaskDrop(parsed.ok) : checkSession(parsed.ok);
    if ("ok" in checked) return [];
    // A session's file may lack parts: they are filled in.
    const problems = checked.problems.filter(({ code }) => place.kind === "task" || code !== "missing-field");
    return locate(parsed.text, problems).map((each) =>
      bad("files", problemLine(each, path), `cox validate .workflow/${path}`),
    );
  });
}

function markerFindings(folder: string): Finding[] {
  const names = namesIn(folder);
  const sessions = new Set(new Scanner(folder).markers().map(({ session }) => session));
  return [...sessions]
    .filter((session) => !names.includes(session))
    .map((session) => ({
      ...bad(
        "markers",
        `The marker ${at.marker(session)} has no session.`,
        "cox doctor --fix (the daemon removes it, too)",
      ),
      repair: async () => {
        rmSync(join(folder, at.marker(session)), { force: true });
        return `removed ${at.marker(session)}`;
      },
    }));
}

/** Parents and subtasks follow from the ids; the daemon rebuilds what does not. */
function relations(found: readonly Found[]): Finding[] {
  const findings: Finding[] = [];
  for (const [session, tasks] of tasksBySession(found)) {
    const broken: string[] = [];
    const lacking: string[] = [];
    const childrenOf = Map.groupBy(tasks.keys(), (id) => parentOf(id));
    for (const [id, task] of tasks) {
      const given = isObject(task["relations"]) ? task["relations"] : {};
      const parent = parentOf(id);
      if (parent !== null && !tasks.has(parent)) lacking.push(`${id} has no parent ${parent}`);
      if (given["parent"] !== undefined && given["parent"] !== parent)
        broken.push(`${id} names the parent ${JSON.stringify(given["parent"])}`);
      const children = (childrenOf.get(id) ?? []).toSorted();
      const named = Array.isArray(given["subtasks"]) ? given["subtasks"].map(String).sort() : [];
      if (given["subtasks"] !== undefined && named.join() !== children.join())
        broken.push(
          `${id} names the subtasks ${named.join(", ") || "none"} instead of ${children.join(", ") || "none"}`,
        );
      const dependencies = Array.isArray(given["dependencies"]) ? given["dependencies"].map(String) : [];
      for (const other of dependencies)
        if (!tasks.has(other)) lacking.push(`${id} waits for ${other}, which does not exist`);
    }
    if (broken.length > 0)
      findings.push(warn("relations", `${session}: ${some(broken)}.`, "cox start mends them from the ids"));
    if (lacking.length > 0)
      findings.push(bad("relations", `${session}: ${some(lacking)}.`, "add what is missing, or edit the tasks"));
  }
  return findings;
}

function tasksBySession(found: readonly Found[]): Map<SessionId, Map<string, Record<string, unknown>>> {
  const sessions = new Map<SessionId, Map<string, Record<string, unknown>>>();
  for (const one of found) {
    if (one.is !== "file" || one.place.kind !== "task" || one.place.id === null) continue;
    const parsed = parseJson(one.content);
    if ("problems" in parsed) continue;
    const tasks = sessions.get(one.place.session) ?? new Map<string, Record<string, unknown>>();
    sessions.set(one.place.session, tasks.set(one.place.id, parsed.ok));
  }
  return sessions;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
