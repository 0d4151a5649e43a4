import { test } from "node:test";
import assert from "node:assert/strict";
import { takeIn, checkRules, type Drop, type PromptFile } from "../../src/machine/intake.ts";
import type { Task, TaskDrop } from "../../src/model/task.ts";
import { checkTaskDrop } from "../../src/store/check.ts";
import { ROLES, S, task } from "./play.ts";

interface World {
  tasks?: Task[];
  highest?: number;
  named?: string[];
}

/** A drop of that name; `id` in the name counts, as it does on disk. */
function drop(file: string, content: Partial<TaskDrop> & Record<string, unknown> = {}, escaping: string[] = []): Drop {
  const byName = /^(impl-[\d.]+)\.json$/.exec(file)?.[1] ?? null;
  return {
    file,
    sha256: `sha of ${file}`,
    drop: { ...("title" in content ? {} : { title: `Do ${file}` }), ...content } as TaskDrop,
    idByName: byName,
    escaping,
  };
}

function take(drops: Drop[], { tasks = [], highest = 0, named = [] }: World = {}) {
  const known = new Map(tasks.map((each) => [each.id, each]));
  const result = takeIn(drops, {
    session: S,
    taskOf: (id) => known.get(id),
    highest,
    named,
    roles: ROLES,
    roleNames: () => [...ROLES.keys()],
  });
  return {
    ...result,
    tasks: result.accepted.map((each) => each.task),
    ids: result.accepted.map((each) => each.task.id),
  };
}

/** Code and pointer of each problem, by file. */
const problems = (result: ReturnType<typeof take>) =>
  Object.fromEntries(
    result.refused.map(({ file, problems: found }) => [
      file,
      found.map(({ code, pointer }) => `${code} ${pointer ?? ""}`),
    ]),
  );
const needs = (...dependencies: string[]) => ({ relations: { dependencies } });

test("only a title is needed: the rest is filled in, visibly, in the order of the specification", () => {
  const [filled] = take([drop("a.json", { title: "Add a login page" })]).tasks;
  assert.equal(
    JSON.stringify(filled),
    JSON.stringify({
      id: "impl-1",
      title: "Add a login page",
      status: "pending",
      type: "feature",
      agent: "code-developer",
      paths: "",
      context: { requirements: [], scope: [], acceptance: [], inherited_from: S },
      relations: { parent: null, subtasks: [], dependencies: [] },
      execution: { attempts: 0, last_attempt: null, source: { file: "a.json", sha256: "sha of a.json" } },
      implementation: { files: [], context_notes: {}, analysis_source: "manual" },
      $schema: "../../.run/schemas/task.schema.json",
    }),
  );
});

test("what is written stays: keys in their order, unknown ones too, at every depth", () => {
  const written = {
    notes: { b: 1, a: 2 },
    title: "Do it",
    context: { acceptance: ["works"], mine: true, requirements: ["fast"] },
    id: "impl-7",
    relations: { dependencies: [], why: "none", parent: null },
    execution: { mine: 1, command: "true", attempts: 0 },
    agent: "command",
  };
  const [filled] = take([drop("a.json", written)]).tasks;
  assert.ok(filled);
  assert.deepEqual(Object.keys(filled), [
    "notes",
    "title",
    "context",
    "id",
    "relations",
    "execution",
    "agent",
    "status",
    "type",
    "paths",
    "implementation",
    "$schema",
  ]);
  assert.deepEqual(Object.keys(filled.context), ["acceptance", "mine", "requirements", "scope", "inherited_from"]);
  assert.deepEqual(Object.keys(filled.relations), ["dependencies", "why", "parent", "subtasks"]);
  assert.deepEqual(Object.keys(filled.execution), ["mine", "command", "attempts", "last_attempt", "source"]);
  assert.deepEqual((filled as Record<string, unknown>)["notes"], { b: 1, a: 2 });
});

