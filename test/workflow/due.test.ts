/** What triggers come to, by values: schedules over missed times, changes of the hour and clocks that are set. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { dueOn, MOST_WAITING, newIn, nextOn, refsOf, settle, type Found } from "../../src/workflow/due.ts";
import { triggersOf, type Overlap, type Trigger } from "../../src/workflow/triggers.ts";

type Schedule = Extract<Trigger, { on: "schedule" }>;

function schedule(said: {
  cron: string;
  timezone?: string;
  catch_up?: "none" | "last" | "all";
  overlap?: Overlap;
}): Schedule {
  const [trigger] = triggersOf({ on: { schedule: { timezone: "UTC", ...said } } });
  assert.equal(trigger?.on, "schedule");
  return trigger as Schedule;
}

/** `2026-11-28 03:00` → an instant of UTC. */
const at = (text: string) => `${text.replace(" ", "T")}${text.length === 16 ? ":00" : ""}.000Z`;
const short = (text: string) => text.replace("T", " ").replace(/:00\.000Z$|\.000Z$/, "");
const told = (causes: readonly Found[]) => causes.map(({ about }) => short(about)).join(", ");

describe("a schedule of each night at three", () => {
  const table: [
    what: string,
    catch_up: "none" | "last" | "all",
    last: string,
    now: string,
    due: string,
    then: string,
  ][] = [
    ["before its time nothing is due", "last", "2026-11-27 03:00", "2026-11-28 02:59:59", "", "2026-11-27 03:00"],
    ["it is due to the second", "none", "2026-11-27 03:00", "2026-11-28 03:00", "2026-11-28 03:00", "2026-11-28 03:00"],
    [
      "a minute late is on time",
      "none",
      "2026-11-27 03:00",
      "2026-11-28 03:01",
      "2026-11-28 03:00",
      "2026-11-28 03:00",
    ],
    ["what has begun is not due again", "all", "2026-11-28 03:00", "2026-11-28 03:00:30", "", "2026-11-28 03:00"],
    ["missed: none", "none", "2026-11-20 03:00", "2026-11-28 12:00", "", "2026-11-20 03:00"],
    ["missed: the last", "last", "2026-11-20 03:00", "2026-11-28 12:00", "2026-11-28 03:00", "2026-11-28 03:00"],
    [
      "missed: all",
      "all",
      "2026-11-25 03:00",
      "2026-11-28 12:00",
      "2026-11-26 03:00, 2026-11-27 03:00, 2026-11-28 03:00",
      "2026-11-28 03:00",
    ],
    [
      "missed, and due just now",
      "all",
      "2026-11-26 03:00",
      "2026-11-28 03:00:10",
      "2026-11-27 03:00, 2026-11-28 03:00",
      "2026-11-28 03:00",
    ],
    [
      "the clock goes back an hour: nothing twice",
      "all",
      "2026-11-28 03:00",
      "2026-11-28 02:30",
      "",
      "2026-11-28 03:00",
    ],
    [
      "the clock goes back a day: nothing twice",
      "last",
      "2026-11-28 03:00",
      "2026-11-27 03:00",
      "",
      "2026-11-28 03:00",
    ],
    [
      "the clock was years ahead: it begins anew",
      "all",
      "2031-01-01 03:00",
      "2026-11-28 02:00",
      "",
      "2026-11-28 02:00",
    ],
  ];
  for (const [what, catch_up, last, now, due, then] of table)
    test(what, () => {
      const found = dueOn(schedule({ cron: "0 3 * * *", catch_up }), at(last), at(now));
      assert.equal(told([...found.late, ...found.fresh]), due);
      assert.equal(short(found.last), then);
    });

  test("of a year that was missed the latest are caught up with, and finding them takes no time", () => {
    const began = performance.now();
    const every = schedule({ cron: "* * * * * *", catch_up: "all" });
    const { late } = dueOn(every, at("2025-11-28 03:00"), at("2026-11-28 03:00"));
    assert.equal(late.length, MOST_WAITING);
    assert.equal(late.at(-1)?.about, at("2026-11-28 03:00"));
    assert.ok(performance.now() - began < 500);
  });
});

describe("where the hour changes", () => {
  const berlin = (cron: string) => schedule({ cron, timezone: "Europe/Berlin" });
  const table: [what: string, cron: string, from: string, next: string][] = [
    [
      "a time that there is not comes right after",
      "30 2 * * *",
      "2026-03-28 12:00",
      "2026-03-29 01:00, 2026-03-30 00:30",
    ],
    ["a time that there is twice comes once", "30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30, 2026-10-26 01:30"],
    [
      "each hour comes, also the one that is there twice",
      "0 * * * *",
      "2026-10-24 23:30",
      "2026-10-25 00:00, 2026-10-25 01:00",
    ],
  ];
  for (const [what, cron, from, next] of table)
    test(what, () => {
      assert.equal(nextOn(berlin(cron), at(from), 2).map(short).join(", "), next);
      // Looked at each minute from then on, the same ones are due, each once.
      const due: string[] = [];
      let last = at(from);
      for (let ms = Date.parse(last); ms <= Date.parse(at(from)) + 40 * 3_600_000; ms += 60_000) {
        const found = dueOn(berlin(cron), last, new Date(ms).toISOString());
        due.push(...found.fresh.map(({ about }) => short(about)));
        last = found.last;
      }
      assert.equal(due.slice(0, 2).join(", "), next);
      assert.equal(new Set(due).size, due.length);
    });

  test("a date that never comes is due never", () => {
    assert.deepEqual(nextOn(schedule({ cron: "0 0 31 2 *" }), at("2026-11-28 03:00"), 3), []);
  });
});

