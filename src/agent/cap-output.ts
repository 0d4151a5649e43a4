/**
 * Output that is longer than a disk can bear: its beginning is given back while the agent goes on writing. A hole is
 * punched, so that every byte keeps its place: the agent, which appends, does not notice, and nobody who reads along
 * loses count. What a file system without holes does not allow ends with the agent being stopped.
 */
import { constants as fsConstants } from "node:fs";
import { copyFile, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { readCut, RUN_FILES, type Cut } from "./run-folder.ts";

const NAMES = ["stdout", "stderr"] as const;
const COPIED_AT_ONCE = 1024 * 1024;

/**
 * Ask now and then: of output that takes more than `most` bytes, each file is cut to its last `keep`. Undefined: there is
 * no need to. `cannot` says why nothing could be given back.
 */
export async function capOutput(
  runDir: string,
  before: Cut,
  { most, keep }: { most: number; keep: number },
): Promise<{ cut: Cut } | { cannot: string } | undefined> {
  const sizes = await Promise.all(NAMES.map((name) => sizeOf(join(runDir, name))));
  const held = NAMES.map((name, n) => (sizes[n] ?? 0) - before[name]);
  if (held.reduce((sum, bytes) => sum + bytes, 0) <= most) return undefined;
  const cut = { ...before };
  try {
    for (const [n, name] of NAMES.entries()) {
      if ((held[n] ?? 0) <= keep) continue;
      const to = (sizes[n] ?? 0) - keep;
      await giveBack(join(runDir, name), to);
      cut[name] = to;
    }
  } catch (error) {
    return { cannot: (error as Error).message };
  }
  // Afterwards, when there is room for it; a daemon that dies here leaves zeros, which no line is made of.
  await writeFile(join(runDir, RUN_FILES.cut), JSON.stringify(cut)).catch(() => {});
  return { cut };
}

/** Copies what there is of standard output; where it was cut, a line in front says so. */
export async function copyOutput(runDir: string, to: string): Promise<void> {
  const file = join(runDir, RUN_FILES.stdout);
  const { stdout: from } = await readCut(runDir);
  if (from === 0) return copyFile(file, to);
  const [source, copy] = [await open(file, "r"), await open(to, "w", 0o600)];
  try {
    await copy.write(`${leftOut(from)}\n`);
    const buffer = Buffer.allocUnsafe(COPIED_AT_ONCE);
    for (let at = from, got = -1; got !== 0; at += got) {
      got = (await source.read(buffer, 0, buffer.length, at)).bytesRead;
      for (let done = 0; done < got;) done += (await copy.write(buffer, done, got - done)).bytesWritten;
    }
  } finally {
    await Promise.all([source.close(), copy.close()]);
  }
}

export function leftOut(bytes: number): string {
  return `[the first ${bytes} bytes are left out]`;
}

async function sizeOf(file: string): Promise<number> {
  const handle = await openOwn(file).catch(() => undefined);
  try {
    return (await handle?.stat())?.size ?? 0;
  } finally {
    await handle?.close();
  }
}

// By the descriptor: what the agent puts in the place of the file meanwhile is not touched.
async function giveBack(file: string, bytes: number): Promise<void> {
  const handle = await openOwn(file, fsConstants.O_RDWR);
  try {
    const found = await handle.stat();
    if (!found.isFile() || found.nlink !== 1) throw new Error(`${file} is not the agent's own any more`);
    const range = ["--punch-hole", "--offset", "0", "--length", String(bytes), "/dev/fd/0"];
    const { failed, shortMessage, stderr } = await execa("fallocate", range, {
      stdin: handle.fd as 3, // any descriptor will do, execa's types know those up to 9
      stdout: "ignore",
      reject: false,
    });
    if (failed) throw new Error(stderr || shortMessage);
  } finally {
    await handle.close();
  }
}

function openOwn(file: string, flags: number = fsConstants.O_RDONLY) {
  return open(file, flags | fsConstants.O_NOFOLLOW | fsConstants.O_NONBLOCK);
}
