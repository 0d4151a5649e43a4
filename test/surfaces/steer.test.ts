/** Commands that steer tasks and sessions, as edits of files, with the daemon stopped. */
import assert from "node:assert/strict";
import { readdirSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { describe, test } from "node:test";
import { folder, repository, type Lab } from "./lab.ts";

function setTask(lab: Lab, id: string, changes: Record<string, unknown>): void {
  lab.write(`.workflow/WFS-main/.task/${id}.json`, JSON.stringify({ ...lab.task(id), ...changes }));
}

describe("a task", () => {
  test("is cancelled and tried again; each says which edit it was", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    const cancelled = lab.cox("cancel", "impl-1");
    assert.match(cancelled.out, /The same as: set status to blocked.*impl-1\.json[\s\S]*No daemon is up/);
    assert.deepEqual([lab.task("impl-1").status, lab.task("impl-1").execution["reason"]], ["blocked", "cancelled"]);
    assert.equal(lab.json("cancel", "impl-1")["changed"], false);
    assert.deepEqual(lab.json("retry", "WFS-main/impl-1"), {
      session: "WFS-main",
      task: "impl-1",
      changed: true,
      status: "pending",
      file: ".workflow/WFS-main/.task/impl-1.json",
      daemon: "down",
    });
    assert.deepEqual([lab.task("impl-1").status, "reason" in lab.task("impl-1").execution], ["pending", false]);
    const again = lab.cox("retry", "impl-1");
    assert.deepEqual([again.exit, again.out], [4, ""]);
  });

  test("that waits for its next attempt is tried at once", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    setTask(lab, "impl-1", {
      execution: { attempts: 1, last_attempt: null, next_attempt_at: "2099-01-01T00:00:00Z", reason: "backoff" },
    });
    assert.equal(lab.cox("retry", "impl-1").exit, 0);
    assert.deepEqual(lab.task("impl-1").execution, { attempts: 1, last_attempt: null });
  });

  test("keeps key order, unknown keys and indentation", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("session", "new", "main");
    const written =
      '{\n\t"mine": [1, 2],\n\t"title": "x",\n\t"execution": {\n\t\t"attempts": 1,\n\t\t"mine": null\n\t},\n\t"status": "completed"\n}\n';
    lab.write(".workflow/WFS-main/.task/impl-3.json", written);
    assert.equal(lab.cox("retry", "impl-3").exit, 0);
    assert.equal(
      lab.read(".workflow/WFS-main/.task/impl-3.json").replace(/\s/g, ""),
      written.replace("completed", "pending").replace(/\s/g, ""),
    );
    assert.match(lab.read(".workflow/WFS-main/.task/impl-3.json"), /^\t"mine"/m);
  });

  test("is approved or rejected only when it awaits that", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one", "--approve", "before");
    assert.equal(lab.cox("approve", "impl-1").exit, 4);
    setTask(lab, "impl-1", {
      status: "blocked",
      execution: { attempts: 0, last_attempt: null, approve: "before", reason: "awaiting-approval" },
    });
    assert.equal(lab.cox("retry", "impl-1").exit, 4);
    assert.match(lab.cox("status").out, /cox approve impl-1/);
    assert.equal(lab.cox("reject", "impl-1").exit, 0);
    assert.equal(lab.task("impl-1").execution["approved"], false);
    assert.equal(lab.cox("approve", "impl-1").exit, 0);
    assert.equal(lab.task("impl-1").execution["approved"], true);
  });

  test("that runs, is done or is a container is not possible where it makes no sense", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    for (const [status, command] of [
      ["active", "retry"],
      ["completed", "cancel"],
      ["container", "retry"],
      ["container", "cancel"],
    ] as const) {
      setTask(lab, "impl-1", { status });
      assert.equal(lab.cox(command, "impl-1").exit, 4, `${command} ${status}`);
    }
    setTask(lab, "impl-1", { status: "active" });
    assert.match(lab.cox("cancel", "impl-1").out, /agent is being stopped/);
  });

  test("with a hostile or unknown name is refused, and nothing outside is touched", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    lab.write(".workflow/config.json", "{}");
    for (const name of [
      "../x",
      "../../config",
      "WFS-main/../../x",
      "impl-1/../impl-1",
      "IMPL-1",
      "",
      "impl-1\u0000",
      "/etc/passwd",
    ]) {
      const { exit } = lab.cox("show", name.replace("\u0000", "%"));
      assert.ok(exit === 1 || exit === 2, `${name}: ${exit}`);
    }
    assert.equal(lab.cox("retry", "-x").exit, 2);
    assert.equal(lab.cox("retry", "--", "-x").exit, 2);
    assert.match(lab.cox("show", "impl-2").err, /no task impl-2[\s\S]*cox list/);
    assert.doesNotMatch(lab.cox("cancel", "impl-99").err, /Did you mean/);
    lab.write("elsewhere.json", '{"title": "secret", "status": "blocked"}');
    symlinkSync(lab.at("elsewhere.json"), lab.at(".workflow/WFS-main/.task/impl-5.json"));
    assert.equal(lab.cox("retry", "impl-5").exit, 1);
    assert.match(lab.read("elsewhere.json"), /blocked/);
  });
});

