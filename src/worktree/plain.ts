/** Files in git's own folders, where agents can put anything: nothing here waits, as a read of a FIFO would. */
import { closeSync, constants, copyFileSync, fstatSync, lstatSync, openSync, readFileSync } from "node:fs";

/** What is in a file; undefined where there is none that can be read. */
export function plainText(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return fstatSync(fd).isFile() ? readFileSync(fd, "utf8") : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** Copies a file; what is none, or may not be read, is not there. */
export function copyPlain(from: string, to: string): void {
  if (!lstatSync(from, { throwIfNoEntry: false })?.isFile()) return;
  try {
    copyFileSync(from, to);
  } catch (error) {
    if (!["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
