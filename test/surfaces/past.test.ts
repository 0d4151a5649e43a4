/** `cox status --at` and `cox diff --state`: how all stood at a moment, and what moved since. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { defaults } from "../../src/store/config-file.ts";
import { USUAL_REF } from "../../src/surfaces/cli/ledger-place.ts";
import { cox, git, record, repository, session, SESSION, task, write } from "./recorded.ts";

/** Three moments, a minute apart: two tasks wait; one is done for $0.50 and one runs; the second is gone, a third is blocked. */
async function story(t: TestContext): Promise<{ dir: string; commits: string[] }> {
  const dir = repository(t);
  const file = (id: string) => `${SESSION}/.task/${id}.json`;
  const said = (subject: string) => ({
    subject: `${SESSION} ${subject}`,
    trailers: [["Cox-Session", SESSION]] as [string, string][],
  });
  write(dir, `${SESSION}/workflow-session.json`, session());
  write(dir, file("impl-1"), task("impl-1"));
  write(dir, file("impl-2"), task("impl-2"));
  const first = await record(dir, [
    { ...said("impl-1: new -> pending"), files: [`${SESSION}/workflow-session.json`, file("impl-1"), file("impl-2")] },
  ]);
  write(dir, `${SESSION}/workflow-session.json`, session({ cost_usd: 0.5 }));
  write(dir, file("impl-1"), task("impl-1", { status: "completed" }, { attempts: 2, spent: { usd: 0.5, tokens: 10 } }));
  write(dir, file("impl-2"), task("impl-2", { status: "active" }, { attempts: 1 }));
  const again = {
    ...said("impl-1: active -> completed"),
    files: [`${SESSION}/workflow-session.json`, file("impl-1"), file("impl-2")],
  };
  const second = await record(dir, [{ ...said("nothing"), files: [file("impl-1")] }, again]);
  write(dir, file("impl-3"), task("impl-3", { status: "blocked", title: "Third\u001b[2J" }, { reason: "failed" }));
  const third = await record(dir, [
    { ...said("one"), files: [file("impl-3")] },
    { ...said("two"), files: [file("impl-3")] },
    { ...said("impl-3: new -> blocked"), files: [file("impl-3")] },
  ]);
  return { dir, commits: [...first, ...second, ...third] };
}

test("cox status --at shows how all stood, by commit or by time", async (t) => {
  const { dir, commits } = await story(t);
  const [first = "", , second = ""] = commits;
  const early = cox(dir, ["status", "--at", first.slice(0, 10)]);
  assert.equal(early.exit, 0, early.err);
  assert.match(
    early.out,
    /^As of 2026-11-21 09:30:00 UTC, [0-9a-f]{8} WFS-user-auth impl-1: new -> pending\n▸ WFS-user-auth {2}active · IMPLEMENT · 2 waiting\n/,
  );
  assert.match(early.out, /WFS-user-auth\/impl-2 +waiting +Task impl-2/);
  const later = cox(dir, ["status", "--at", second, "--json"]).json<{ commit: string; tasks: unknown[] }>();
  assert.equal(later.commit, second);
  assert.deepEqual(later.tasks[0], {
    session: SESSION,
    task: "impl-1",
    title: "Task impl-1",
    status: "completed",
    reason: null,
    attempts: 2,
    cost_usd: 0.5,
  });
  assert.equal(cox(dir, ["status", "--at", "2026-11-21T09:59Z", "--json"]).json()["commit"], commits.at(-1));
  assert.ok(!cox(dir, ["status", "--at", "cox/ledger"]).out.includes("\u001b"));
  // What is on disk does not matter.
  rmSync(join(dir, ".workflow", SESSION), { recursive: true });
  assert.equal(cox(dir, ["status", "--at", second, "--json"]).json()["commit"], second);
  for (const when of ["2026-11-20T00:00Z", "nothing", git(dir, "rev-parse", "HEAD")])
    assert.notEqual(cox(dir, ["status", "--at", when]).exit, 0, when);
});

test("cox diff --state says which tasks moved, how often they were tried, and what it cost", async (t) => {
  const { dir, commits } = await story(t);
  const [first = "", , second = ""] = commits;
  const { out, exit, err } = cox(dir, ["diff", "--state", first, second]);
  assert.equal(exit, 0, err);
  assert.match(out, /: 2 transitions, \$0\.50\n/);
  assert.match(out, /impl-1 +pending → completed +2 attempts +\$0\.50 +Task impl-1\n/);
  assert.match(out, /impl-2 +pending → active +1 attempt /);
  const json = cox(dir, ["diff", "--state", second, "--json"]).json<{ moved: unknown[]; to: { commit: string } }>();
  assert.equal(json.to.commit, git(dir, "rev-parse", "cox/ledger"), "until now");
  assert.deepEqual(json.moved, [
    {
      session: SESSION,
      task: "impl-3",
      title: "Third\u001b[2J",
      from: null,
      to: "blocked (failed)",
      attempts: 0,
      cost_usd: 0,
    },
  ]);
  assert.match(cox(dir, ["diff", "--state", second, second]).out, /Every task stands as it did/);
  assert.equal(cox(dir, ["diff", "--state"]).exit, 2);
  assert.equal(cox(dir, ["diff", "impl-1", "impl-2"]).exit, 2);
});

test("the ledger is the one that the settings name, however they are written", async (t) => {
  assert.equal(USUAL_REF, defaults().ledger.ref);
  const { dir } = await story(t);
  const refAsked = (more: Record<string, string> = {}) => {
    const { err, exit } = cox(dir, ["status", "--at", "cox/ledger", "--json"], more);
    return exit === 0 ? "refs/cox/ledger" : /refs\/cox\/\w+/.exec(err)?.[0];
  };
  for (const [text, ref] of [
    ["# ledger:\n#   ref: refs/cox/other\nconcurrency: 2\n", "refs/cox/ledger"],
    ["ledger: { ref: refs/cox/other }\n", "refs/cox/other"],
    ['"\\x6cedger":\n  ref: refs/cox/other\n', "refs/cox/other"],
  ] as const) {
    write(dir, "config.yaml", text);
    assert.equal(refAsked(), ref, text);
  }
  write(dir, "config.yaml", "");
  assert.equal(refAsked({ COX_LEDGER_REF: "refs/cox/third" }), "refs/cox/third");
});