for (const [title, type, agent] of [
  ["Fix the crash on start", "bugfix", "code-developer"],
  ["Refactor the parser", "refactor", "code-developer"],
  ["Write tests for login", "test", "code-review-test-agent"],
  ["Fix flaky tests", "bugfix", "code-developer"],
  ["Update the README", "docs", "code-developer"],
  ["Plan the migration", "feature", "planning-agent"],
  ["Design the API", "feature", "planning-agent"],
  ["Review the login code", "feature", "review-agent"],
  ["Explain latest prefixes", "feature", "code-developer"],
  ["Contest the planet", "feature", "code-developer"],
] as const) {
  test(`"${title}" is a ${type} for ${agent}`, () => {
    const [filled] = take([drop("a.json", { title })]).tasks;
    assert.deepEqual([filled?.type, filled?.agent], [type, agent]);
  });
}

test("a type or agent that is given stays", () => {
  const [filled] = take([drop("a.json", { title: "Fix tests", type: "docs", agent: "human" })]).tasks;
  assert.deepEqual([filled?.type, filled?.agent], ["docs", "human"]);
});

test("ids: the file's own, else its name's, else the next number, in the order of the names", () => {
  const result = take([drop("b-10.json"), drop("b-9.json"), drop("impl-3.json"), drop("x.json", { id: "impl-5" })], {
    highest: 1,
  });
  assert.deepEqual(
    result.accepted.map(({ file, task: { id } }) => [file, id]),
    [
      ["impl-3.json", "impl-3"],
      ["x.json", "impl-5"],
      ["b-9.json", "impl-6"],
      ["b-10.json", "impl-7"],
    ],
  );
  assert.equal(result.highest, 7);
});

test("the number of a deleted task is not given again", () => {
  assert.deepEqual(take([drop("a.json")], { highest: 12 }).ids, ["impl-13"]);
});

test("a name that is an id that is taken gives the next number; an id in the file that is taken is refused", () => {
  const world = { tasks: [task("impl-1", { title: "The first" })], highest: 1 };
  assert.deepEqual(take([drop("impl-1.json")], world).ids, ["impl-2"]);
  const result = take([drop("a.json", { id: "impl-1" })], world);
  assert.deepEqual(problems(result), { "a.json": ["id-exists /id"] });
  assert.match(result.refused[0]?.problems[0]?.message ?? "", /The first/);
});

test("of two drops with one id the first by name is taken", () => {
  const result = take([drop("b.json", { id: "impl-4" }), drop("a.json", { id: "impl-4" })]);
  assert.deepEqual(
    [result.accepted.map(({ file }) => file), problems(result)],
    [["a.json"], { "b.json": ["id-exists /id"] }],
  );
});

test("what is refused uses up no number, and takes none from the others, however often it is looked at", () => {
  const bad = [
    drop("a-role.json", { agent: "nobody" }),
    drop("b-path.json", { paths: "../x" }),
    drop("d-needs.json", needs("impl-77")),
    drop("e-far.json", { id: "impl-500", agent: "nobody" }),
    drop("f-last.json", { id: "impl-999999999", agent: "nobody" }),
    drop("impl-60.1.json"),
  ];
  for (let look = 0; look < 3; look++) assert.equal(take(bad, { highest: 0 }).highest, 0);
  const result = take([...bad, drop("c.json"), drop("z.json"), drop("y.json")], { highest: 4 });
  assert.deepEqual(
    result.accepted.map(({ file, task: { id } }) => [file, id]),
    [
      ["c.json", "impl-5"],
      ["y.json", "impl-6"],
      ["z.json", "impl-7"],
    ],
  );
  assert.deepEqual([result.highest, result.refused.length], [7, bad.length]);
});

