/** Puts the stand-ins in the place of what is outside of the daemon: for the modules of `src/` alone. To be imported first. */
import { registerHooks } from "node:module";

const here = new URL("./stand-ins/", import.meta.url);
const src = new URL("../../src/", import.meta.url).href;

const PACKAGES: Record<string, string> = {
  "node:fs": "fs.ts",
  "node:fs/promises": "fs-promises.ts",
  "node:timers/promises": "rest.ts",
  "node:crypto": "rest.ts",
  "write-file-atomic": "rest.ts",
};

const FILES: Record<string, string> = {
  "ledger/ledger.ts": "ledger.ts",
  "ledger/git.ts": "rest.ts",
  "ledger/recommended-rules.ts": "rest.ts",
  "daemon/rejoin.ts": "machines.ts",
  "daemon/merging.ts": "machines.ts",
  "daemon/take-in.ts": "machines.ts",
  "daemon/housekeeping.ts": "machines.ts",
  "agent/proc-table.ts": "agents.ts",
  "agent/wrapper.ts": "agents.ts",
  "agent/stop-run.ts": "agents.ts",
  "agent/gates.ts": "agents.ts",
  "agent/claude-program.ts": "rest.ts",
  "daemon/vigil.ts": "agents.ts",
  "daemon/workshop.ts": "agents.ts",
  "daemon/review-change.ts": "agents.ts",
  "daemon/review-watch.ts": "agents.ts",
  "daemon/failpoint.ts": "rest.ts",
  "daemon/memory.ts": "rest.ts",
  "notify/desktop.ts": "rest.ts",
  "store/editor-schemas.ts": "rest.ts",
};

registerHooks({
  resolve(specifier, context, next) {
    const inside = context.parentURL?.startsWith(src);
    const stand = inside ? PACKAGES[specifier] : undefined;
    if (stand) return next(new URL(stand, here).href, context);
    const resolved = next(specifier, context);
    const file = inside && resolved.url.startsWith(src) ? FILES[resolved.url.slice(src.length)] : undefined;
    return file ? { ...resolved, url: new URL(file, here).href } : resolved;
  },
});
