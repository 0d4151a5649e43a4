/** Of very many drops the first are taken in first, and none is torn from what belongs to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { firstOf } from "../../src/daemon/observed-drops.ts";
import { task } from "../machine/play.ts";

const drop = (id: string, dependencies: string[] = []) => ({
  file: `${id}.json`,
  task: task(id, { dependencies }),
});
const ids = (drops: readonly ReturnType<typeof drop>[]) => drops.map(({ task }) => task.id);

test("few are all taken, of many the first", () => {
  const all = ["impl-1", "impl-2", "impl-3"].map((id) => drop(id));
  assert.deepEqual(ids(firstOf(all, 3)), ["impl-1", "impl-2", "impl-3"]);
  assert.deepEqual(ids(firstOf(all, 2)), ["impl-1", "impl-2"]);
});

test("a task comes with its parent, its subtasks and its dependencies, wherever these stand", () => {
  const all = [
    drop("impl-1"),
    drop("impl-1.1"),
    drop("impl-1.2", ["impl-4"]),
    drop("impl-2"),
    drop("impl-3.1"),
    drop("impl-4"),
  ];
  assert.deepEqual(ids(firstOf(all, 1)), ["impl-1", "impl-1.1", "impl-1.2", "impl-4"]);
});
