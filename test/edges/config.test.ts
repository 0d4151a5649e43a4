import { test } from "node:test";
import assert from "node:assert/strict";
import { closest } from "../../src/model/closest.ts";
import { defaults, readConfig, settings } from "../../src/store/config-file.ts";

type Environment = Record<string, string>;
const read = (text: string, environment: Environment = {}) => {
  const result = readConfig(text, environment);
  return "ok" in result ? result.ok : assert.fail(JSON.stringify(result.problems));
};
/** `line:column message hint` of each problem. */
const told = (text: string, environment: Environment = {}) => {
  const result = readConfig(text, environment);
  if ("ok" in result) return [];
  assert.ok(result.problems.every(({ code }) => code === "bad-config"));
  return result.problems.map(({ line, column, message, hint }) =>
    [line === undefined ? "" : `${line}:${column} `, message, hint ? ` ${hint}` : ""].join(""),
  );
};

test("nothing written means every default", () => {
  for (const text of ["", "\n", "# nothing yet\n", "---\n", "{}", "\ufeff"])
    assert.deepEqual(read(text), defaults(), JSON.stringify(text));
});

test("the defaults are these", () => {
  assert.deepEqual(defaults(), {
    concurrency: 4,
    max_concurrency: 8,
    max_active_sessions: 1,
    steer: "next",
    isolation: "worktree",
    verify: [],
    paths: "declared",
    on_conflict: "block",
    worktree: {
      setup: [],
      retry: "auto",
      sparse: false,
      workers: null,
      max_file_mb: 50,
      never_commit: [
        ".env",
        ".env.*",
        "*.pem",
        "*.p12",
        "*.pfx",
        "id_rsa",
        "id_ecdsa",
        "id_ed25519",
        ".netrc",
        ".npmrc",
      ],
    },
    land: { command: null },
    rescan: "5s",
    settle: "500ms",
    log_level: "info",
    ledger: { ref: "refs/cox/ledger", durability: "full", transcripts: false, sign: false },
    agent: {
      claude: "claude",
      timeout: "30m",
      silence: "10m",
      stagger: "500ms",
      probe: "30s",
      warned_concurrency: 1,
      stop_grace: "3s",
      permission_mode: "acceptEdits",
      model: null,
      fallback_model: null,
      fallback_agent: null,
      env: [],
      deny: ["Bash(git push *)", "Bash(cox *)"],
    },
    retry: { attempts: 4, base: "2s", rate_limit: "60s", usage_margin: "2m", verify_rounds: 3, conflict_rounds: 1 },
    breaker: { failures: 3, window: "5m", open: "60s" },
    planning: { max_tasks: 30, max_depth: 10, max_usd: null },
    review: { by: [], types: {}, rule: "all", max_rounds: 2 },
    budget: {
      attempt_usd: null,
      attempt_tokens: null,
      task_usd: null,
      task_tokens: null,
      session_usd: null,
      session_tokens: null,
      day_usd: null,
      day_tokens: null,
    },
    retention: { completed: "7d", failed: "30d", outputs: "30d", warn_mb: 2048 },
    notify: { level: "major_events" },
    trust_project_settings: false,
  });
});

test("every setting has a default that is valid, a line of documentation, and a variable of its own", () => {
  const all = settings();
  const variables = new Set(all.map(({ name }) => name.replaceAll(".", "_").toUpperCase()));
  assert.equal(variables.size, all.length);
  for (const { name, value, text } of all) {
    assert.notEqual(value, undefined, name);
    assert.match(text, /^\w.*\.$/, name);
    const path = name.split(".").reverse();
    const written = path.reduce<unknown>((inner, key) => ({ [key]: inner }), value);
    assert.deepEqual(told(JSON.stringify(written)), [], name);
  }
});

test("changing a default that was given out changes no other", () => {
  const first = defaults();
  first.agent.deny.push("Bash(rm *)");
  first.ledger.ref = "refs/cox/other";
  assert.notDeepEqual(first, defaults());
  assert.equal(defaults().agent.deny.length, 2);
});

