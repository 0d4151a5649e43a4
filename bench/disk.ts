/** Small file systems of their own. Each is unmounted in the end, also when the script is interrupted. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a file takes at least. */
export const BLOCK = 4096;

export interface Disk {
  /** Where it is mounted. */
  at: string;
  unmount: () => void;
}

/** A folder for images and mounts; why there can be none, where this may not be done. */
export function diskFolder(): { ok: { dir: string; remove: () => void } } | { impossible: string } {
  if (process.platform !== "linux") return { impossible: "it needs Linux" };
  if (process.getuid?.() !== 0) return { impossible: "it needs root, to mount" };
  const missing = ["mkfs.ext4", "losetup", "mount", "fallocate"].find(
    (name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0,
  );
  if (missing) return { impossible: `${missing} is missing` };
  const dir = mkdtempSync(join(tmpdir(), "cox-disk-"));
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  try {
    mountNew({ dir, kind: "tmpfs", megabytes: 1 }).unmount();
    makeImage(join(dir, "try"), 4);
    mountImage(join(dir, "try")).unmount();
  } catch (error) {
    remove();
    return { impossible: (error as Error).message };
  }
  return { ok: { dir, remove } };
}

/** An empty ext4 in a file, without room set aside for root. */
export function makeImage(file: string, megabytes: number): void {
  writeFileSync(file, "");
  truncateSync(file, megabytes * 1024 * 1024);
  run("mkfs.ext4", "-q", "-F", "-m", "0", file);
}

/** Mounting it replays its journal. */
export function mountImage(file: string): Disk {
  return mounted(`${file}-mounted`, ["-o", "loop", file]);
}

export function mountNew(options: { dir: string; kind: "ext4" | "tmpfs"; megabytes: number }): Disk {
  const { dir, kind, megabytes } = options;
  const file = join(dir, `small-${kind}`);
  if (kind === "tmpfs") return mounted(`${file}-mounted`, ["-t", "tmpfs", "-o", `size=${megabytes}m`, "none"]);
  makeImage(file, megabytes);
  return mountImage(file);
}

/** Fills it, but for so many bytes (in whole blocks); how many there are. */
export function leaveRoom(disk: Disk, bytes: number): number {
  const filler = join(disk.at, "filler");
  makeRoom(disk);
  // The file system wants some blocks for itself, when it pleases: so in ever smaller pieces.
  let size = 0;
  for (let piece = room(disk) - bytes; piece >= BLOCK;) {
    const { status } = spawnSync("fallocate", ["-l", String(size + piece), filler], { stdio: "ignore" });
    if (status === 0) size += piece;
    const left = room(disk) - bytes;
    piece = Math.floor(Math.min(left, status === 0 ? left : piece / 2) / BLOCK) * BLOCK;
  }
  return room(disk);
}

export function makeRoom(disk: Disk): void {
  rmSync(join(disk.at, "filler"), { force: true });
}

function room({ at }: Disk): number {
  const { bavail, bsize } = statfsSync(at);
  return bavail * bsize;
}

const open = new Set<string>();
process.on("exit", () => {
  for (const at of open) spawnSync("umount", ["-l", at]);
});

function mounted(at: string, args: readonly string[]): Disk {
  run("mkdir", "-p", at);
  run("mount", ...args, at);
  open.add(at);
  const interrupted = () => process.exit(130);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, interrupted);
  return {
    at,
    unmount() {
      if (!open.has(at)) return;
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(signal, interrupted);
      // A process that just ended may hold it for a moment.
      const flags = spawnSync("umount", [at]).status === 0 ? undefined : ["-l", at];
      if (flags) run("umount", ...flags);
      open.delete(at);
    },
  };
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}
