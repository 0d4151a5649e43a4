/**
 * What a killed writer of ours leaves in the repository, and its removal. Call it while no writer of this workspace
 * lives: the workspace's lock says so. What is not certainly ours stays.
 */
import { open, readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { git } from "./git.ts";
import { COXSWAIN } from "./message.ts";
import { SALT } from "./writer.ts";

export async function clearRemains(repository: { commonDir: string; ref: string }): Promise<void> {
  await clearRefLock(repository);
  await clearCrashReports(repository);
  await clearTemporaryPacks(repository.commonDir);
}

/**
 * Git holds the lock of a ref for milliseconds (a `git gc` of the user's packs the ref under it). A lock that stands
 * for a second is a dead writer's: the only program that holds this one longer would be another daemon, which the
 * workspace's lock excludes, or one of a linked working tree, whose writer then reports a failed update and tries again.
 */
async function clearRefLock({ commonDir, ref }: { commonDir: string; ref: string }): Promise<void> {
  const file = join(commonDir, `${ref}.lock`);
  const identity = () =>
    stat(file).then(
      (s) => `${s.ino} ${s.ctimeMs}`,
      () => null,
    );
  const first = await identity();
  for (let waited = 0; first !== null && waited < 1000; waited += 50) {
    await sleep(50);
    if ((await identity()) !== first) return;
  }
  if (first !== null) await rm(file, { force: true });
}

/** `fast_import_crash_<pid>` reports that name our ref. */
async function clearCrashReports({ commonDir, ref }: { commonDir: string; ref: string }): Promise<void> {
  for (const name of await list(commonDir)) {
    if (!/^fast_import_crash_\d+$/.test(name)) continue;
    const text = await readFile(join(commonDir, name), "utf8").catch(() => "");
    if (text.includes(ref)) await rm(join(commonDir, name), { force: true });
  }
}

/**
 * Temporary packs and indexes that nobody has open: at once if they begin with a count of zero objects (only
 * fast-import's do), the rest when ten minutes old, since a fetch of the user's closes its pack before it names it.
 */
async function clearTemporaryPacks(commonDir: string): Promise<void> {
  const folder = join(commonDir, "objects/pack");
  const names = (await list(folder)).filter((name) => /^tmp_(?:pack|idx|rev)_\w+$/.test(name));
  if (names.length === 0) return;
  const held = process.platform === "linux" ? await openFiles() : undefined;
  for (const file of names.map((name) => join(folder, name))) {
    const age = Date.now() - ((await stat(file).catch(() => null))?.mtimeMs ?? Date.now());
    const dead = held ? !held.has(file) && (age > 600_000 || (await startsEmpty(file))) : age > 3_600_000;
    if (dead) await rm(file, { force: true });
  }
}

async function startsEmpty(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => null);
  if (!handle) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(12), 0, 12, 0);
    return bytesRead === 12 && buffer.toString("latin1", 0, 4) === "PACK" && buffer.readUInt32BE(8) === 0;
  } finally {
    await handle.close();
  }
}

async function openFiles(): Promise<Set<string>> {
  const held = new Set<string>();
  for (const pid of (await list("/proc")).filter((name) => /^\d+$/.test(name))) {
    for (const fd of await list(`/proc/${pid}/fd`)) held.add(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""));
  }
  return held;
}

/**
 * fast-import marks its packs with `.keep` while it lives; a killed one's stay for ever, and no repack ever takes
 * them. Ours are those whose commits are all Coxswain's. Only when what the dead writer was about to record is
 * recorded: its successor uses the objects that are there, and `.keep` is what keeps a `git gc --prune=now` beside it
 * from deleting them before the ref names them.
 */
export async function releaseKeptPacks(commonDir: string): Promise<void> {
  const folder = join(commonDir, "objects/pack");
  for (const name of await list(folder)) {
    if (!/^pack-[0-9a-f]+\.keep$/.test(name)) continue;
    const base = join(folder, name.slice(0, -".keep".length));
    const mark = await readFile(`${base}.keep`, "utf8").catch(() => "?");
    const index = await readFile(`${base}.idx`).catch(() => null);
    if (mark.trim() !== "fast-import" && mark !== "") continue; // empty: a power cut took the text
    // Without an index it died while it made the pack: nothing is in it that anybody could read.
    const ours = index === null || (index.length < 8_000_000 && (await onlyCoxswains(commonDir, index)));
    if (ours) await rm(`${base}.keep`, { force: true });
  }
}

async function onlyCoxswains(commonDir: string, index: Buffer): Promise<boolean> {
  const at = { cwd: commonDir, gitDir: commonDir };
  const ids =
    (await git(["show-index"], { ...at, input: index })).stdout.toString().match(/(?<= )[0-9a-f]{40,64}(?= )/g) ?? [];
  const kinds = await git(["cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize)"], {
    ...at,
    input: `${ids.join("\n")}\n`,
  });
  const found = kinds.stdout.toString();
  const commits = found.match(/(?<=^commit )[0-9a-f]+/gm) ?? [];
  const salt = found.match(/^blob [0-9a-f]+ (?:[1-9]|\d\d)$/gm)?.map((line) => line.split(" ")[1] ?? "") ?? [];
  const looked = await git(["cat-file", "--batch"], { ...at, input: `${[...commits, ...salt].join("\n")}\n` });
  const text = looked.stdout.toString();
  const committers = text.match(/^committer .*(?= \d+ [+-]\d{4}$)/gm) ?? [];
  if (commits.length === 0) return text.includes(SALT); // all a second try added
  return committers.length >= commits.length && committers.every((line) => line === `committer ${COXSWAIN}`);
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
