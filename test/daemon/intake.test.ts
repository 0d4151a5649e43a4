/** What is dropped, by whatever means, and what becomes of it. SPEC sections 3.1 to 3.3. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, closeSync, copyFileSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { truncateSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

const TASKS = `${SESSION}/.task`;

/** All of a session's titles, sorted. */
const titles = (shop: Workshop, session = SESSION) =>
  shop
    .tasks(session)
    .map(({ title }) => title)
    .sort();

async function done(shop: Workshop, title: string, session = SESSION) {
  const found = () => shop.tasks(session).find((task) => task.title === title);
  await shop.until(`"${title}" is completed`, () => found()?.status === "completed");
  return found() as NonNullable<ReturnType<typeof found>>;
}

const task = (title: string, more: object = {}) => ({
  title,
  agent: "command",
  execution: { command: "true" },
  ...more,
});

async function reported(shop: Workshop, path: string): Promise<string> {
  await shop.until(`${path} is reported`, () => shop.has(`${path}.error.md`));
  return shop.read(`${path}.error.md`);
}

test("a drop is taken whether it comes by cp, mv, a shell's redirection or jq … > tmp && mv", async (t) => {
  const shop = await workshop(t);
  const shell = (command: string) => execFileSync("/bin/sh", ["-c", command], { cwd: shop.dir });
  const aside = join(shop.root, "a.json");
  writeFileSync(aside, JSON.stringify(task("copied")));
  copyFileSync(aside, shop.at(TASKS, "copied.json"));
  writeFileSync(aside, JSON.stringify(task("moved")));
  renameSync(aside, shop.at(TASKS, "moved.json"));
  shell(`echo '${JSON.stringify(task("echoed"))}' > .workflow/${TASKS}/echoed.json`);
  shell(
    `echo '${JSON.stringify(task("piped"))}' > .workflow/${TASKS}/x.json.tmp && mv .workflow/${TASKS}/x.json.tmp .workflow/${TASKS}/x.json`,
  );
  shell(
    `printf '%s' '${JSON.stringify(task("filed"))}' | tee .workflow/inbox.tmp > /dev/null && mkdir -p .workflow/inbox && mv .workflow/inbox.tmp .workflow/inbox/filed.json`,
  );
  for (const title of ["copied", "moved", "echoed", "piped", "filed"]) await done(shop, title);
  assert.deepEqual(titles(shop), ["copied", "echoed", "filed", "moved", "piped"]);
});

test("a title is enough: all ten fields are filled in, visibly, and the answers of its words are right", async (t) => {
  const shop = await workshop(t, {
    session: null,
    before: (at) => at.drop("WFS-idle/.task/impl-3.json", { title: "Fix the crash at login" }),
  });
  shop.drop("WFS-idle/.task/b.json", { title: "Plan the new storage" });
  const fixed = await shop.becomes("impl-3", "pending", "WFS-idle");
  const planned = await shop.becomes("impl-4", "pending", "WFS-idle");
  const { source: _source, ...execution } = fixed.execution;
  const { $schema: _schema, ...fields } = fixed;
  assert.deepEqual(
    { ...fields, execution },
    {
      id: "impl-3",
      title: "Fix the crash at login",
      status: "pending",
      type: "bugfix",
      agent: "code-developer",
      paths: "",
      context: { requirements: [], scope: [], acceptance: [], inherited_from: "WFS-idle" },
      relations: { parent: null, subtasks: [], dependencies: [] },
      execution: { attempts: 0, last_attempt: null },
      implementation: { files: [], context_notes: {}, analysis_source: "manual" },
    },
  );
  assert.equal(planned.agent, "planning-agent");
});

test("an editor's save by backup and rename, with its swap and probe files, is one task", async (t) => {
  const shop = await workshop(t);
  const dir = shop.at(TASKS);
  for (const name of [".impl-1.json.swp", "4913", "impl-1.json~", ".impl-1.json.kate-swp"])
    writeFileSync(join(dir, name), "b0VIM");
  writeFileSync(join(dir, "impl-1.json"), JSON.stringify(task("first", { execution: { command: shop.waits() } })));
  await shop.becomes("impl-1", "active");
  // vim with `backupcopy=no`: the old file becomes the backup, the new one is written in its place.
  const edited = { ...shop.task("impl-1"), title: "second" };
  renameSync(join(dir, "impl-1.json"), join(dir, "impl-1.json~"));
  await pause(30);
  writeFileSync(join(dir, "impl-1.json"), JSON.stringify(edited, null, 2));
  unlinkSync(join(dir, "impl-1.json~"));
  unlinkSync(join(dir, "4913"));
  await shop.recorded(`${SESSION} impl-1: steered (title)`);
  shop.release();
  const after = await shop.becomes("impl-1", "completed");
  assert.equal(after.title, "second");
  assert.equal(after.execution.attempts, 1);
  assert.deepEqual(
    shop.moves("impl-1").filter((move) => move.includes("->")),
    ["new -> pending", "pending -> active", "active -> completed"],
  );
});