test("what is written is taken, the rest is as it was", () => {
  const config = read("concurrency: 8\nagent:\n  timeout: 1h30m\n  deny: []\nbudget: {day_usd: 20.5}\n");
  assert.deepEqual(
    [config.concurrency, config.agent.timeout, config.agent.deny, config.agent.silence, config.budget.day_usd],
    [8, "1h30m", [], "10m", 20.5],
  );
});

test("a section whose lines are all comments is empty, not wrong", () => {
  assert.deepEqual(read("agent:\n#  timeout: 1h\nledger:\n"), defaults());
});

test("an unknown key is refused, with its place and what was probably meant", () => {
  assert.deepEqual(told("concurency: 2\n"), ["1:13 There is no setting concurency. Did you mean concurrency?"]);
  assert.deepEqual(told("agent:\n  timeot: 1m\n"), ["2:11 There is no setting agent.timeot. Did you mean timeout?"]);
  assert.deepEqual(told("colour: red\n"), ["1:9 There is no setting colour. cox config --docs lists them all."]);
  assert.deepEqual(told("__proto__: {a: 1}\nconstructor: 1\n").length, 2);
  assert.deepEqual(told("a/b: 1\n"), ["1:6 There is no setting a/b. cox config --docs lists them all."]);
});

test("a value of the wrong kind or unit is told with its place", () => {
  const cases: [string, RegExp][] = [
    ["retry:\n  base: 2\n", /^2:9 retry\.base is 2; it must be a string/],
    ['retry:\n  base: "2"\n', /^2:9 retry\.base is "2"; it must be a duration with its unit\. Such as 30m/],
    ["agent:\n  timeout: 30 minutes\n", /^2:12 .*duration with its unit/],
    ["concurrency: 0\n", /^1:14 concurrency must be >= 1/],
    ["concurrency: 2.5\n", /^1:14 concurrency is 2\.5; it must be an integer/],
    ["concurrency: four\n", /^1:14 concurrency is "four"; it must be an integer/],
    ["concurrency:\n", /^1:13 concurrency is null; it must be an integer|^concurrency is null/],
    ["steer: liv\n", /^1:8 steer is "liv"; it can be next, live\. Did you mean live\?/],
    ["ledger:\n  ref: refs/heads/main\n", /^2:8 ledger\.ref is "refs\/heads\/main", which has the wrong form/],
    ["ledger: full\n", /^1:9 ledger is "full"; it must be an object/],
    ["agent:\n  env: [A-B]\n", /^2:9 agent\.env\.0 is "A-B"/],
    ["agent:\n  env: PATH\n", /^2:8 agent\.env is "PATH"; it must be an array/],
    ["budget:\n  day_usd: lots\n", /^2:12 budget\.day_usd is "lots"; it must be a number/],
    ["budget:\n  day_usd: 0\n", /^2:12 budget\.day_usd must be > 0/],
    ["trust_project_settings: yes\n", /^1:25 trust_project_settings is "yes"; it must be a boolean/],
  ];
  for (const [text, expected] of cases) {
    assert.equal(told(text).length, 1, `${text} ${told(text).join()}`);
    assert.match(told(text)[0] ?? "", expected);
  }
});

test("all problems are told at once", () => {
  assert.equal(told("concurrency: 0\nsteer: x\nfoo: 1\nagent: {timeout: 5}\n").length, 4);
});

test("text that is no YAML is told with its line", () => {
  for (const [text, line] of [
    ["a: [1\nb: 2\n", 2],
    ["concurrency: 4\n\tsteer: next\n", 2],
    ["a: b: c\n", 1],
    ['steer: "next\n', 2],
    ["a: 1\n---\nb: 2\n", 2],
  ] as const) {
    assert.match(told(text)[0] ?? "", new RegExp(`^[1-${line}]:\\d+ `), text);
  }
});

test("settings are pairs of names and values, nothing else", () => {
  for (const text of ["just words\n", "- a\n- b\n", "5\n", "[]\n", "true\n"]) assert.equal(told(text).length, 1, text);
  assert.equal(told("just words\n", { COX_CONCURRENCY: "2" }).length, 1);
});

