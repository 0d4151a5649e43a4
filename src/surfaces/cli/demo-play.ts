/** The demonstration itself, step by step; then what was promised is looked at, one by one. */
import type { LogEntry } from "../../ledger/log.ts";
import { WORKSPACE } from "../../store/paths.ts";
import { chainBreaks } from "./chain.ts";
import {
  CHAIN,
  KILLED,
  ROLE,
  ROLE_FILE,
  SCRIPT,
  SCRIPT_FILE,
  SESSION,
  SESSION_TOPIC,
  SETTINGS,
  SIMPLE,
  STEERED,
  STEERED_TO,
} from "./demo-script.ts";
import type { Stage } from "./demo-stage.ts";

export interface Narrator {
  /** Resolves when there was time to read what came before. */
  step(text: string): Promise<void>;
  /** A command as one would type it. */
  type(command: string): void;
  note(text: string): void;
  /** Output as it is. */
  show(text: string): void;
}

export interface Claim {
  claim: string;
  holds: boolean;
  /** What was found instead. */
  found?: string;
}

const INBOX = `${WORKSPACE}/inbox`;
const TASKS = ["impl-1", ...CHAIN.map(({ id }) => id), STEERED.id];

export async function play(stage: Stage, tell: Narrator): Promise<Claim[]> {
  await prepare(stage, tell);
  const first = await stage.start();
  await tell.step("A daemon watches the folder");
  tell.type("cox start --detach");
  tell.note(`It is up: process ${first}.`);

  await simpleTask(stage, tell);
  const agent = await killedInMidRun(stage, tell, first);
  await steered(stage, tell);

  await tell.step("The story, told by git alone");
  tell.type("git log cox/ledger");
  tell.show(await stage.git("log", "--reverse", "--format=%h  %<(9,trunc)%an  %s", "refs/cox/ledger"));
  await tell.step("The state, as a page that is always up to date");
  const page = `${WORKSPACE}/${SESSION}/TODO_LIST.md`;
  await stage.until("TODO_LIST.md to be up to date", () => !/- \[ \] \*\*IMPL/.test(stage.read(page)));
  tell.type(`cat ${page}`);
  tell.show(
    stage
      .read(page)
      .replace(/^<!--.*-->\n+/, "")
      .trimEnd(),
  );
  await tell.step("Your repository: what the agents changed, and nothing of Coxswain's");
  tell.type("git status --short");
  tell.show(await stage.git("status", "--short"));
  tell.type("sh bin/greet --shout Ada");
  return claims(stage, tell, agent);
}

async function prepare(stage: Stage, tell: Narrator): Promise<void> {
  await tell.step("A small project, committed; then a workspace in it");
  await stage.build();
  tell.type('git init && git commit -m "A greeter"');
  tell.type("cox init");
  await stage.must("init");
  const config = `${WORKSPACE}/config.yaml`;
  stage.write(config, `${stage.has(config) ? stage.read(config) : ""}\n${SETTINGS}`);
  stage.write(`${WORKSPACE}/${ROLE_FILE}`, ROLE);
  stage.writeJson(`${WORKSPACE}/${SCRIPT_FILE}`, SCRIPT);
  tell.type(`cox session new "${SESSION_TOPIC}"`);
  await stage.must("session", "new", SESSION_TOPIC);
}

async function simpleTask(stage: Stage, tell: Narrator): Promise<void> {
  await tell.step("A task is a file. Dropped into the inbox, it runs");
  tell.type(`echo '${JSON.stringify(SIMPLE)}' > ${INBOX}/greet.json`);
  stage.write(`${INBOX}/greet.json`, `${JSON.stringify(SIMPLE)}\n`);
  await completed(stage, "impl-1");
  tell.type("cox logs impl-1");
  tell.show(await stage.must("logs", "impl-1"));
}

/** Returns the process that was at work when the daemon was killed. */
async function killedInMidRun(stage: Stage, tell: Narrator, daemon: number): Promise<number | undefined> {
  await tell.step("Three tasks at once, each waiting for the one before");
  tell.type(`cp ${CHAIN.map(({ id }) => `${id}.json`).join(" ")} ${INBOX}/`);
  for (const task of CHAIN) stage.writeJson(`${INBOX}/${task.id}.json`, task);
  await stage.until(
    `${KILLED} to be at work`,
    () =>
      stage.task(KILLED)?.status === "active" && stage.said(KILLED).includes(SCRIPT["Build the --shout option"][0].say),
  );

  await tell.step(`The daemon is killed while the agent of ${KILLED} works`);
  const [agent] = stage.agents();
  tell.type(`kill -9 ${daemon}`);
  process.kill(daemon, "SIGKILL");
  await stage.until("the daemon to be gone", () => !isAlive(daemon));
  const alive = agent !== undefined && stage.agents().includes(agent);
  tell.note(
    alive ? `The daemon is gone. The agent (process ${agent}) works on.` : "The daemon is gone, and so is the agent.",
  );
  tell.type("cox start --detach");
  const next = await stage.start();
  tell.note(`A new daemon: process ${next}. It looks for what the old one left.`);
  await completed(stage, KILLED);
  const attempts = stage.task(KILLED)?.execution.attempts;
  tell.note(`${KILLED} is completed in attempt ${attempts}: the same agent, not started twice, nothing paid twice.`);
  for (const { id } of CHAIN) await completed(stage, id);
  return alive ? agent : undefined;
}