test("a writer that pauses for a second in mid-file is waited for, and is not reported", async (t) => {
  const shop = await workshop(t);
  const text = JSON.stringify(task("slow", { context: { requirements: ["a", "b"] } }), null, 2);
  const file = openSync(shop.at(TASKS, "slow.json"), "w");
  const noReport = () => !shop.has(`${TASKS}/slow.json.error.md`);
  for (const from of [0, 1, 2].map((third) => Math.floor((third * text.length) / 3))) {
    writeSync(file, text.slice(from, from + Math.ceil(text.length / 3)), from);
    if (from === 0 || from < text.length / 2) await shop.stays("no report", noReport, 1000);
  }
  closeSync(file);
  await done(shop, "slow");
  assert.ok(noReport());
});

test("a writer in many small chunks is waited for as well", async (t) => {
  const shop = await workshop(t);
  const text = JSON.stringify(task("chunks"), null, 2);
  for (let from = 0; from < text.length; from += 8) {
    appendFileSync(shop.at(TASKS, "chunks.json"), text.slice(from, from + 8));
    await pause(20);
  }
  await done(shop, "chunks");
  assert.ok(!shop.has(`${TASKS}/chunks.json.error.md`));
});

test("nothing is reported before it has stayed unchanged for half a second", async (t) => {
  const shop = await workshop(t);
  const began = performance.now();
  shop.drop(`${TASKS}/bad.json`, "this is no JSON");
  await reported(shop, `${TASKS}/bad.json`);
  const took = performance.now() - began;
  assert.ok(took > 450 && took < 3000, `${took} ms`);
});

test("a folder with ten task files that is moved in is a session with ten tasks", async (t) => {
  const shop = await workshop(t);
  const aside = join(shop.root, "WFS-moved");
  mkdirSync(join(aside, ".task"), { recursive: true });
  for (let n = 1; n <= 10; n++)
    writeFileSync(join(aside, ".task", `impl-${n}.json`), JSON.stringify(task(`moved ${n}`)));
  renameSync(aside, shop.at("WFS-moved"));
  await shop.until(
    "ten tasks are taken",
    () => shop.tasks("WFS-moved").filter(({ status }) => status === "pending").length === 10,
  );
  shop.touch(".active-WFS-moved");
  await shop.until(
    "ten tasks are done",
    () => shop.tasks("WFS-moved").filter(({ status }) => status === "completed").length === 10,
  );
});

test("ten task files moved into .task together are ten tasks", async (t) => {
  const shop = await workshop(t);
  for (let n = 1; n <= 10; n++) writeFileSync(join(shop.root, `t${n}.json`), JSON.stringify(task(`moved ${n}`)));
  execFileSync("/bin/sh", ["-c", `mv "${shop.root}"/t*.json "${shop.at(TASKS)}"/`]);
  await shop.until(
    "ten tasks are done",
    () => shop.tasks().filter(({ status }) => status === "completed").length === 10,
  );
  assert.equal(new Set(shop.tasks().map(({ id }) => id)).size, 10);
});

test("a drop into the inbox is filed into the active session and leaves the inbox", async (t) => {
  const shop = await workshop(t);
  shop.drop("inbox/anything.json", task("filed"));
  const { id } = await done(shop, "filed");
  await shop.until("the inbox is empty", () => !shop.has("inbox/anything.json"));
  assert.ok(shop.recordedPaths().includes(`${TASKS}/${id}.json`));
  assert.ok(!shop.recordedPaths().some((path) => path.startsWith("inbox/")));
});

