/** When a process started, as the kernel tells it: a pid is used again, a pid with its start time is not. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Opaque, only compared; null where it cannot be told, undefined when there is no such process. */
export function startOf(pid: number): string | null | undefined {
  if (process.platform === "linux") return onLinux(pid);
  try {
    return (
      execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
        encoding: "utf8",
        env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" },
      })
        .trim()
        .split(/\s+/)
        .join(" ") || undefined
    );
  } catch {
    return alive(pid) ? null : undefined;
  }
}

/** Field 22 of proc(5); the name before it may hold spaces and brackets. */
function onLinux(pid: number): string | null | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return alive(pid) ? null : undefined;
  }
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
