/** A repository in which the daemon works with the real Claude Code, and a scripted service on loopback. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { ResponseFile } from "../../src/model/attempt.ts";
import type { SessionFile } from "../../src/model/session.ts";
import type { Task } from "../../src/model/task.ts";
import { installedClaude, newPlace, userEnvironment, type Place } from "./claude-attempt.ts";
import { startMessagesApi, type MessagesApi, type Script } from "./messages-api.ts";

const claude = installedClaude();
export const skip = claude ? false : "there is no Claude Code package for this platform";

export interface Scene {
  place: Place;
  api: MessagesApi;
  env: NodeJS.ProcessEnv;
  workspace: string;
  daemon: () => ChildProcess;
  task: (id: string) => Task;
  response: (name: string) => ResponseFile;
  session: () => SessionFile;
}

/** A repository with one active session, a daemon that is not started yet, and a scripted service. */
export async function scene(
  t: TestContext,
  script: Script,
  more: { config?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Scene> {
  const place = await newPlace();
  const api = await startMessagesApi(script);
  const daemons: ChildProcess[] = [];
  t.after(async () => {
    for (const daemon of daemons) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
      const ended = new Promise((resolve) => daemon.once("exit", resolve));
      daemon.kill("SIGUSR2");
      await ended;
    }
    await api.close();
    await place.remove();
  });
  const env = { ...userEnvironment(place, api.url), ...more.env };
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@localhost", ...args], { cwd: place.cwd, env });
  git("init", "-q");
  writeFileSync(join(place.cwd, "CLAUDE.md"), "Always answer in verse.\n");
  git("add", ".");
  git("commit", "-qm", "begin");
  const workspace = join(place.cwd, ".workflow");
  mkdirSync(join(workspace, "WFS-real", ".task"), { recursive: true });
  mkdirSync(join(workspace, "inbox"));
  writeFileSync(join(workspace, ".active-WFS-real"), "");
  writeFileSync(
    join(workspace, "config.yaml"),
    `agent:\n  claude: ${JSON.stringify(claude ?? "claude")}\n${more.config ?? "isolation: none\n"}`,
  );
  const read = (path: string) => JSON.parse(readFileSync(join(workspace, "WFS-real", path), "utf8")) as unknown;
  return {
    place,
    api,
    env,
    workspace,
    daemon: () => {
      const main = join(import.meta.dirname, "daemon-main.ts");
      const child = spawn(process.execPath, [main, place.cwd], { env, stdio: ["pipe", "ignore", "ignore"] });
      daemons.push(child);
      return child;
    },
    task: (id) => read(`.task/${id}.json`) as Task,
    response: (name) => read(`responses/${name}.json`) as ResponseFile,
    session: () => read("workflow-session.json") as SessionFile,
  };
}

export const statusIs = (at: Scene, id: string, status: Task["status"]) => () =>
  existsSync(join(at.workspace, "WFS-real", ".task", `${id}.json`)) && at.task(id).status === status;

/** Processes that carry a run's marker: none may be left. */
export function marked(runId: string): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(`COX_RUN_ID=${runId}`);
    } catch {
      return false;
    }
  }).length;
}