test("drops whose id is taken shift nobody's number", () => {
  const world = { tasks: [task("impl-1")], highest: 1 };
  const taken = [drop("a.json", { id: "impl-1" }), drop("m.json", { id: "impl-3" }), drop("n.json", { id: "impl-3" })];
  const good = [drop("b.json"), drop("z.json")];
  const ids = (drops: Drop[]) => take(drops, world).accepted.map(({ file, task: { id } }) => `${file} ${id}`);
  assert.deepEqual(ids([...taken, ...good]), ["m.json impl-3", "b.json impl-4", "z.json impl-5"]);
  assert.deepEqual(ids([...good, ...taken].reverse()), ids([...taken, ...good]));
  assert.deepEqual(ids([drop("m.json", { id: "impl-3" }), ...good]), ids([...taken, ...good]));
});

test("a number that a refused file names, or waits for, is not given to another", () => {
  const waits = drop("impl-2.json", needs("impl-1"));
  const early = take([waits, drop("a.json"), drop("impl-4.1.json"), drop("b.json")]);
  assert.deepEqual(early.ids, ["impl-3", "impl-5"]);
  const known = { tasks: early.tasks, highest: early.highest };
  assert.deepEqual(take([waits, drop("impl-1.json")], known).ids, ["impl-1", "impl-2"]);
});

test("one that others count on by the number it would have had is refused with them, until that is right", () => {
  const drops = [drop("a.json", { agent: "nobody" }), drop("b.json"), drop("c.json", needs("impl-2"))];
  assert.deepEqual(take(drops).ids, ["impl-1"], "b.json is impl-1, and c.json would wait for itself");
  assert.deepEqual(take(drops.slice(1)).ids, ["impl-1"]);
});

test("numbers that shift again and again are settled soon", (t) => {
  const count = 3000;
  const drops = Array.from({ length: count }, (_, i) => drop(`n${i}.json`, needs(`impl-${i}`)));
  const from = performance.now();
  const result = take(drops);
  t.diagnostic(`${(performance.now() - from).toFixed(0)} ms`);
  assert.equal(result.accepted.length + result.refused.length, count);
  assert.ok(performance.now() - from < 10_000);
});

test("somebody who gives the highest number there is leaves room for the next one", () => {
  const world = { tasks: [task("impl-999999999"), task("impl-1")], highest: 999_999_999 };
  assert.deepEqual(take([drop("a.json"), drop("b.json"), drop("impl-3.json")], world).ids, [
    "impl-2",
    "impl-3",
    "impl-4",
  ]);
});

test("drops may depend on each other, and be parts of each other, in any order", () => {
  const drops = [
    drop("impl-3.json", needs("impl-2.1")),
    drop("impl-2.1.json", needs("impl-1")),
    drop("impl-2.json"),
    drop("impl-1.json"),
  ];
  const one = take(drops);
  assert.deepEqual(one.ids, ["impl-1", "impl-2", "impl-2.1", "impl-3"]);
  assert.deepEqual(take([...drops].reverse()), one);
  assert.equal(one.tasks[2]?.relations.parent, "impl-2");
});

test("a parent that the file names wrongly is put right from the id", () => {
  const [, part] = take([drop("impl-2.json"), drop("impl-2.1.json", { relations: { parent: "impl-9" } })]).tasks;
  assert.equal(part?.relations.parent, "impl-2");
});

test("a missing dependency is told where it stands, with those that are there untold", () => {
  const result = take([drop("a.json", needs("impl-1", "impl-8"))], { tasks: [task("impl-1")], highest: 1 });
  assert.deepEqual(problems(result), { "a.json": ["missing-dependency /relations/dependencies/1"] });
});

test("a missing parent", () => {
  assert.deepEqual(problems(take([drop("impl-2.1.json")])), { "impl-2.1.json": ["missing-parent /id"] });
});

test("refusing one refuses what needs it, and only that", () => {
  const bad = drop("impl-1.json", { agent: "nobody" });
  const result = take([
    drop("impl-3.json", needs("impl-2")),
    drop("impl-2.json", needs("impl-1")),
    bad,
    drop("impl-1.1.json"),
    drop("impl-4.json"),
  ]);
  assert.deepEqual(result.ids, ["impl-4"]);
  assert.deepEqual(problems(result), {
    "impl-1.json": ["unknown-role /agent"],
    "impl-1.1.json": ["missing-parent /id"],
    "impl-2.json": ["missing-dependency /relations/dependencies/0"],
    "impl-3.json": ["missing-dependency /relations/dependencies/0"],
  });
});

