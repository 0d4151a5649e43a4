/** Which plans may become tasks, and which tasks they become. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan } from "../../src/model/plan.ts";
import { BARE_ROLES, type Role } from "../../src/model/role.ts";
import type { Task } from "../../src/model/task.ts";
import { filledIn } from "../../src/machine/defaults.ts";
import { plannedTasks, planProblems, tellProblems, type PlanContext } from "../../src/workflow/plan.ts";

const SESSION = "WFS-plan";
const role = (name: string, more: Partial<Role> = {}): Role => ({
  ...{ name, description: "", runner: "claude", prompt: "", origin: "built-in" },
  ...more,
});
const ROLES = new Map(
  [
    ...BARE_ROLES,
    role("code-developer"),
    role("planning-agent"),
    role("root", { permission_mode: "bypassPermissions" }),
  ].map((each) => [each.name, each]),
);

function task(id: string, dependencies: string[] = []): Task {
  const drop = { title: id, agent: "code-developer", relations: { dependencies } };
  return filledIn({ file: "f", sha256: "0", drop, idByName: null, escaping: [] }, id, SESSION);
}

function context(more: Partial<PlanContext> = {}): PlanContext {
  const tasks = ["impl-1", "impl-2"].map((id) => task(id));
  tasks.push(task("impl-3", ["impl-1"]));
  return {
    task: tasks[0] as Task,
    tasks: new Map(tasks.map((each) => [each.id, each])),
    roles: ROLES,
    limits: { tasks: 4, depth: 3, usd: 10 },
    escaping: (paths) => (paths === "link" ? ["link"] : []),
    ...more,
  };
}

type Tasks = Partial<Plan["tasks"][number]>[];
const plan = (tasks: Tasks): Plan => ({ tasks: tasks.map((each, n) => ({ title: `T${n + 1}`, ...each })) });

/** What the plan's tasks say → what is wrong: the pointer and words of the message; nothing where it is right. */
const CASES: [string, Tasks, [string, RegExp][], Partial<PlanContext>?][] = [
  ["one task", [{}], []],
  ["keys, numbers and ids of tasks that there are", [{ key: "a" }, { dependencies: ["a", 1, "1", "impl-2"] }], []],
  ["a person's task", [{ role: "human" }], []],
  ["a number that is no task's", [{ dependencies: [2] }], [["/tasks/0/dependencies/0", /no task 2/]]],
  ["a key that is no task's", [{ key: "first" }, { dependencies: ["frist"] }], [["/tasks/1/dependencies/0", /frist/]]],
  ["an id that is no task's", [{ dependencies: ["impl-9"] }], [["/tasks/0/dependencies/0", /impl-9/]]],
  ["the task that plans", [{ dependencies: ["impl-1"] }], [["/tasks/0/dependencies/0", /impl-1/]]],
  ["itself", [{ dependencies: [1] }], [["/tasks/0/dependencies", /task 1/]]],
  [
    "a circle",
    [{ key: "a", dependencies: ["b"] }, { key: "b", dependencies: ["a"] }, { dependencies: ["a"] }],
    [["/tasks/0/dependencies", /task 1 \(a\) → task 2 \(b\)|task 2 \(b\) → task 1 \(a\)/]],
  ],
  [
    "a circle through what waits for the plan",
    [{ dependencies: ["impl-3"] }],
    [["/tasks/0/dependencies", /wait for each other.*impl-3/]],
  ],
  ["a key twice", [{ key: "a" }, { key: "a" }], [["/tasks/1/key", /another task's/]]],
  ["a role that there is not", [{ role: "code-develper" }], [["/tasks/0/role", /no role "code-develper"/]]],
  ["a command", [{ role: "command" }], [["/tasks/0/role", /starts no commands/]]],
  ["a path out of the repository", [{ paths: ["src", "../x"] }], [["/tasks/0/paths/1", /leaves/]]],
  ["an absolute path", [{ paths: ["/etc/passwd"] }], [["/tasks/0/paths/0", /leaves/]]],
  ["a path through a link", [{ paths: ["link"] }], [["/tasks/0/paths/0", /leaves/]]],
  ["a wildcard", [{ paths: ["src/*.ts"] }], [["/tasks/0/paths/0", /no single path/]]],
  ["two paths in one", [{ paths: ["a;../b"] }], [["/tasks/0/paths/0", /no single path/]]],
  ["too many", [{}, {}, {}, {}, {}], [["/tasks", /5 tasks; 4 is the most/]]],
  [
    "too many in a row",
    [{}, { dependencies: [1] }, { dependencies: [2] }, { dependencies: [3] }],
    [["/tasks", /4 tasks wait for each other in a row; 3/]],
  ],
  ["too much", [{ estimate: { usd: 6 } }, { estimate: { usd: 4.5 } }], [["/tasks", /\$10\.50; \$10\.00/]]],
  ["much without a limit", [{ estimate: { usd: 6000 } }], [], { limits: { tasks: 4, depth: 3, usd: null } }],
  ["a command that a person will read", [{ verify: ["make"] }], []],
  [
    "a command that nobody has read",
    [{ verify: ["make"] }],
    [["/tasks/0/verify/0", /make/]],
    { gates: new Set(["npm test"]) },
  ],
  ["a command that a person chose", [{ verify: ["npm test"] }], [], { gates: new Set(["npm test"]) }],
  ["a role that may do everything, seen by a person", [{ role: "root" }], []],
  [
    "a role that may do everything, seen by nobody",
    [{ role: "root" }],
    [["/tasks/0/role", /everything/]],
    { gates: new Set() },
  ],
];

for (const [name, tasks, expected, more] of CASES)
  test(`${expected.length > 0 ? "refused" : "taken"}: ${name}`, () => {
    const found = planProblems(plan(tasks), context(more));
    assert.deepEqual(
      found.map(({ pointer }) => pointer),
      expected.map(([pointer]) => pointer),
      tellProblems(found),
    );
    for (const [place, [, words]] of expected.entries()) assert.match(found[place]?.message ?? "", words);
  });

test("all that is wrong is told at once, by the tasks' numbers", () => {
  const found = planProblems(plan([{ role: "x" }, { dependencies: ["y"] }]), context());
  assert.match(tellProblems(found), /^- task 1, role: .*\n- task 2, dependencies: /);
});

test("a planned task says what the plan says of it, and needs others by their places", () => {
  const [first, second] = plannedTasks(
    plan([
      { key: "a", role: "human", paths: ["src", "test"], requirements: ["r"], verify: ["make"], risks: ["x"] },
      { dependencies: ["a", 1, "impl-2"], estimate: { minutes: 3 } },
    ]),
    context(),
  );
  assert.deepEqual(first, {
    drop: {
      title: "T1",
      agent: "human",
      paths: "src;test",
      context: { requirements: ["r"], acceptance: [], inherited_from: "impl-1" },
      execution: { verify: ["make"] },
      implementation: { context_notes: { risks: ["x"] } },
    },
    needs: [],
  });
  assert.deepEqual(second?.needs, [0, "impl-2"]);
  assert.deepEqual(second?.drop.execution, { estimate: { minutes: 3 } });
});

test("a plan of a thousand tasks, each waiting for the one before, is checked in no time", () => {
  const tasks = Array.from({ length: 1000 }, (_, n) => (n === 0 ? {} : { dependencies: [n] }));
  const began = performance.now();
  assert.deepEqual(planProblems(plan(tasks), context({ limits: { tasks: 1000, depth: 1000, usd: null } })), []);
  assert.ok(performance.now() - began < 2000);
});
