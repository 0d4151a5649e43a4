/** The machine as the daemon needs it: Node, file events, the kind of file system. */
import { readFileSync, statfsSync } from "node:fs";
import { bad, ok, warn, type Finding } from "./doctor-finding.ts";

export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const fits = major > 24 || (major === 24 && minor >= 15);
  return fits
    ? ok("node", `Node ${version}`)
    : bad("node", `Node ${version} is older than 24.15.`, "install a newer Node");
}

/** statfs(2) names file systems by these numbers. */
const FILE_SYSTEMS = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x65735546, "FUSE"],
  [0x01021997, "9P (a folder of the host)"],
  [0x00c36400, "Ceph"],
]);

export function fileSystemFinding(folder: string): Finding | undefined {
  if (process.platform !== "linux") return undefined;
  return remoteFinding(statfsSync(folder).type >>> 0);
}

export function remoteFinding(type: number): Finding {
  const name = FILE_SYSTEMS.get(type);
  if (name === undefined) return ok("file system", "local");
  return warn(
    "file system",
    `${name}: file events may not arrive, and locks may not hold between machines.`,
    "run one daemon, on one machine; changes are found by looking every few seconds (rescan)",
  );
}

/** `needed`: files and folders that are watched, one each. */
export function watchFinding(needed: number): Finding | undefined {
  if (process.platform !== "linux") return undefined;
  const limit = number("/proc/sys/fs/inotify/max_user_watches");
  return limit === undefined ? undefined : watchesFinding(needed, limit);
}

export function watchesFinding(needed: number, limit: number): Finding {
  const text = `${needed} of ${limit} file watches are needed`;
  const more = `sudo sysctl fs.inotify.max_user_watches=${Math.max(524_288, needed * 4)}`;
  // Editors and other daemons of the same user share the limit.
  if (needed > limit) return bad("watches", `${text}: changes are found late.`, more);
  return needed > limit / 2 ? warn("watches", `${text}, and other programs share them.`, more) : ok("watches", text);
}

/** What the kernel refused is told by the error's code; more of it helps once the daemon asks again. */
export function unwatchedFinding({ since, message }: { since: string; message: string }, pid: number): Finding {
  const short = /\bENOSPC\b/.test(message) ? "max_user_watches=524288" : "max_user_instances=1024";
  const more = /\b(ENOSPC|EMFILE)\b/.test(message) ? `sudo sysctl fs.inotify.${short}, then ` : "";
  const again = `${more}kill -HUP ${pid} (or cox restart)`;
  return warn("daemon", `up (process ${pid}), but since ${since} file events are lost: ${message}`, again);
}

function number(file: string): number | undefined {
  try {
    const value = Number(readFileSync(file, "utf8").trim());
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
