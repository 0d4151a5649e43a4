/**
 * Saves of all kinds of editors, aimed at the moments of the daemon's own writes: each must be in history as a person's
 * commit, once. `node bench/saves.ts [seconds]`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeLab, readIf, startDaemon, stopDaemon, until, type Lab } from "./lab.ts";

const PEOPLE = 3;
/** About as long as a task takes: the daemon writes when it begins and when it ends. */
const LIFE_MS = 150;
const FOLDER = join("WFS-bench", ".task");

/** Ways to save a text, each as an editor or a shell does it. `aside` is a name beside it that nobody looks at. */
const WAYS: Record<string, (file: string, text: string, aside: string) => Promise<boolean> | boolean> = {
  "truncate and write": (file, text) => inPlace(file, { text, flags: "w", parts: 1, waits: 0 }),
  "truncate and write slowly": (file, text) => inPlace(file, { text, flags: "w", parts: 3, waits: 5 }),
  "open, think, write": (file, text) => inPlace(file, { text, flags: "r+", parts: 1, waits: 100 }),
  "temporary file and rename"(file, text, aside) {
    writeFileSync(aside, text);
    renameSync(aside, file);
    return false;
  },
  "backup and rename, as vim"(file, text) {
    renameSync(file, `${file}~`);
    writeFileSync(file, text);
    unlinkSync(`${file}~`);
    return false;
  },
};

/** Whether the file was replaced before all was written: then this went into one that has no name in its folder. */
async function inPlace(
  file: string,
  { text, flags, parts, waits }: { text: string; flags: string; parts: number; waits: number },
): Promise<boolean> {
  const fd = openSync(file, flags);
  try {
    const { ino } = fstatSync(fd);
    const size = Math.ceil(text.length / parts);
    for (let at = 0; at < text.length; at += size) {
      if (waits > 0) await pause(waits * Math.random());
      writeSync(fd, text.slice(at, at + size), at);
    }
    return statSync(file, { throwIfNoEntry: false })?.ino !== ino;
  } finally {
    closeSync(fd);
  }
}

/** One person: saves each of their tasks at two moments of its short life, each time with a field that is nowhere else. */
async function person(workspace: string, me: number, seconds: number): Promise<void> {
  const names = Object.keys(WAYS);
  const plans = new Map<string, number[]>();
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(1)) {
    const now = Date.now();
    for (const each of readdirSync(join(workspace, FOLDER)))
      if (/^impl-\d+\.json$/.test(each) && numberOf(each) % PEOPLE === me && !plans.has(each))
        plans.set(each, [now + Math.random() * LIFE_MS, now + Math.random() * LIFE_MS]);
    const name = [...plans].find(([, times]) => times.some((time) => time <= now))?.[0];
    if (name === undefined) continue;
    plans.set(
      name,
      (plans.get(name) ?? []).filter((time) => time > now),
    );
    const file = join(workspace, FOLDER, name);
    const text = readIfThere(file);
    if (!text.includes('"attempts"') || !text.trimEnd().endsWith("}")) {
      plans.get(name)?.push(now + Math.random() * LIFE_MS); // not taken in yet, or half saved
      continue;
    }
    const mark = `mark-${me}-${Math.random().toString(36).slice(2, 10)}`;
    const saved = text.replace("{", `{\n  "${mark}": true,`);
    const way = names[Math.floor(Math.random() * names.length)] ?? "";
    let replaced = false;
    try {
      replaced = (await WAYS[way]?.(file, saved, join(workspace, FOLDER, `.${name}.tmp`))) ?? false;
    } catch {
      continue; // not there in this moment: no save was made
    }
    console.log(JSON.stringify({ mark, way, name, replaced }));
  }
}

function numberOf(name: string): number {
  return Number(/\d+/.exec(name));
}