const cyclic = "dependency-cycle /relations/dependencies";

test("tasks that wait for each other are refused, all of them, and told the way around", () => {
  const result = take([
    drop("impl-1.json", needs("impl-2")),
    drop("impl-2.json", needs("impl-3")),
    drop("impl-3.json", needs("impl-1")),
  ]);
  assert.deepEqual(result.ids, []);
  for (const file of ["impl-1.json", "impl-2.json", "impl-3.json"])
    assert.ok(problems(result)[file]?.includes(cyclic), file);
  const messages = result.refused.flatMap(({ problems: found }) => found.map(({ message }) => message));
  assert.ok(messages.includes("These tasks wait for each other: impl-2 → impl-3 → impl-1 → impl-2."));
});

test("a task that waits for itself is refused", () => {
  assert.deepEqual(problems(take([drop("impl-1.json", needs("impl-1"))])), { "impl-1.json": [cyclic] });
});

test("a cycle over old and new tasks is refused", () => {
  const old = task("impl-1", { dependencies: ["impl-2"] }); // impl-2 was deleted, and comes back
  assert.deepEqual(problems(take([drop("impl-2.json", needs("impl-1"))], { tasks: [old] })), {
    "impl-2.json": [cyclic],
  });
});

test("a task that leads to a cycle without being in it is not called a cycle", () => {
  const result = take([drop("impl-1.json", needs("impl-2")), drop("impl-2.json", needs("impl-2"))]);
  assert.deepEqual(problems(result), {
    "impl-1.json": ["missing-dependency /relations/dependencies/0"],
    "impl-2.json": [cyclic],
  });
});

test("a subtask that waits for its own container would wait for ever", () => {
  const result = take([drop("impl-1.json"), drop("impl-1.1.json", needs("impl-1"))]);
  assert.ok(problems(result)["impl-1.1.json"]?.includes(cyclic));
  const around = take([
    drop("impl-1.json"),
    drop("impl-2.json", needs("impl-1")),
    drop("impl-1.1.json", needs("impl-2")),
  ]);
  assert.ok(problems(around)["impl-1.1.json"]?.includes(cyclic));
});

test("subtasks may wait for each other's results, and a diamond is no cycle", () => {
  const parts = [
    drop("impl-1.json"),
    drop("impl-1.1.json"),
    drop("impl-1.2.json", needs("impl-1.1")),
    drop("impl-2.json", needs("impl-1")),
  ];
  assert.deepEqual(problems(take(parts)), {});
  const diamond = [
    drop("impl-1.json"),
    drop("impl-2.json", needs("impl-1")),
    drop("impl-3.json", needs("impl-1")),
    drop("impl-4.json", needs("impl-2", "impl-3")),
  ];
  assert.deepEqual(problems(take(diamond)), {});
});

test("paths: relative to the repository, concrete, and inside it", () => {
  const told = (paths: string) => problems(take([drop("a.json", { paths })]))["a.json"] ?? [];
  for (const fine of ["", "src", "src/a.ts; test/", "a..b/c", "with space/x", "app/[id]/page.tsx", "{braces}/x", "…/ä"])
    assert.deepEqual(told(fine), [], fine);
  for (const out of ["../x", "src/../../x", "/etc/passwd", "~/x", "C:\\x", "a\\..\\..\\b"])
    assert.deepEqual(told(out), ["path-escapes /paths"], out);
  for (const wild of ["src/*.ts", "src/?.ts", "**"]) assert.deepEqual(told(wild), ["path-wildcard /paths"], wild);
  assert.deepEqual(told("../a;ok;/b;*"), ["path-escapes /paths", "path-escapes /paths", "path-wildcard /paths"]);
});

