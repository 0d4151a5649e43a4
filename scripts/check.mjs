// All checks that are not tests, in order; a failed one does not hide the next. Readable for Node 18, see local-node.mjs.
import { spawnSync } from "node:child_process";
import { localEnvironment, localNode, root } from "./local-node.mjs";

const checks = [
  ["types", "tsc"],
  ["lint", "oxlint"],
  ["format", "prettier", "--check", "--log-level=warn", "."],
  ["dead code", "knip", "--no-progress"],
  ["generated files", localNode(), "scripts/generate.ts", "--check"],
];

const failed = checks.filter(([name, command, ...args]) => {
  const start = performance.now();
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env: localEnvironment(),
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error) console.log(error.message);
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return status !== 0;
});

if (failed.length > 0) {
  console.log(`check failed: ${failed.map(([name]) => name).join(", ")}`);
  process.exitCode = 1;
}