describe("a session", () => {
  test("is made active when no other is, else it says how to change over", (t) => {
    const lab = repository(t, { init: true });
    assert.equal(lab.json("session", "new", "User Auth!")["active"], true);
    assert.ok(lab.has(".workflow/.active-WFS-user-auth") && lab.has(".workflow/WFS-user-auth/workflow-session.json"));
    const second = lab.cox("session", "new", "User auth");
    assert.match(second.out, /WFS-user-auth-002[\s\S]*cox switch WFS-user-auth-002/);
    assert.equal(lab.json("session", "new", "third", "--switch")["active"], true);
    assert.deepEqual(
      readdirSync(lab.at(".workflow")).filter((name) => name.startsWith(".active")),
      [".active-WFS-third"],
    );
    assert.deepEqual(lab.json<{ active: string[] }>("session", "list").active, ["WFS-third"]);
  });

  test("is switched to by its marker, the others go, and status follows", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("session", "new", "one");
    lab.cox("session", "new", "two");
    const answer = lab.cox("switch", "two");
    assert.match(answer.out, /WFS-two is active\. WFS-one is paused\.[\s\S]*touch \.workflow\/\.active-WFS-two/);
    assert.deepEqual([lab.has(".workflow/.active-WFS-one"), lab.has(".workflow/.active-WFS-two")], [false, true]);
    const status = (id: string) =>
      (JSON.parse(lab.read(`.workflow/${id}/workflow-session.json`)) as { status: string }).status;
    assert.deepEqual([status("WFS-one"), status("WFS-two")], ["paused", "active"]);
    assert.equal(lab.json("switch", "WFS-two")["changed"], false);
    const file = ".workflow/WFS-two/workflow-session.json";
    lab.write(file, lab.read(file).replace('"active"', '"paused"'));
    utimesSync(lab.at(".workflow/.active-WFS-two"), 1, 1);
    const anew = lab.cox("switch", "two").out;
    assert.match(
      anew,
      /WFS-two is active\.\nIts marker was there, though WFS-two\/.* says paused: the marker was touched/,
    );
    assert.deepEqual(
      [status("WFS-two"), statSync(lab.at(".workflow/.active-WFS-two")).mtimeMs > 1e6],
      ["active", true],
    );
    assert.match(lab.cox("switch", "tow").err, /Did you mean WFS-two/);
    assert.equal(lab.cox("switch", "../x").exit, 2);
  });

  test("is paused, resumed and completed", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    const status = () =>
      (JSON.parse(lab.read(".workflow/WFS-main/workflow-session.json")) as { status: string }).status;
    assert.equal(lab.cox("session", "pause").exit, 0);
    assert.deepEqual([status(), lab.has(".workflow/.active-WFS-main")], ["paused", false]);
    assert.match(lab.cox("status").out, /No session is active[\s\S]*cox switch WFS-main/);
    assert.equal(lab.cox("session", "resume").exit, 0);
    assert.deepEqual([status(), lab.has(".workflow/.active-WFS-main")], ["active", true]);
    assert.match(lab.cox("session", "complete").out, /1 of its tasks was not completed/);
    assert.equal(status(), "completed");
    assert.equal(lab.json("session", "complete", "main")["changed"], false);
  });

  test("is not reached through a link", (t) => {
    const lab = repository(t, { init: true });
    const outside = folder(t);
    symlinkSync(outside, lab.at(".workflow/WFS-evil"));
    assert.equal(lab.cox("switch", "evil").exit, 1);
    assert.equal(lab.cox("add", "x", "--session", "evil").exit, 1);
    assert.deepEqual(readdirSync(outside), []);
  });
});
