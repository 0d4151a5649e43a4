/** A file that somebody else still writes: what was added since the last look, as whole lines. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

export interface GrowingFile {
  /** Whole lines that came since the last call; `rest`: also a last line that has no end yet. */
  lines(rest?: boolean): string[];
  /** Whether the name stands for another file now, or for none. */
  readonly replaced: boolean;
  close(): void;
}

const MOST_AT_ONCE = 1024 * 1024;
const LONGEST_LINE = 4 * 1024 * 1024;

/**
 * From the byte `from` on. Undefined when there is no such regular file. The file is held open: what is removed while it is read is read to its end.
 */
export function openGrowing(path: string, from = 0): GrowingFile | undefined {
  const fd = openRegular(path);
  if (fd === undefined) return undefined;
  const { ino, dev } = fstatSync(fd);
  const decoder = new StringDecoder("utf8");
  const buffer = Buffer.allocUnsafe(MOST_AT_ONCE);
  let at = from;
  let kept = "";
  return {
    lines(rest = false) {
      const lines: string[] = [];
      for (
        let got = readSync(fd, buffer, 0, MOST_AT_ONCE, at);
        got > 0;
        got = readSync(fd, buffer, 0, MOST_AT_ONCE, at)
      ) {
        at += got;
        const parts = (kept + decoder.write(buffer.subarray(0, got))).split("\n");
        kept = (parts.pop() ?? "").slice(0, LONGEST_LINE);
        lines.push(...parts);
      }
      if (rest && kept !== "") {
        lines.push(kept);
        kept = "";
      }
      return lines;
    },
    get replaced() {
      const other = openRegular(path);
      if (other === undefined) return true;
      const now = fstatSync(other);
      closeSync(other);
      return now.ino !== ino || now.dev !== dev || now.size < at;
    },
    close: () => closeSync(fd),
  };
}

// An agent may have put a link or a pipe in the place of its file: neither is followed, and neither can make this wait.
function openRegular(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}