async function steered(stage: Stage, tell: Narrator): Promise<void> {
  await tell.step("A change of course: edit the file of a task that runs");
  tell.type(`echo '${JSON.stringify(STEERED)}' > ${INBOX}/french.json`);
  stage.write(`${INBOX}/french.json`, `${JSON.stringify(STEERED)}\n`);
  const running = await stage.until(
    "impl-5 to be at work",
    () => stage.said(STEERED.id).includes(SCRIPT["Greet in French"][0].say) && stage.task(STEERED.id),
  );
  tell.type(
    `$EDITOR ${WORKSPACE}/${SESSION}/.task/${STEERED.id}.json    "title": "${STEERED_TO}", "status": "pending"`,
  );
  stage.writeJson(`${WORKSPACE}/${SESSION}/.task/${STEERED.id}.json`, {
    ...running,
    title: STEERED_TO,
    status: "pending",
  });
  await completed(stage, STEERED.id);
  tell.note("The agent was stopped, and a new one did what the file says now.");
}

function completed(stage: Stage, id: string): Promise<true> {
  return stage.until(`${id} to be completed`, () => {
    const { status, execution } = stage.task(id) ?? {};
    if (status === "blocked")
      throw new Error(`${id} is blocked: ${execution?.last_attempt?.error?.message ?? execution?.reason}`);
    return status === "completed";
  });
}

async function claims(stage: Stage, tell: Narrator, adopted: number | undefined): Promise<Claim[]> {
  const shouted = await shell(stage, "bin/greet", "--shout", "Ada");
  tell.show(shouted);
  const { entries } = JSON.parse(await stage.must("log", "--json", "--limit", "0")) as {
    entries: (LogEntry & { author: string })[];
  };
  const statusOf = (key: string) => stage.task(key.split("/")[1] ?? "")?.status ?? null;
  const breaks = chainBreaks(entries, statusOf);
  const notDone = TASKS.filter((id) => stage.task(id)?.status !== "completed");
  const starts = entries.filter(({ task, to }) => task === KILLED && to === "active").length;
  const steer = entries.some(({ task, actor }) => task === STEERED.id && actor === "person");
  const status = await stage.git("status", "--porcelain", "--untracked-files=all");
  const notes = await stage.git("log", "--format=%(trailers:key=Cox-Note,valueonly,separator=%x20)", "refs/cox/ledger");
  const branches = await stage.git("for-each-ref", "--format=%(refname)", "refs/heads", "refs/stash", "refs/tags");
  const commits = await stage.git("rev-list", "--count", "main");
  const tests = await shell(stage, "test/greet.sh");
  const claim = (text: string, holds: boolean, found: string): Claim => ({
    claim: text,
    holds,
    ...(holds ? {} : { found }),
  });
  return [
    claim(`all ${TASKS.length} tasks are completed`, notDone.length === 0, `not so: ${notDone.join(", ")}`),
    claim("the agent outlived the daemon", adopted !== undefined, "it did not"),
    claim(
      "the new daemon took it over: one start, one attempt",
      starts === 1 && stage.task(KILLED)?.execution.attempts === 1,
      `${starts} starts`,
    ),
    claim("the ledger has every transition, without gap or repetition", breaks.length === 0, breaks.join(" ")),
    claim(
      "the hand edit is recorded as yours, and was obeyed",
      steer && stage.has("greetings/italian") && !stage.has("greetings/french"),
      "it was not",
    ),
    claim("the project's own tests pass on what the agents made", tests.endsWith("ok: shouting"), tests),
    claim(
      "main has its one commit, and there is no other branch",
      branches === "refs/heads/main" && commits === "1",
      `${branches}, ${commits} commits`,
    ),
    claim("git status shows nothing of Coxswain's", !status.includes(WORKSPACE), status),
    claim("history says that no model was called", notes.includes("scripted: no model was called"), "it does not"),
  ];
}

async function shell(stage: Stage, ...args: string[]): Promise<string> {
  const { execFile } = await import("node:child_process");
  return new Promise((done) => execFile("sh", args, { cwd: stage.dir }, (_, out, err) => done((out + err).trimEnd())));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
