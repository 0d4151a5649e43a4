/**
 * Eight agents at once in worktrees of one repository, sixty tasks in three layers, six conflicts planted, and a busy
 * user in the same repository: `node bench/workshop.ts [files]`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as breathe, setTimeout as pause } from "node:timers/promises";
import { makeLab, startDaemon, stopDaemon, type Lab } from "./lab.ts";
import { prove, type Proof } from "./proof.ts";

const SESSION = "WFS-bench";
const LAYER = 20;
const CONFLICTS = 6;
const DEADLINE_MS = 300_000;
const BRANCH = `cox/${SESSION}/session`;

export async function workshop(files = 5000): Promise<Proof> {
  const lab = makeLab({ files, config: "concurrency: 8\nisolation: worktree\nnotify:\n  level: none\n" });
  const broken: string[] = [];
  try {
    for (let n = 1; n <= 3 * LAYER; n++) write(lab, `impl-${n}`, taskOf(n));
    const began = performance.now();
    const daemon = await startDaemon(lab);
    let user = { commands: 0 };
    try {
      user = await userUntil(lab, broken, () => settled(lab) === 3 * LAYER);
    } finally {
      await stopDaemon(daemon);
    }
    const seconds = (performance.now() - began) / 1000;
    const base = lab.git("merge-base", "main", BRANCH).trim();
    const found = tasks(lab);
    const blocked = found.filter(({ status }) => status === "blocked");
    const done = found.filter(({ status }) => status === "completed");
    if (done.length !== 3 * LAYER - CONFLICTS) broken.push(`${done.length} of ${3 * LAYER - CONFLICTS} are completed`);
    for (const { id, execution } of blocked)
      if (execution.reason !== "conflict")
        broken.push(`${id} is blocked for ${execution.reason}, not for its conflict`);
    const wanted = new Set(done.map(({ id }) => `out/${id}`));
    for (let pair = 1; pair <= CONFLICTS; pair++) wanted.add(`shared/${pair}`);
    const changed = lab.git("diff", "--name-only", base, BRANCH).split("\n").filter(Boolean);
    for (const path of changed) if (!wanted.delete(path)) broken.push(`${path} is in the session's branch`);
    for (const path of wanted) broken.push(`${path} is not in the session's branch`);
    for (const { id } of done) {
      const text = lab.git("show", `${BRANCH}:out/${id}`).trim();
      if (text !== expected(Number(id.slice("impl-".length)))) broken.push(`out/${id} says ${JSON.stringify(text)}`);
    }
    const left = readdirSync(join(lab.workspace, ".run/worktrees")).filter((name) => name.startsWith(SESSION));
    if (left.length !== blocked.length) broken.push(`worktrees that are left: ${left.join(", ")}`);
    const complaint = lab.complaint("fsck", "--strict", "--no-dangling");
    if (complaint !== "") broken.push(complaint);
    const figures =
      `${done.length} tasks landed and ${blocked.length} are blocked by the conflicts planted, in ${seconds.toFixed(0)} s ` +
      `(8 agents, ${files} files); ${user.commands} commands of a user beside it, ${broken.length} faults`;
    return { figures, broken };
  } finally {
    lab.remove();
  }
}

/** The first tasks of the first layer come in pairs that write the same file at the same time. */
function taskOf(n: number): Record<string, unknown> {
  const layer = Math.ceil(n / LAYER);
  const dependency = n - LAYER;
  const pair = Math.ceil(n / 2);
  const clashes = layer === 1 && pair <= CONFLICTS;
  const other = n % 2 === 1 ? n + 1 : n - 1;
  const meet = `mkdir -p ../met && touch ../met/${n} && until [ -e ../met/${other} ]; do sleep 0.02; done`;
  const lines = [
    "mkdir -p out shared",
    layer === 1 ? `echo ${n} > out/impl-${n}` : `(cat out/impl-${dependency}; echo ${n}) > out/impl-${n}`,
    ...(clashes ? [meet, `echo ${n} > shared/${pair}`] : ["sleep 0.1"]),
  ];
  // Nothing depends on those that clash.
  const depends = layer > 1 && !(layer === 2 && dependency <= 2 * CONFLICTS) ? [`impl-${dependency}`] : [];
  const command = lines.join(" && ").replace(`cat out/impl-${dependency}`, depends.length > 0 ? "$&" : "true");
  return {
    id: `impl-${n}`,
    title: `Task ${n}`,
    agent: "command",
    relations: { dependencies: depends },
    execution: { command },
  };
}

function expected(n: number): string {
  const dependency = n - LAYER;
  const depends = n > LAYER && !(n <= 2 * LAYER && dependency <= 2 * CONFLICTS);
  return depends ? `${expected(dependency)}\n${n}` : String(n);
}

interface Seen {
  id: string;
  status: string;
  execution: { reason?: string };
}

function tasks(lab: Lab): Seen[] {
  const folder = join(lab.workspace, SESSION, ".task");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Seen);
}

function settled(lab: Lab): number {
  return tasks(lab).filter(({ status }) => status === "completed" || status === "blocked").length;
}

function write(lab: Lab, id: string, task: object): void {
  writeFileSync(join(lab.workspace, SESSION, ".task", `${id}.json`), JSON.stringify(task));
}

/** What a person does meanwhile: commits, switches, rebases, stashes. */
async function userUntil(lab: Lab, broken: string[], isOver: () => boolean): Promise<{ commands: number }> {
  let commands = 0;
  const run = async (...args: string[]) => {
    const complaint = lab.complaint(...args);
    commands++;
    if (complaint !== "") broken.push(`the user's ${complaint}`);
    await breathe();
  };
  const file = join(lab.dir, "src/m1/f1.ts");
  for (const end = Date.now() + DEADLINE_MS; !isOver(); await pause(50)) {
    if (Date.now() > end) {
      broken.push(`not over after ${DEADLINE_MS / 1000} s: ${settled(lab)} settled`);
      break;
    }
    writeFileSync(file, `export const f1 = ${commands};\n`);
    await run("stash", "push", "-q");
    await run("stash", "pop", "-q");
    await run("commit", "-qam", `user ${commands}`);
    await run("switch", "-qc", "topic", "HEAD~1");
    writeFileSync(join(lab.dir, "topic.ts"), `export const topic = ${commands};\n`);
    await run("add", "topic.ts");
    await run("commit", "-qm", `topic ${commands}`);
    await run("rebase", "-q", "main");
    await run("switch", "-q", "main");
    await run("branch", "-qD", "topic");
    await run("status", "--short");
  }
  return { commands };
}

if (import.meta.main) await prove("workshop", workshop(Number(process.argv[2] ?? 5000)));