test("a key twice is refused, with the place of the second", () => {
  assert.match(told("steer: next\nsteer: live\n")[0] ?? "", /^2:1 Map keys must be unique/);
  assert.match(told("agent:\n  env: []\n  env: []\n")[0] ?? "", /^3:3 /);
});

test("aliases are refused, bombs of them too, and merge keys mean nothing", () => {
  assert.match(told("agent: &a {timeout: 1m}\nretry: *a\n")[0] ?? "", /Aliases/);
  const bomb = ["a0: &a0 [x]", ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`)].join(
    "\n",
  );
  assert.match(told(bomb)[0] ?? "", /Aliases/);
  assert.match(told("<<: {concurrency: 3}\n")[0] ?? "", /There is no setting <</);
});

test("hostile text is refused soon, without a throw", () => {
  const from = process.cpuUsage();
  for (const text of [
    "[".repeat(60_000),
    "{".repeat(60_000),
    "- ".repeat(30_000),
    "a: ".repeat(20_000),
    "? ".repeat(30_000),
    Array.from({ length: 6000 }, (_, n) => `k${n}: 1`).join("\n"),
    "&a ".repeat(20_000),
    "!!js/function 'x'",
    "a: !!binary x",
  ]) {
    assert.ok(told(text).length > 0, text.slice(0, 20));
  }
  assert.match(told(`#${"x".repeat(64 * 1024)}`)[0] ?? "", /64 kB/);
  assert.ok(process.cpuUsage(from).user < 20_000_000);
});

test("the environment wins over the file", () => {
  const environment = {
    COX_CONCURRENCY: "9",
    COX_LEDGER_DURABILITY: "process",
    COX_AGENT_STOP_GRACE: "3s",
    COX_BUDGET_DAY_USD: "12.5",
    COX_LEDGER_TRANSCRIPTS: "true",
    COX_AGENT_ENV: "A, B",
    COX_AGENT_MODEL: "m",
  };
  const config = read("concurrency: 2\nledger: {durability: full, ref: refs/cox/x}\n", environment);
  assert.deepEqual(
    [config.concurrency, config.ledger.durability, config.ledger.ref, config.agent.stop_grace],
    [9, "process", "refs/cox/x", "3s"],
  );
  assert.deepEqual(
    [config.budget.day_usd, config.ledger.transcripts, config.agent.env, config.agent.model],
    [12.5, true, ["A", "B"], "m"],
  );
});

test("an empty variable is none, and other variables are not settings", () => {
  assert.deepEqual(read("", { COX_CONCURRENCY: "", COX_RUN_ID: "x", COX_AGENT: "y", HOME: "/" }), defaults());
});

test("a wrong variable is named, not a line of the file", () => {
  assert.deepEqual(told("concurrency: 2\n", { COX_CONCURRENCY: "many" }), [
    'From the environment, COX_CONCURRENCY: concurrency is "many"; it must be an integer.',
  ]);
  assert.match(told("", { COX_AGENT_ENV: "A,B-C" })[0] ?? "", /^From the environment, COX_AGENT_ENV: /);
  assert.match(told("", { COX_AGENT_TIMEOUT: "5" })[0] ?? "", /COX_AGENT_TIMEOUT: .*duration/);
});

test("what was written is given back as it was written, without the defaults", () => {
  const result = readConfig("concurrency: 2\n");
  assert.deepEqual("ok" in result && result.written, { concurrency: 2 });
});

test("the closest name is at most two letters away, and short names are not guessed at", () => {
  const names = ["dependencies", "subtasks", "parent", "env", "id"];
  assert.deepEqual(
    [
      "dependancies",
      "depenencies",
      "subtaks",
      "Parent",
      "parnet",
      "evn",
      "x",
      "ie",
      "whatever",
      "dependencies_list",
    ].map((name) => closest(name, names)),
    ["dependencies", "dependencies", "subtasks", "parent", "parent", "env", undefined, undefined, undefined, undefined],
  );
});