test("a path that a symbolic link leads out is told once", () => {
  assert.deepEqual(problems(take([drop("a.json", { paths: "link/x" }, ["link/x"])])), {
    "a.json": ["path-escapes /paths"],
  });
  assert.deepEqual(problems(take([drop("a.json", { paths: "../x" }, ["../x"])])), {
    "a.json": ["path-escapes /paths"],
  });
});

test("a prompt file: inside the repository, and there as long as the task is to be run", () => {
  const told = (name: string, is: PromptFile = "there", more: Partial<TaskDrop> = {}) => {
    const asked: string[] = [];
    const promptFile = (...about: string[]) => (asked.push(about.join(" in ")), is);
    const result = take([{ ...drop("a.json", { execution: { prompt_file: name }, ...more }), promptFile }]);
    return [...(problems(result)["a.json"] ?? []), ...asked];
  };
  const outside = "path-escapes /execution/prompt_file";
  assert.deepEqual(told("notes/how.md"), [`notes/how.md in ${S}`]);
  assert.deepEqual(told(""), []);
  for (const out of ["/etc/passwd", "../../../etc/passwd", "notes/../../x", "~/x", "a\0b"])
    assert.deepEqual(told(out, "there"), [outside], out);
  assert.deepEqual(told("outl/passwd", "outside"), [outside, `outl/passwd in ${S}`]);
  assert.deepEqual(told("x.md", "missing"), ["missing-prompt /execution/prompt_file", `x.md in ${S}`]);
  for (const status of ["completed", "blocked"] as const)
    assert.deepEqual(told("x.md", "missing", { status }), [`x.md in ${S}`], status);
  assert.deepEqual(told("outl/passwd", "outside", { status: "completed" }), [outside, `outl/passwd in ${S}`]);
});

test("a prompt file that arrives later mends the drop", () => {
  let is: PromptFile = "missing";
  const waiting = { ...drop("a.json", { execution: { prompt_file: "x.md" } }), promptFile: () => is };
  assert.deepEqual(take([waiting]).ids, []);
  is = "there";
  assert.deepEqual(take([waiting]).ids, ["impl-1"]);
});

test("an edit that names a prompt file is held to the same", () => {
  const among = { taskOf: () => undefined, roles: ROLES, roleNames: () => [] };
  const edited = (name: string) =>
    task("impl-1", { execution: { attempts: 0, last_attempt: null, prompt_file: name } });
  const codes = (name: string, is?: PromptFile) =>
    checkRules(edited(name), is ? { ...among, promptFile: () => is } : among).map(({ code }) => code);
  assert.deepEqual(codes("../x"), ["path-escapes"]);
  assert.deepEqual(codes("x.md"), [], "without a look at the disk");
  assert.deepEqual(codes("x.md", "outside"), ["path-escapes"]);
  assert.deepEqual(codes("x.md", "missing"), ["missing-prompt"]);
});

test("an unknown role is told with those that there are", () => {
  const [refused] = take([drop("a.json", { agent: "code-developper" })]).refused;
  assert.equal(refused?.problems[0]?.code, "unknown-role");
  assert.match(refused?.problems[0]?.hint ?? "", /code-developer, planning-agent/);
});

test("a command task needs a command, and a wait needs a time", () => {
  assert.deepEqual(problems(take([drop("a.json", { agent: "command" })])), { "a.json": ["no-command /execution"] });
  const wait = { execution: { next_attempt_at: "tomorrow" } };
  assert.deepEqual(problems(take([drop("a.json", wait)])), { "a.json": ["bad-instant /execution/next_attempt_at"] });
});

test("all problems of a file are told at once", () => {
  const bad = drop("impl-1.1.json", { agent: "nobody", paths: "../x;*", ...needs("impl-9", "impl-1.1") });
  assert.deepEqual(problems(take([bad])), {
    "impl-1.1.json": [
      "missing-parent /id",
      "missing-dependency /relations/dependencies/0",
      cyclic,
      "path-escapes /paths",
      "path-wildcard /paths",
      "unknown-role /agent",
    ],
  });
});