test("a markdown file in prompts/ is a task: its heading the title, its text the prompt, its answer beside it", async (t) => {
  const shop = await workshop(t, {
    before: (at) =>
      at.drop(
        "agents/code-developer.md",
        "---\nname: code-developer\nrunner: command\ncommand: cat\n---\nYou build.\n",
      ),
  });
  shop.drop(`${SESSION}/prompts/greet.md`, "# Greet the world\n\nSay hello to everybody.\n");
  const { id } = await done(shop, "Greet the world");
  await shop.until(
    "the answer is there",
    () => shop.has(`${SESSION}/responses/greet.md`) && shop.has(`${SESSION}/responses/greet.json`),
  );
  assert.match(shop.read(`${SESSION}/responses/greet.md`), /Say hello to everybody\./);
  const answer = JSON.parse(shop.read(`${SESSION}/responses/greet.json`)) as { outcome: string; task: string };
  assert.deepEqual([answer.outcome, answer.task], ["success", id]);
  assert.match(shop.read(`${SESSION}/prompts/${id}-a1.md`), /Say hello to everybody\./);
  assert.equal(shop.read(`${SESSION}/prompts/greet.md`), "# Greet the world\n\nSay hello to everybody.\n");
});

test("a text file in the inbox is a task of the active session", async (t) => {
  const shop = await workshop(t, {
    before: (at) =>
      at.drop(
        "agents/code-developer.md",
        "---\nname: code-developer\nrunner: command\ncommand: cat\n---\nYou build.\n",
      ),
  });
  shop.drop("inbox/note.txt", "\nTidy the shelf\nAll of it.\n");
  await done(shop, "Tidy the shelf");
  await shop.until("the answer is there", () => shop.has(`${SESSION}/responses/note.md`));
  assert.match(shop.read(`${SESSION}/responses/note.md`), /All of it\./);
  await shop.until("the inbox is empty", () => !shop.has("inbox/note.txt"));
});

test("a text that is still being written is taken whole", async (t) => {
  const shop = await workshop(t, {
    session: null,
    before: (at) => mkdirSync(at.at("WFS-idle/prompts"), { recursive: true }),
  });
  for (const text of ["# Long", " story\n", "It begins. ", "It goes on. ", "It ends.\n"]) {
    appendFileSync(shop.at("WFS-idle/prompts/story.md"), text);
    await pause(150);
  }
  await shop.becomes("impl-1", "pending", "WFS-idle");
  assert.deepEqual(titles(shop, "WFS-idle"), ["Long story"]);
});

test("names of unfinished files are ignored", async (t) => {
  const shop = await workshop(t);
  const names = [".hidden.json", "a.json~", "b.json.tmp", "c.json.swp", "d.json.part", "e.json.crswap"];
  for (const name of names) shop.drop(`${TASKS}/${name}`, task(name));
  for (const name of names) shop.drop(`inbox/${name}`, "garbage");
  shop.drop(`${TASKS}/z.json`, task("last"));
  await done(shop, "last");
  await pause(800);
  assert.deepEqual(titles(shop), ["last"]);
  for (const name of names)
    assert.ok(!shop.has(`${TASKS}/${name}.error.md`) && !shop.has(`inbox/${name}.error.md`), name);
});

