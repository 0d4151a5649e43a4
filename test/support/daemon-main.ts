/** The daemon as a process of its own: `node daemon-main.ts <folder> [once]`. It does not outlive whoever started it. */
import { startDaemon } from "../../src/daemon/start.ts";

const [dir, mode] = process.argv.slice(2);
if (dir === undefined) throw new Error("which folder?");
process.stdin.on("end", () => process.exit(1)).resume();
(process.stdin as { unref?: () => void }).unref?.();
process.exitCode = await startDaemon({ dir, once: mode === "once", terminal: process.stderr, version: "0.0.0-test" });