/** Between a look and the reading a file may be on its way. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

interface Save {
  mark: string;
  way: string;
  name: string;
  replaced: boolean;
}

/** Figures of so many seconds. */
export async function saves(seconds = 20): Promise<string[]> {
  const lab = makeLab({ config: "concurrency: 8\nledger:\n  durability: process\nisolation: none\n" });
  const daemon = await startDaemon(lab);
  const people: ChildProcess[] = [];
  const made: Save[] = [];
  try {
    for (let me = 0; me < PEOPLE; me++) {
      const child = spawn(
        process.execPath,
        [import.meta.filename, "--person", lab.workspace, String(me), String(seconds)],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      let told = "";
      child.stdout?.setEncoding("utf8").on("data", (text: string) => (told += text));
      child.on("close", () =>
        made.push(
          ...told
            .split("\n")
            .filter(Boolean)
            .map((line) => JSON.parse(line) as Save),
        ),
      );
      people.push(child);
    }
    let count = 0;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(20)) {
      count++;
      const aside = join(lab.workspace, ".run", "drop.json");
      const command = {
        title: `Task ${count}`,
        note: "none................",
        agent: "command",
        execution: { command: `sleep 0.0${count % 4}` },
      };
      writeFileSync(aside, JSON.stringify(command, null, 2));
      renameSync(aside, join(lab.workspace, FOLDER, `impl-${count}.json`));
    }
    await Promise.all(
      people.map(async (child) => child.exitCode ?? new Promise((resolve) => child.once("close", resolve))),
    );
    await until(() => isDone(lab, count), 60_000, "all tasks to be done");
    await pause(6000); // so long are replaced files looked at
    return figures(lab, made, count);
  } finally {
    for (const child of people) child.kill("SIGKILL");
    await stopDaemon(daemon);
    lab.remove();
  }
}

function isDone(lab: Lab, count: number): boolean {
  const folder = join(lab.workspace, FOLDER);
  for (let n = 1; n <= count; n++)
    if (!/"status": "completed"/.test(readIf(join(folder, `impl-${n}.json`)))) return false;
  return true;
}

function figures(lab: Lab, made: readonly Save[], tasks: number): string[] {
  const format = "%x00%(trailers:key=Cox-Actor,valueonly,separator=%x2c)%x00";
  const log = lab.git("log", "-p", "--unified=0", `--format=${format}`, "refs/cox/ledger", "--", `.workflow/${FOLDER}`);
  const parts = log.split("\0");
  const commits = new Map<string, { person: number; daemon: number }>();
  for (let at = 1; at + 1 < parts.length; at += 2) {
    for (const [, mark = ""] of (parts[at + 1] ?? "").matchAll(/^\+.*"(mark-[^"]*)": true/gm)) {
      const of = commits.get(mark) ?? { person: 0, daemon: 0 };
      of[parts[at] === "person" ? "person" : "daemon"]++;
      commits.set(mark, of);
    }
  }
  const lines = [`${made.length} saves of ${tasks} tasks while they started and ended:`];
  for (const way of Object.keys(WAYS)) {
    const all = made.filter((save) => save.way === way);
    const lost = all.filter(({ mark }) => !commits.has(mark));
    const twice = all.filter((save) => (commits.get(save.mark)?.person ?? 0) > 1);
    const theirs = all.filter((save) => commits.get(save.mark)?.person === 0);
    lines.push(
      `  ${way}: ${all.length} saves (${all.filter(({ replaced }) => replaced).length} into a file that was replaced meanwhile), ${lost.length} lost, ${twice.length} seen twice, ${theirs.length} recorded as the daemon's`,
    );
  }
  const left = existsSync(join(lab.workspace, ".run", "kept")) ? readdirSync(join(lab.workspace, ".run", "kept")) : [];
  return [...lines, `  ${left.length} kept files left behind`];
}

if (import.meta.main) {
  const [mode, workspace = "", me = "", seconds = ""] = process.argv.slice(2);
  if (mode === "--person") await person(workspace, Number(me), Number(seconds));
  else for (const line of await saves(mode ? Number(mode) : undefined)) console.log(line);
}