describe("what becomes of causes", () => {
  const cause = (about: string, lane?: string): Found => ({
    on: "schedule",
    key: about,
    about,
    ...(lane ? { lane } : {}),
  });
  const table: [
    what: string,
    overlap: Overlap,
    of: { busy?: boolean; waits?: string; late?: string; fresh?: string; lane?: string },
    is: string,
  ][] = [
    ["begins at once", "skip", { fresh: "a" }, "begin a"],
    ["skip: is skipped while a run goes on", "skip", { busy: true, fresh: "a" }, "skip a"],
    ["skip: what is caught up with waits all the same", "skip", { busy: true, late: "a b" }, "wait a b"],
    ["skip: and begins one after another", "skip", { waits: "a b" }, "begin a, wait b"],
    ["queue: waits while a run goes on", "queue", { busy: true, fresh: "a" }, "wait a"],
    [
      "queue: a later one takes its place",
      "queue",
      { busy: true, waits: "a", fresh: "b", lane: "x" },
      "wait b, skip a",
    ],
    ["queue: different ones wait in order", "queue", { busy: true, waits: "a", fresh: "b" }, "wait a b"],
    ["queue: the first begins when the run is over", "queue", { waits: "a b", fresh: "c" }, "begin a, wait b c"],
    [
      "cancel: begins, and what goes on is cancelled",
      "cancel",
      { busy: true, fresh: "a b" },
      "begin b, cancel, skip a",
    ],
    ["cancel: nothing is cancelled where nothing goes on", "cancel", { fresh: "a" }, "begin a"],
    ["nothing comes of nothing", "cancel", { busy: true }, ""],
  ];
  for (const [what, overlap, { busy = false, waits = "", late = "", fresh = "", lane }, is] of table)
    test(what, () => {
      const all = (text: string) =>
        text
          .split(" ")
          .filter(Boolean)
          .map((about) => cause(about, lane));
      const settled = settle({ overlap }, { late: all(late), fresh: all(fresh) }, { waits: all(waits), busy });
      const names = (causes: readonly Found[]) => causes.map(({ about }) => about).join(" ");
      const text = [
        settled.begin ? `begin ${settled.begin.about}` : "",
        settled.cancels ? "cancel" : "",
        settled.waits.length > 0 ? `wait ${names(settled.waits)}` : "",
        settled.skipped.length > 0 ? `skip ${names(settled.skipped)}` : "",
      ];
      assert.equal(text.filter(Boolean).join(", "), is);
    });

  test("no more wait than can be caught up with: the oldest go", () => {
    const fresh = Array.from({ length: 30 }, (_, n) => cause(String(n)));
    const { waits, skipped } = settle({ overlap: "queue" }, { late: [], fresh }, { waits: [], busy: true });
    assert.deepEqual([waits.length, waits[0]?.about, skipped.length], [MOST_WAITING, "6", 6]);
  });
});

describe("refs", () => {
  const git = (said: { branch?: string; tag?: string }) => {
    const [trigger] = triggersOf({ on: { git: said } });
    return trigger as Extract<Trigger, { on: "git" }>;
  };
  const all = {
    "refs/heads/main": "1",
    "refs/heads/cox/WFS-a/impl-1": "2",
    "refs/remotes/origin/main": "3",
    "refs/tags/v1": "4",
    "refs/tags/other": "5",
  };
  const matches = (name: string, glob: string) =>
    glob === "**" || name === glob || (glob === "v*" && name.startsWith("v"));

  test("a trigger is about the branches or tags that it names, and never about Coxswain's own", () => {
    const names = (said: { branch?: string; tag?: string }) => Object.keys(refsOf(git(said), all, matches));
    assert.deepEqual(names({ branch: "main" }), ["refs/heads/main"]);
    assert.deepEqual(names({ branch: "origin/main" }), ["refs/remotes/origin/main"]);
    assert.deepEqual(names({ branch: "**" }), ["refs/heads/main", "refs/remotes/origin/main"]);
    assert.deepEqual(names({ tag: "v*" }), ["refs/tags/v1"]);
  });

  test("a new commit and a new tag are news; a branch that goes back, goes away, or is made where another stands, is none", () => {
    const isOlder = (name: string) => name === "refs/heads/back";
    const news = newIn(git({ branch: "**" }), {
      before: { "refs/heads/main": "1", "refs/heads/back": "3", "refs/heads/gone": "9" },
      now: { "refs/heads/main": "2", "refs/heads/back": "1", "refs/heads/made": "1", "refs/heads/new": "7" },
      isOlder,
    });
    assert.deepEqual(
      news.map(({ key }) => key),
      ["git refs/heads/main 2", "git refs/heads/new 7"],
    );
    const tags = newIn(git({ tag: "*" }), {
      before: { "refs/tags/a": "1" },
      now: { "refs/tags/a": "2", "refs/tags/b": "1" },
      isOlder,
    });
    assert.deepEqual(
      tags.map(({ about }) => about),
      ["a", "b"],
    );
  });
});