test("a dropped task keeps its history, if it brings one", () => {
  const last_attempt = { attempt: 2, run_id: null, started_at: "2026-11-20T00:00:00.000Z", outcome: "success" };
  const [filled] = take([drop("a.json", { status: "completed", execution: { attempts: 2, last_attempt } })]).tasks;
  assert.deepEqual(
    [filled?.execution.attempts, filled?.execution.last_attempt, filled?.status],
    [2, last_attempt, "completed"],
  );
});

test("the rules hold for an edit as for a drop", () => {
  const known = new Map(
    [
      task("impl-1", { relations: { parent: null, subtasks: ["impl-1.1"], dependencies: [] } }),
      task("impl-1.1", { dependencies: ["impl-2"] }),
      task("impl-2"),
    ].map((each) => [each.id, each]),
  );
  const among = { taskOf: (id: string) => known.get(id), roles: ROLES, roleNames: () => [] };
  const codes = (edited: Task) => checkRules(edited, among).map(({ code }) => code);
  assert.deepEqual(codes(task("impl-2")), []);
  assert.deepEqual(codes(task("impl-2", { dependencies: ["impl-1"] })), ["dependency-cycle"]);
  assert.deepEqual(codes(task("impl-1.1", { dependencies: ["impl-1"] })), ["dependency-cycle"]);
  assert.deepEqual(codes(task("impl-1", { dependencies: ["impl-1"] })), ["dependency-cycle"]);
});

test("ten thousand drops that build on one another, or go round in one circle, are taken in or refused at once", (t) => {
  const count = 10_000;
  const timed = (name: string, drops: Drop[]) => {
    const from = performance.now();
    const result = take(drops);
    const took = performance.now() - from;
    t.diagnostic(`${name}: ${took.toFixed(0)} ms`);
    assert.ok(took < 10_000, `${name}: ${took} ms`);
    return result;
  };
  const chain = (n: number, next: (n: number) => string[]) => drop(`impl-${n}.json`, needs(...next(n)));
  const all = Array.from({ length: count }, (_, i) => i + 1);
  assert.equal(
    timed(
      "forwards",
      all.map((n) => chain(n, (i) => (i > 1 ? [`impl-${i - 1}`] : []))),
    ).accepted.length,
    count,
  );
  assert.equal(
    timed(
      "backwards",
      all.map((n) => chain(n, (i) => (i < count ? [`impl-${i + 1}`] : []))),
    ).accepted.length,
    count,
  );
  assert.equal(
    timed(
      "backwards onto a bad one",
      all.map((n) => chain(n, (i) => [`impl-${i + 1}`])),
    ).refused.length,
    count,
  );
  const circle = timed(
    "in a circle",
    all.map((n) => chain(n, (i) => [`impl-${(i % count) + 1}`])),
  );
  assert.equal(circle.refused.length, count);
  assert.ok(circle.refused.every(({ problems: found }) => found.every(({ message }) => message.length < 200)));
});

/** What the form of a drop must be, before the graph is looked at. */
const form = (content: unknown) => {
  const checked = checkTaskDrop(content);
  return "problems" in checked
    ? checked.problems.map(({ code, pointer, message, hint }) => [
        `${code} ${pointer ?? ""}`,
        `${message} ${hint ?? ""}`.trim(),
      ])
    : [];
};

test("a misspelt key is named with what was probably meant, wherever it stands", () => {
  assert.deepEqual(form({ title: "x", relations: { dependancies: [] } }), [
    ["misspelt-key /relations/dependancies", "dependancies: did you mean dependencies? Rename the key."],
  ]);
  assert.deepEqual(form({ tittle: "x", title: "y" }), []); // title is there: it is an unknown key
  assert.deepEqual(
    form({ titel: "x" }).map(([what]) => what),
    ["missing-field ", "misspelt-key /titel"],
  );
  assert.deepEqual(
    form({ title: "x", execution: { "prio/rity": 1, timeot: "1m" } }).map(([what]) => what),
    ["misspelt-key /execution/prio~1rity", "misspelt-key /execution/timeot"],
  );
});

