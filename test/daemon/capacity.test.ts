import assert from "node:assert/strict";
import { test } from "node:test";
import { Capacity, dayOf, roomFor } from "../../src/daemon/capacity.ts";

const idle = { freeMegabytes: 16_000, load: 0.1, cores: 2 };

test("there is room for as many agents as memory allows, never for more than are wanted, and always for one", () => {
  assert.equal(roomFor(0, 8, idle), 8);
  assert.equal(roomFor(0, 8, { ...idle, freeMegabytes: 512 + 3 * 400 }), 3);
  assert.equal(roomFor(2, 8, { ...idle, freeMegabytes: 512 + 400 }), 3, "those that run have taken theirs already");
  assert.equal(roomFor(0, 8, { ...idle, freeMegabytes: 10 }), 1);
  assert.equal(roomFor(5, 8, { ...idle, freeMegabytes: 10 }), 3, "what frees memory is that agents end");
});

test("a machine that is full gets no more agents, and keeps those it has", () => {
  assert.equal(roomFor(3, 8, { ...idle, load: 3 }), 3);
  assert.equal(roomFor(0, 8, { ...idle, load: 30 }), 1);
});

test("a number in the settings is that number, whatever the machine is like", () => {
  const look = () => assert.fail("nobody needs to look");
  assert.equal(new Capacity(look).now({ concurrency: 5, max_concurrency: 2 }, 0), 5);
  const most = new Capacity(() => ({ ...idle, freeMegabytes: 900 })).now(
    { concurrency: "auto", max_concurrency: 6 },
    1,
  );
  assert.equal(most, 1);
});

test("a day ends at the next midnight of this clock, also when it has 23 or 25 hours", () => {
  for (const at of ["2026-03-28T12:00:00", "2026-10-24T23:59:59", "2026-12-31T00:00:00"]) {
    const day = dayOf(new Date(at).getTime());
    assert.equal(day.name, at.slice(0, 10));
    const next = new Date(day.ends);
    assert.deepEqual([next.getHours(), next.getMinutes(), next.getSeconds()], [0, 0, 0]);
    assert.equal(dayOf(next.getTime() - 1).name, day.name);
    assert.notEqual(dayOf(next.getTime()).name, day.name);
  }
});
