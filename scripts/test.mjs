// Runs the tests (all, or the files given) in an environment that is the same everywhere. Last line: `N passed, N failed`.
// COX_TEST_COUNTS may name a file for the same numbers as JSON. Readable for Node 18, see local-node.mjs.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { localEnvironment, localNode, root } from "./local-node.mjs";

const temporary = realpathSync(mkdtempSync(join(tmpdir(), "cox-test-")));
// Tests that run a daemon as somebody else must be able to get there.
chmodSync(temporary, 0o755);
const countsDirectory = realpathSync(mkdtempSync(join(tmpdir(), "cox-counts-")));
const countsFile = join(countsDirectory, "counts.json");

/** `--all`: also what `npm test` takes a sample of. */
const isAll = process.argv[2] === "--all";
const files = process.argv.slice(isAll ? 3 : 2);
const child = spawn(
  localNode(),
  [
    "--test",
    `--test-concurrency=${availableParallelism() + 1}`, // a daemon that waits needs no processor
    "--test-timeout=120000",
    `--test-reporter=${process.env.CI ? "dot" : "spec"}`,
    "--test-reporter-destination=stdout",
    `--test-reporter=${new URL("count-reporter.mjs", import.meta.url).href}`,
    `--test-reporter-destination=${countsFile}`,
    ...(files.length > 0 ? files : ["test/**/*.test.ts"]),
  ],
  { cwd: root, env: environment(), stdio: ["ignore", "inherit", "inherit"] },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => finish(error.message));
child.on("exit", (code, signal) => finish(code === 0 ? undefined : (signal ?? `exit code ${code}`)));

function environment() {
  const env = localEnvironment();
  const foreign = /^(GIT_|ANTHROPIC_|CLAUDE|FORCE_COLOR$|NODE_TEST_CONTEXT$|COX_TEST_COUNTS$)/;
  for (const name of Object.keys(env)) if (foreign.test(name)) delete env[name];
  return {
    NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "compile"), // saves each started process the stripping of types
    ...env,
    ...(isAll ? { COX_TEST_ALL: "1" } : {}),
    TZ: "UTC",
    LC_ALL: "C.UTF-8",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    NO_COLOR: "1",
    TMPDIR: temporary,
  };
}

/** @param {string | undefined} trouble how the runner ended, if not well */
function finish(trouble) {
  const counts = readCounts();
  let failed = counts.failed + counts.cancelled;
  if (trouble !== undefined && failed === 0) {
    console.log(`\nThe test runner itself failed: ${trouble}`);
    failed += 1;
  }
  const left = readdirSync(temporary, { recursive: true }).filter((path) => !/^node-compile-cache\b/.test(path));
  if (left.length > 0) {
    const more = left.length > 20 ? `\n  and ${left.length - 20} more` : "";
    console.log(`\nThe tests left files behind in TMPDIR:\n  ${left.slice(0, 20).join("\n  ")}${more}`);
    failed += 1;
  }
  if (counts.passed + failed === 0) console.log("\nNo test ran.");
  for (const directory of [temporary, countsDirectory])
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });

  if (process.env.COX_TEST_COUNTS) {
    writeFileSync(process.env.COX_TEST_COUNTS, `${JSON.stringify({ ...counts, failed })}\n`);
  }
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`\n${counts.passed} passed, ${failed} failed${skipped}`);
  process.exitCode = failed > 0 || counts.passed === 0 ? 1 : 0;
}

function readCounts() {
  try {
    return JSON.parse(readFileSync(countsFile, "utf8"));
  } catch {
    return { passed: 0, failed: 0, skipped: 0, cancelled: 0 }; // the runner did not get so far
  }
}