test("keys that nobody could have meant otherwise are kept", () => {
  assert.deepEqual(form({ title: "x", notes: "mine", context: { links: [] } }), []);
});

test("an id has two levels at most, and no leading zeros", () => {
  const told = (id: unknown) => form({ title: "x", id }).map(([what]) => what);
  assert.deepEqual(told("impl-1.2.3"), ["third-level /id"]);
  for (const bad of ["impl-01", "impl-1.0", "impl-", "task-1", "impl-1/..", "", "impl-1\n", "impl-99999999999"])
    assert.deepEqual(told(bad), ["bad-id /id"], JSON.stringify(bad));
  assert.deepEqual(told(7), ["wrong-value /id"]);
  for (const fine of ["impl-0", "impl-1", "impl-12.3"]) assert.deepEqual(told(fine), []);
});

test("dependencies and the parent are ids too", () => {
  assert.deepEqual(
    form({ title: "x", relations: { dependencies: ["impl-1", "impl-1.1.1", 3], parent: "impl-1.1.1" } }).map(
      ([what]) => what,
    ),
    ["third-level /relations/parent", "third-level /relations/dependencies/1", "wrong-value /relations/dependencies/2"],
  );
});

test("a value that cannot be says what can, and what was probably meant", () => {
  assert.deepEqual(form({ title: "x", status: "pendign" }), [
    [
      "wrong-value /status",
      'status is "pendign"; it can be pending, active, completed, blocked, container. Did you mean pending?',
    ],
  ]);
  assert.deepEqual(form({ title: "x", execution: { timeout: "30" } }), [
    [
      "wrong-value /execution/timeout",
      'execution.timeout is "30"; it must be a duration with its unit. Such as 30m, 2s or 1h30m.',
    ],
  ]);
  assert.deepEqual(
    form({ title: "x", execution: { budget_usd: 0 } }).map(([what]) => what),
    ["wrong-value /execution/budget_usd"],
  );
  assert.deepEqual(form({ title: "x", execution: { next_attempt_at: 5 } }), [
    ["wrong-value /execution/next_attempt_at", "execution.next_attempt_at is 5; it must be a string."],
  ]);
});

test("a title is text of 1 to 200 characters", () => {
  assert.deepEqual(form({}), [["missing-field ", 'title is missing. Give it one: {"title": "what is to be done"}.']]);
  assert.deepEqual(form({ title: "" }), [["wrong-value /title", "title is empty."]]);
  assert.deepEqual(form({ title: "ä".repeat(200) }), []);
  assert.deepEqual(
    form({ title: "x".repeat(201) }).map(([what]) => what),
    ["wrong-value /title"],
  );
  assert.deepEqual(form({ title: 5 }), [["wrong-value /title", "title is 5; it must be a string."]]);
});

test("of a part that may be null, what is wrong inside is told, not that it is not null", () => {
  const told = form({ title: "x", execution: { last_attempt: { attempt: 1, run_id: null } } });
  assert.deepEqual(
    told.map(([what]) => what),
    ["missing-field /execution/last_attempt"],
  );
  const tokens = form({ title: "x", execution: { last_attempt: { attempt: 0, run_id: 5, started_at: "x" } } });
  assert.deepEqual(
    tokens.map(([what]) => what),
    ["wrong-value /execution/last_attempt/attempt", "wrong-value /execution/last_attempt/run_id"],
  );
});

test("a hostile value is shown short", () => {
  for (const [, text] of form({ title: { a: "x".repeat(10_000) }, status: ["y".repeat(10_000)] }))
    assert.ok((text?.length ?? 0) < 200);
});

test("a number stays free for the file that names it and cannot be read yet", () => {
  const { ids } = take([drop("a.json"), drop("b.json")], { highest: 1, named: ["impl-2", "impl-4.1"] });
  assert.deepEqual(ids, ["impl-3", "impl-5"]);
});