test("each kind of broken file is reported with its code, and stays byte for byte as it was", async (t) => {
  const shop = await workshop(t);
  const bad: Record<string, [content: string | Buffer, told: RegExp]> = {
    garbage: ["}{ not json", /not-json/],
    array: ["[1]", /not-an-object/],
    deep: [`{"title":"deep","context":${'{"a":'.repeat(70)}1${"}".repeat(70)}}`, /too-deep/],
    twice: ['{"title":"one","title":"two"}', /duplicate-key/],
    proto: ['{"title":"proto","__proto__":{"a":1}}', /forbidden-key/],
    latin: [Buffer.from([0x7b, 0x22, 0xe9, 0x22, 0x3a, 0x31, 0x7d]), /not-utf8/],
    huge: [`{"title":"${"x".repeat(1024 * 1024)}"}`, /too-large/],
    untitled: ['{"status":"pending"}', /missing-field/],
    role: ['{"title":"role","agent":"wizard"}', /unknown-role/],
    escape: ['{"title":"escape","paths":"src;../other"}', /path-escapes/],
    absolute: ['{"title":"absolute","paths":"/etc/passwd"}', /path-escapes/],
    wildcard: ['{"title":"wildcard","paths":"src/*.ts"}', /path-wildcard/],
    needs: ['{"title":"needs","relations":{"dependencies":["impl-77"]}}', /missing-dependency/],
    misspelt: [
      '{"title":"misspelt","relations":{"dependancies":["impl-1"]}}',
      /dependancies: did you mean dependencies\?/,
    ],
    status: ['{"title":"status","status":"runing"}', /wrong-value/],
    empty: ["", /empty-file/],
    dots: ['{"title":"dots","id":"../x"}', /bad-id/],
    dash: ['{"title":"dash","id":"-x"}', /bad-id/],
    lock: ['{"title":"lock","id":"impl-1.lock"}', /bad-id/],
    zero: ['{"title":"zero","id":"impl-01"}', /bad-id/],
    third: ['{"title":"third","id":"impl-1.2.3"}', /third-level/],
    orphan: ['{"title":"orphan","id":"impl-40.1"}', /missing-parent/],
  };
  for (const [name, [content]] of Object.entries(bad)) shop.drop(`${TASKS}/${name}.json`, content);
  shop.drop(`${TASKS}/good.json`, task("good"));
  await done(shop, "good");
  for (const [name, [content, told]] of Object.entries(bad)) {
    const report = await reported(shop, `${TASKS}/${name}.json`);
    assert.match(report, told, name);
    assert.match(report, new RegExp(`${name}\\.json`), "names the file");
    assert.ok(
      execFileSync("cat", [shop.at(TASKS, `${name}.json`)], { maxBuffer: 1 << 24 }).equals(Buffer.from(content)),
      `${name} was changed`,
    );
  }
  assert.deepEqual(titles(shop), ["good"]);
  assert.ok(!shop.recordedPaths().some((path) => path.includes("error.md")));
});

test("a byte order mark is no trouble", async (t) => {
  const shop = await workshop(t);
  shop.drop(`${TASKS}/bom.json`, `\uFEFF${JSON.stringify(task("marked"))}`);
  await done(shop, "marked");
});

test("what is no regular file is never opened, and stops nobody", async (t) => {
  const shop = await workshop(t);
  execFileSync("mkfifo", [shop.at(TASKS, "pipe.json")]);
  mkdirSync(shop.at(TASKS, "folder.json"));
  writeFileSync(shop.at(TASKS, "folder.json", "inner.json"), JSON.stringify(task("inner")));
  writeFileSync(join(shop.root, "outside.json"), JSON.stringify(task("outside")));
  symlinkSync(join(shop.root, "outside.json"), shop.at(TASKS, "link.json"));
  symlinkSync(join(shop.root, "outside.json"), shop.at(TASKS, "impl-9.json"));
  shop.drop(`${TASKS}/good.json`, task("good"));
  await done(shop, "good");
  for (const name of ["pipe", "folder", "link", "impl-9"])
    assert.match(await reported(shop, `${TASKS}/${name}.json`), /not-a-file/, name);
  assert.deepEqual(titles(shop), ["good"]);
  rmSync(shop.at(TASKS, "link.json"));
  await shop.until("its report goes with it", () => !shop.has(`${TASKS}/link.json.error.md`));
});

test("all problems of a file are reported at once, with line, column and pointer; the report goes when it is mended", async (t) => {
  const shop = await workshop(t);
  const text =
    '{\n  "title": "several",\n  "status": "done",\n  "paths": 7,\n  "relations": {\n    "dependancies": []\n  }\n}\n';
  shop.drop(`${TASKS}/several.json`, text);
  const report = await reported(shop, `${TASKS}/several.json`);
  assert.match(report, /several\.json:3:13 \/status/);
  assert.match(report, /several\.json:4:12 \/paths/);
  assert.match(report, /several\.json:6:\d+ \/relations\/dependancies/);
  assert.equal(report.split("\n").filter((line) => line.startsWith("- ")).length, 3);
  await shop.until("the view names it", () => shop.read(`${SESSION}/TODO_LIST.md`).includes("several.json"));
  shop.drop(`${TASKS}/several.json`, task("several"));
  await done(shop, "several");
  await shop.until("the report is gone", () => !shop.has(`${TASKS}/several.json.error.md`));
  await shop.until(
    "it is no longer in the list",
    () => !shop.read(`${SESSION}/TODO_LIST.md`).includes("several.json:"),
  );
});

test("a broken file that is removed takes its report with it", async (t) => {
  const shop = await workshop(t);
  shop.drop(`${TASKS}/bad.json`, "[]");
  await reported(shop, `${TASKS}/bad.json`);
  shop.remove(`${TASKS}/bad.json`);
  await shop.until("the report is gone", () => !shop.has(`${TASKS}/bad.json.error.md`));
});

