import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gatesMarker, runGates, type GatesOf } from "../../src/agent/gates.ts";
import { withMarker } from "../../src/agent/proc-table.ts";

function gates(t: TestContext, commands: string[], timeout = 10_000): GatesOf {
  const cwd = mkdtempSync(join(tmpdir(), "cox-gates-"));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  return { commands, cwd, env: { PATH: process.env["PATH"] ?? "" }, runId: randomUUID(), runDir: cwd, timeout };
}

test("gates that all succeed are told as passed, one by one", async (t) => {
  const of = gates(t, ["true", "test 1 = 1", "echo fine > seen"]);
  const { results, failure } = await runGates(of);
  assert.equal(failure, undefined);
  assert.deepEqual(
    results.map(({ command, passed, exit_code }) => [command, passed, exit_code]),
    of.commands.map((command) => [command, true, 0]),
  );
  assert.ok(existsSync(join(of.cwd, "seen")));
});

test("the first gate that fails is named with the end of its output, and the rest are not run", async (t) => {
  const of = gates(t, ["true", "echo out; echo err >&2; exit 3", "touch never"]);
  const { failure } = await runGates(of);
  assert.equal(failure?.class, "verify");
  assert.match(failure?.message ?? "", /`echo out; echo err >&2; exit 3` ended with exit code 3\.\nout\nerr$/);
  assert.ok(!existsSync(join(of.cwd, "never")));
});

test("a gate that does not end is stopped with all it started", async (t) => {
  const of = gates(t, ["setsid sleep 300 & sleep 300"], 300);
  const { failure } = await runGates(of);
  assert.match(failure?.message ?? "", /did not end within/);
  assert.deepEqual(await withMarker(gatesMarker(of.runId)), []);
});
