/** What a dropped task says about places: keys in the wrong part, and a prompt file that is elsewhere. SPEC 3.2, 3.3. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { readDrop } from "../../src/daemon/drops.ts";
import { checkTaskDrop } from "../../src/store/check.ts";
import { readPromptFile } from "../../src/store/escaping.ts";
import { sha256 } from "../../src/store/scan.ts";

const SESSION = "WFS-main";

const told = (drop: object) => {
  const checked = checkTaskDrop({ title: "x", ...drop });
  return "problems" in checked ? checked.problems.map(({ code, pointer }) => `${code} ${pointer ?? ""}`) : [];
};

for (const [part, keys] of Object.entries({
  execution:
    "approve approved verify command timeout max_attempts model budget_usd max_turns priority isolation env prompt_file response_schema when continue_on_error",
  relations: "dependencies",
  context: "requirements scope acceptance",
})) {
  test(`what belongs into ${part} is not overlooked at the top of the file`, () => {
    for (const key of keys.split(" ")) assert.deepEqual(told({ [key]: null }), [`misplaced-key /${key}`], key);
  });
}

test("a misplaced key is told with where it belongs, together with all else that is wrong", () => {
  const checked = checkTaskDrop({ titel: "x", approve: "after", execution: { verfy: [] } });
  assert.ok("problems" in checked);
  assert.deepEqual(
    checked.problems.map(({ code }) => code),
    ["missing-field", "misspelt-key", "misplaced-key", "misspelt-key"],
  );
  assert.equal(
    checked.problems[2]?.message,
    'approve belongs into execution: {"execution": {"approve": …}}.',
    "whatever the value",
  );
});

test("the same keys where they belong, the keys of the top, and anybody's own keys are fine", () => {
  const top = { id: "impl-1", status: "pending", type: "docs", agent: "human", paths: "src", $schema: "x" };
  assert.deepEqual(told(top), []);
  assert.deepEqual(told({ execution: { approve: "after", verify: ["true"], when: "x" } }), []);
  assert.deepEqual(told({ relations: { dependencies: [] }, context: { scope: ["src"] } }), []);
  assert.deepEqual(told({ notes: 1, effort: "3d", source: "board", mine: { approve: "after", scope: 1 } }), []);
});

/** A repository with a session, and beside it what nobody may read. */
function repository(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "cox-prompt-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const at = (path: string) => join(root, "repository", path);
  mkdirSync(at(`.workflow/${SESSION}/notes`), { recursive: true });
  mkdirSync(at("docs"));
  mkdirSync(join(root, "outside"));
  writeFileSync(join(root, "outside/passwd"), "the secret\n");
  symlinkSync(join(root, "outside"), at("outl"));
  const place = { repository: at(""), workspace: at(".workflow"), session: SESSION };
  const read = (name: string) => {
    const found = readPromptFile(name, place);
    return typeof found === "string" ? found : found.content.toString("utf8");
  };
  return { root, at, read };
}

test("a prompt file is read from the session, else from the repository", (t) => {
  const { at, read } = repository(t);
  assert.equal(read("notes/how.md"), "missing");
  mkdirSync(at("notes"));
  writeFileSync(at("notes/how.md"), "of the repository");
  assert.equal(read("notes/how.md"), "of the repository");
  writeFileSync(at(`.workflow/${SESSION}/notes/how.md`), "of the session");
  assert.equal(read("notes/how.md"), "of the session");
  symlinkSync("../notes/how.md", at("docs/link.md"));
  assert.equal(read("docs/link.md"), "of the repository", "a link that stays inside");
});

test("what leads out is never read: by name, by a link in the middle, at the end, or in the session", (t) => {
  const { root, at, read } = repository(t);
  symlinkSync(join(root, "outside/passwd"), at("docs/direct.md"));
  symlinkSync(join(root, "outside"), at(`.workflow/${SESSION}/notes/out`));
  symlinkSync(join(root, "outside"), at(".workflow/WFS-linked"));
  for (const name of [
    "outl/passwd",
    "outl/not-there",
    "docs/direct.md",
    "notes/out/passwd",
    "../../../outside/passwd",
    "docs/../../outside/passwd",
    join(root, "outside/passwd"),
    at("docs/own.md"),
    "a\0b",
  ])
    assert.equal(read(name), "outside", name);
  const linked = { repository: at(""), workspace: at(".workflow"), session: "WFS-linked" };
  assert.equal(readPromptFile("passwd", linked), "outside");
});

test("what is no readable text file of a fair size is missing, and stops nobody", (t) => {
  const { at, read } = repository(t);
  writeFileSync(at("file.md"), "another");
  execFileSync("mkfifo", [at("pipe")]);
  symlinkSync("nowhere", at("dangling"));
  symlinkSync("round", at("round"));
  writeFileSync(at("huge.md"), Buffer.alloc(1024 * 1024 + 1));
  for (const name of ["docs", "pipe", "dangling", "round", "huge.md", "file.md/inner", "docs/none", "."])
    assert.equal(read(name), "missing", name);
});

test("a drop looks for its prompt file whenever it is asked; a text is its own prompt", (t) => {
  const { at } = repository(t);
  const dropped = (path: string, text: string) => {
    const content = Buffer.from(text);
    const drop = readDrop({ path, content, hash: sha256(content) }, at(""));
    assert.ok("ok" in drop);
    return drop.ok;
  };
  const { promptFile } = dropped("inbox/a.json", '{"title":"x","execution":{"prompt_file":"how.md"}}');
  assert.equal(promptFile?.("how.md", SESSION), "missing");
  writeFileSync(at(`.workflow/${SESSION}/how.md`), "gently");
  assert.equal(promptFile?.("how.md", SESSION), "there");
  assert.equal(promptFile?.("outl/passwd", SESSION), "outside");
  assert.equal(dropped("inbox/a.md", "# Do it").promptFile, undefined);
});