test("a report that was left behind by an earlier daemon goes when the file is mended meanwhile", async (t) => {
  const shop = await workshop(t);
  shop.drop(`${TASKS}/bad.json`, "[]");
  await reported(shop, `${TASKS}/bad.json`);
  await shop.stop();
  shop.drop(`${TASKS}/bad.json`, task("mended"));
  await shop.start();
  await done(shop, "mended");
  await shop.until("the report is gone", () => !shop.has(`${TASKS}/bad.json.error.md`));
});

test("a missing dependency that is dropped later mends the report, and both run in order", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-2", 'echo 2 >> "$HOME/order"', { relations: { dependencies: ["impl-1"] } });
  await reported(shop, `${TASKS}/impl-2.json`);
  shop.command("impl-1", 'echo 1 >> "$HOME/order"');
  await shop.becomes("impl-2", "completed");
  assert.equal(shop.left("order"), "1\n2\n");
  await shop.until("the report is gone", () => !shop.has(`${TASKS}/impl-2.json.error.md`));
});

test("a file that needed a role is taken when the role is written", async (t) => {
  const shop = await workshop(t);
  shop.drop(`${TASKS}/impl-1.json`, { title: "magic", agent: "wizard" });
  await reported(shop, `${TASKS}/impl-1.json`);
  const began = performance.now();
  shop.drop(
    "agents/wizard.md",
    "---\nname: wizard\ndescription: casts\nrunner: command\ncommand: echo abracadabra\n---\n",
  );
  await done(shop, "magic");
  assert.ok(performance.now() - began < 3000, "without waiting for the slow tick");
});

test("dependencies that come in any order and together are fine; a circle is reported for each of its members", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-3", "true", { relations: { dependencies: ["impl-4"] } });
  shop.command("impl-4", "true");
  shop.command("impl-11", "true", { relations: { dependencies: ["impl-12"] } });
  shop.command("impl-12", "true", { relations: { dependencies: ["impl-11"] } });
  shop.command("impl-13", "true", { relations: { dependencies: ["impl-13"] } });
  await shop.becomes("impl-3", "completed");
  for (const id of ["impl-11", "impl-12", "impl-13"])
    assert.match(await reported(shop, `${TASKS}/${id}.json`), /dependency-cycle|wait for each other/, id);
  shop.command("impl-12", "true");
  await shop.becomes("impl-11", "completed");
});

test("the same content dropped twice under the same name is one task", async (t) => {
  const shop = await workshop(t);
  const drop = task("once");
  shop.drop("inbox/once.json", drop);
  await done(shop, "once");
  shop.drop("inbox/once.json", drop);
  await shop.until("it is taken out of the inbox", () => !shop.has("inbox/once.json"));
  shop.command("impl-7", 'echo ran >> "$HOME/ran"', { status: "pending" });
  await shop.becomes("impl-7", "completed");
  shop.command("impl-7", 'echo ran >> "$HOME/ran"', { status: "pending" });
  await pause(600);
  await shop.becomes("impl-7", "completed");
  assert.equal(shop.tasks().length, 2);
  assert.equal(shop.left("ran"), "ran\n");
});

test("an id that exists already is an error of the newcomer alone", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
  shop.drop(`${TASKS}/other.json`, task("other", { id: "impl-1" }));
  assert.match(await reported(shop, `${TASKS}/other.json`), /id-exists/);
  assert.equal(shop.task("impl-1")?.title, "Task impl-1");
});

