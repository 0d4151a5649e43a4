/** The daemon as a process of its own: `node daemon-main.ts <folder> [once]`. */
import { startDaemon } from "../../src/daemon/start.ts";

const [dir, mode] = process.argv.slice(2);
if (dir === undefined) throw new Error("which folder?");
process.exitCode = await startDaemon({ dir, once: mode === "once", terminal: process.stderr, version: "0.0.0-test" });
