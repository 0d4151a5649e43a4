/** Two looks as one: what was seen while an earlier look was still being recorded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyObservation, merged as mergedWhere, type Observation } from "../../src/daemon/observation.ts";
import { takeIn } from "../../src/machine/intake.ts";
import { ROLES, S } from "../machine/play.ts";

/** A look that found these files, each of which became a task; those that are no task's own are consumed. */
function look(...files: { file: string; id?: string; prompt?: string }[]): Observation {
  const seen = emptyObservation();
  const drops = files.map(({ file, id, prompt }) => ({
    file: `${S}/${file}`,
    sha256: `sha of ${file}`,
    drop: { title: `Do ${file}`, ...(prompt ? { execution: { prompt_file: prompt } } : {}) },
    idByName: id ?? null,
    escaping: [],
  }));
  const { accepted } = takeIn(drops, {
    session: S,
    taskOf: () => undefined,
    highest: 0,
    roles: ROLES,
    roleNames: () => [],
  });
  seen.events.push({ type: "tasks-found", session: S, tasks: accepted.map(({ task }) => task), by: "person" });
  seen.consumed.push(...drops.filter(({ idByName }) => idByName === null).map(({ file }) => file));
  for (const { prompt } of files)
    if (prompt) seen.prompts.push({ path: `${S}/${prompt}`, content: Buffer.from("Do it.") });
  return seen;
}

const merged = (before: Observation, again: Observation, held = "") =>
  mergedWhere(before, again, (path) => path === held);

const titles = ({ events }: Observation) =>
  events.flatMap((event) => (event.type === "tasks-found" ? event.tasks.map(({ title }) => title) : []));

test("a drop whose number another file brought meanwhile is not consumed: it is looked at again", () => {
  const both = merged(
    look({ file: ".task/a.json" }, { file: ".task/b.json" }),
    look({ file: ".task/impl-1.json", id: "impl-1" }),
  );
  assert.deepEqual(titles(both), ["Do .task/b.json", "Do .task/impl-1.json"]);
  assert.deepEqual(both.consumed, [`${S}/.task/b.json`]);
  assert.deepEqual(both.lookAgain, [`${S}/.task/a.json`]);
});

test("the same where that file cannot be read yet: its number is not given to another", () => {
  const both = merged(look({ file: ".task/a.json" }), emptyObservation(), `${S}/.task/impl-1.json`);
  assert.deepEqual([titles(both), both.consumed, both.lookAgain], [[], [], [`${S}/.task/a.json`]]);
  const own = look({ file: ".task/impl-1.json", id: "impl-1" });
  assert.deepEqual(titles(merged(own, emptyObservation(), `${S}/.task/impl-1.json`)), ["Do .task/impl-1.json"]);
});

test("with it goes the text that was to be put in place for it", () => {
  const text = { file: "prompts/a.md", prompt: "prompts/a.md" };
  const both = merged(look(text), look({ file: ".task/impl-1.json", id: "impl-1" }));
  assert.deepEqual([both.prompts, both.lookAgain], [[], [`${S}/prompts/a.md`]]);
});

test("the same file saved once more takes its own place", () => {
  const again = look({ file: ".task/impl-1.json", id: "impl-1" });
  const both = merged(look({ file: ".task/impl-1.json", id: "impl-1" }), again);
  assert.deepEqual(titles(both), ["Do .task/impl-1.json"]);
  assert.deepEqual(both.lookAgain, []);
});