test("key order, unknown keys and indentation of a person's file survive, with tabs and with four spaces", async (t) => {
  const shop = await workshop(t);
  const drop = {
    zebra: { b: 1, a: [1, 2] },
    execution: { mine: "kept", command: "true" },
    agent: "command",
    title: "order",
    "x-note": "kept",
  };
  shop.drop(`${TASKS}/impl-1.json`, JSON.stringify(drop, null, "\t"));
  shop.drop(`${TASKS}/impl-2.json`, JSON.stringify(drop, null, 4));
  shop.drop("inbox/other.json", JSON.stringify({ ...drop, title: "filed" }, null, "\t"));
  for (const id of ["impl-1", "impl-2"]) {
    const after = await shop.becomes(id, "completed");
    const written = Object.keys(after).filter((key) => key in drop);
    assert.deepEqual(written, Object.keys(drop));
    assert.deepEqual((after as Record<string, unknown>)["zebra"], drop.zebra);
    assert.deepEqual(Object.keys(after.execution).slice(0, 2), ["mine", "command"]);
  }
  assert.match(shop.read(`${TASKS}/impl-1.json`), /^\{\n(?:\t"(?:id|\$schema)".*\n)*\t"zebra": \{\n\t\t"b"/);
  assert.match(shop.read(`${TASKS}/impl-2.json`), /^\{\n(?: {4}"(?:id|\$schema)".*\n)* {4}"zebra": \{\n {8}"b"/);
  const { id } = await done(shop, "filed");
  assert.match(shop.read(`${TASKS}/${id}.json`), /^\{\n(?:\t"(?:id|\$schema)".*\n)*\t"zebra"/);
});

test("a container is not run, lists its subtasks, and is completed with the last of them", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", 'echo parent >> "$HOME/ran"');
  shop.command("impl-1.1", "true");
  shop.command("impl-1.2", shop.waits());
  await shop.becomes("impl-1", "container");
  await shop.becomes("impl-1.1", "completed");
  assert.deepEqual(shop.task("impl-1")?.relations.subtasks, ["impl-1.1", "impl-1.2"]);
  assert.equal(shop.task("impl-1.2")?.relations.parent, "impl-1");
  shop.release();
  await shop.becomes("impl-1", "completed");
  shop.command("impl-1.3", shop.waits("more"));
  await shop.becomes("impl-1", "container");
  shop.release("more");
  await shop.becomes("impl-1", "completed");
  assert.equal(shop.left("ran"), undefined);
});

test("of the tasks that may start: higher priority first, then lower number", async (t) => {
  const shop = await workshop(t, {
    env: { COX_CONCURRENCY: "1" },
    session: null,
    before: (at) => mkdirSync(at.at(TASKS), { recursive: true }),
  });
  for (const n of [10, 2, 1]) shop.command(`impl-${n}`, `echo ${n} >> "$HOME/order"`);
  shop.command("impl-30", 'echo 30 >> "$HOME/order"', { execution: { priority: 5 } });
  await shop.until("all are known", () => shop.tasks().filter(({ status }) => status === "pending").length === 4);
  shop.touch(`.active-${SESSION}`);
  await shop.becomes("impl-10", "completed");
  assert.equal(shop.left("order"), "30\n1\n2\n10\n");
});

test("a dependent does not start after a failure, unless the failed task says continue_on_error", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "exit 3", { execution: { max_attempts: 1 } });
  shop.command("impl-2", "true", { relations: { dependencies: ["impl-1"] } });
  shop.command("impl-3", "exit 3", { execution: { max_attempts: 1, continue_on_error: true } });
  shop.command("impl-4", "true", { relations: { dependencies: ["impl-3"] } });
  await shop.becomes("impl-1", "blocked");
  await shop.becomes("impl-4", "completed");
  assert.equal(shop.reason("impl-1"), "failed");
  assert.equal(shop.status("impl-2"), "pending");
});

test("what was dropped and edited while no daemon was there is found at its start", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true", { execution: { approve: "before" } });
  await shop.becomes("impl-1", "blocked");
  await shop.stop();
  shop.command("impl-2", "true");
  shop.drop("inbox/x.json", task("filed"));
  shop.edit("impl-1", (found) => (found.execution.approved = true));
  await shop.start();
  await shop.becomes("impl-1", "completed");
  await shop.becomes("impl-2", "completed");
  await done(shop, "filed");
});

test("a task's file that is emptied and rewritten in place is never taken for a deletion", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", shop.waits());
  await shop.becomes("impl-1", "active");
  const text = shop.read(`${TASKS}/impl-1.json`).replace("Task impl-1", "Rewritten");
  truncateSync(shop.at(TASKS, "impl-1.json"));
  await pause(200);
  writeFileSync(shop.at(TASKS, "impl-1.json"), text);
  await shop.recorded(`${SESSION} impl-1: steered (title)`);
  assert.equal(shop.status("impl-1"), "active");
  shop.release();
  await shop.becomes("impl-1", "completed");
  assert.ok(!shop.has(`${TASKS}/impl-1.json.error.md`));
});

test("folders for drops and roles are made where they are missing", async (t) => {
  const shop = await workshop(t);
  assert.ok(shop.has("inbox") && shop.has("agents"));
});
