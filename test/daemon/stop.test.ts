/** Ways to end the daemon, and what becomes of its agents. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { assertWhole, daemonPid, killDaemon, marked, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop } from "../support/workshop.ts";

const MAIN = fileURLToPath(new URL("../support/daemon-main.ts", import.meta.url));

/** Starts what a command may leave behind: in its group, in sessions of their own, without a parent, deaf to signals. */
const ZOO = [
  "sleep 300 &",
  "nohup sleep 301 >/dev/null 2>&1 &",
  "setsid sleep 302 &",
  "(setsid sh -c '(sleep 303 &) & sleep 304' &)",
  `setsid sh -c 'trap "" TERM INT HUP; while :; do sleep 0.2; done' &`,
  `sh -c 'trap "" TERM INT; while :; do sleep 0.2; done' &`,
].join("\n");

describe("the daemon", { concurrency: 2 }, () => {
  test("starts nothing new and waits for its agents when it is told to stop", async (t) => {
    const shop = await workshop(t, { env: { COX_CONCURRENCY: "1" } });
    shop.command("impl-1", `${NOTES}; ${shop.waits()}`);
    shop.command("impl-2", NOTES);
    await shop.until("the first runs", () => ran(shop).length === 1);
    process.kill(daemonPid(shop), "SIGTERM");
    await shop.until("it says so", () => shop.output.includes("no new agents; waiting for 1"));
    shop.release();
    assert.equal(await shop.over(), 0);
    assert.equal(shop.status("impl-1"), "completed");
    assert.equal(shop.status("impl-2"), "pending");
    assert.deepEqual(ran(shop), ["impl-1 1"]);
    await assertWhole(shop);
  });

  for (const [how, signals] of [
    ["a second signal", ["SIGTERM", "SIGTERM"]],
    ["Ctrl-C twice", ["SIGINT", "SIGINT"]],
    ["SIGUSR2", ["SIGUSR2"]],
  ] as const) {
    test(`stops its agents at ${how}, and their tasks are as if they had not begun`, async (t) => {
      const shop = await workshop(t);
      shop.command("impl-1", `${NOTES}; ${shop.waits()}`);
      await shop.until("it runs", () => ran(shop).length === 1);
      const [first, second] = signals;
      process.kill(daemonPid(shop), first);
      if (second) {
        await shop.until("it waits", () => shop.output.includes("once more stops them"));
        process.kill(daemonPid(shop), second);
      }
      assert.equal(await shop.over(), 0);
      const task = shop.task("impl-1");
      assert.equal(task?.status, "pending");
      assert.equal(task?.execution.attempts, 0);
      assert.equal(task?.execution.failures, undefined);
      assert.deepEqual(marked(shop), []);
      await assertWhole(shop);
      shop.release();
      assert.equal(await shop.once(), 0);
      assert.equal(shop.status("impl-1"), "completed");
    });
  }

  test("leaves no process of an agent behind, however it was started", async (t) => {
    const shop = await workshop(t);
    shop.command("impl-1", `${ZOO}\n${NOTES}; ${shop.waits()}`);
    shop.command("impl-2", `${ZOO}\n${NOTES}`);
    await shop.becomes("impl-2", "completed");
    await shop.until(
      "the first runs, and nothing is left of the second",
      () => ran(shop).length === 2 && marked(shop).length >= 8,
    );
    const began = performance.now();
    process.kill(daemonPid(shop), "SIGUSR2");
    assert.equal(await shop.over(), 0);
    assert.deepEqual(marked(shop), []);
    assert.ok(performance.now() - began < 5000, `it took ${performance.now() - began} ms`);
    assert.equal(shop.status("impl-1"), "pending");
    await assertWhole(shop);
  });

  test("ends what a finished command left in the background, even if it is killed before it could", async (t) => {
    const env: Record<string, string> = { COX_FAILPOINT: "pages-written:3" };
    const shop = await workshop(t, { env, started: false });
    shop.command("impl-1", `setsid sleep 300 & ${NOTES}`);
    assert.equal(await shop.once(), null, shop.output);
    delete env["COX_FAILPOINT"];
    assert.equal(await shop.once(), 0);
    assert.deepEqual(marked(shop), []);
    await assertWhole(shop);
  });

  test("knows after a kill in the middle of a stop that the attempt does not count", async (t) => {
    const shop = await workshop(t, { env: { COX_AGENT_STOP_GRACE: "3s" } });
    shop.command("impl-1", `trap "" TERM; ${NOTES}; while [ ! -e "$HOME/go" ]; do sleep 0.05; done`);
    await shop.until("it runs", () => ran(shop).length === 1);
    process.kill(daemonPid(shop), "SIGUSR2");
    await shop.until("it is being stopped", () => shop.output.includes("stopping WFS-main impl-1-a1: shutdown"));
    await killDaemon(shop);
    await shop.start();
    await shop.until(
      "it begins anew",
      () => shop.moves("impl-1").at(-1) === "pending -> active" && ran(shop).length === 2,
    );
    shop.release();
    const task = await shop.becomes("impl-1", "completed");
    assert.equal(task.execution.attempts, 1);
    await assertWhole(shop);
  });

  test("is over with --once when all is done: 0", async (t) => {
    const shop = await workshop(t, { started: false });
    shop.command("impl-1", '[ "$COX_ATTEMPT" = 2 ]');
    shop.command("impl-2", "true", { relations: { dependencies: ["impl-1"] } });
    assert.equal(await shop.once(), 0);
    assert.equal(shop.status("impl-2"), "completed");
  });

  test("is over with --once when something is blocked, or was not taken in: 1", async (t) => {
    const shop = await workshop(t, { started: false });
    shop.command("impl-1", "false", { execution: { max_attempts: 1 } });
    shop.command("impl-2", "true", { relations: { dependencies: ["impl-1"] } });
    assert.equal(await shop.once(), 1);
    assert.equal(shop.status("impl-1"), "blocked");
    shop.remove(`${SESSION}/.task/impl-2.json`);
    shop.remove(`${SESSION}/.task/impl-1.json`);
    shop.drop(`${SESSION}/.task/bad.json`, "{ not json ");
    assert.equal(await shop.once(), 1);
    assert.ok(shop.has(`${SESSION}/.task/bad.json.error.md`));
  });

  test("keeps Ctrl-C in its terminal away from its agents", async (t) => {
    const shop = await workshop(t, { started: false });
    shop.command("impl-1", `trap 'echo interrupted >> "$HOME/heard"' INT; ${NOTES}; ${shop.waits()}`);
    // A process group of its own stands for the terminal's foreground group.
    const { PATH = "" } = process.env;
    const env = {
      PATH,
      HOME: shop.home,
      COX_ISOLATION: "none",
      COX_LEDGER_DURABILITY: "process",
      GIT_CONFIG_NOSYSTEM: "1",
    };
    const child = spawn(process.execPath, [MAIN, shop.dir], { detached: true, env, stdio: ["pipe", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    await shop.until("it runs", () => ran(shop).length === 1);
    process.kill(-(child.pid as number), "SIGINT");
    await shop.until("the daemon has heard it", () => said.includes("waiting for 1"));
    await shop.stays("the agent runs", () => marked(shop).length > 0, 300);
    shop.release();
    assert.equal(await ended, 0);
    assert.equal(shop.left("heard"), undefined);
    assert.equal(shop.status("impl-1"), "completed");
    await assertWhole(shop);
  });
});
