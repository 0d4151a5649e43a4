import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ATTRIBUTES_LINE, EXCLUDE_LINE, ensureExclude, findRepository, trackedUnder } from "../../src/ledger/git.ts";
import { restoreFiles } from "../../src/ledger/restore.ts";
import { REF, folder, moved, open, repository, sh } from "./ledger-lab.ts";

const contents: [path: string, content: Buffer][] = [
  ["config.yaml", Buffer.from("a: 1\r\nb: 2\n")],
  ["WFS-a/crlf.md", Buffer.from("one\r\ntwo\r\n")],
  ["WFS-a/lf.md", Buffer.from("one\ntwo\n$Id$\n")],
  ["WFS-a/.task/impl-1.json", Buffer.from("{}")],
  ['WFS-a/odd "name"\n.bin', Buffer.from([0, 255, 13, 10, 10, 13])],
  ["WFS-a/empty", Buffer.alloc(0)],
];

async function recorded(t: Parameters<typeof repository>[0], ...initArgs: string[]): Promise<string> {
  const dir = repository(t, ...initArgs);
  const ledger = await open(t, dir);
  await ledger.record([{ ...moved(1), changes: contents.map(([path, content]) => ({ path, content })) }]);
  await ledger.close();
  return dir;
}

test("everything comes back byte for byte, whatever autocrlf, filters and working-tree encodings say", async (t) => {
  const dir = await recorded(t);
  sh(dir, "config", "core.autocrlf", "true");
  sh(dir, "config", "filter.bad.smudge", "false");
  sh(dir, "config", "filter.bad.required", "true");
  writeFileSync(join(dir, ".gitattributes"), "* filter=bad ident text working-tree-encoding=UTF-16\n");
  const targetDir = join(dir, ".workflow");
  const commit = sh(dir, "rev-parse", REF);
  assert.deepEqual(await restoreFiles({ repository: dir, ref: REF, targetDir }), {
    commit,
    written: 6,
    unchanged: 0,
    skipped: [],
  });
  for (const [path, content] of contents) assert.deepEqual(readFileSync(join(targetDir, path)), content, path);
  assert.deepEqual(readdirSync(join(targetDir, ".run")), []);

  rmSync(join(targetDir, "config.yaml"));
  writeFileSync(join(targetDir, "WFS-a/lf.md"), "changed");
  writeFileSync(join(targetDir, "mine.txt"), "not recorded");
  const again = await restoreFiles({ repository: dir, ref: REF, targetDir });
  assert.deepEqual([again?.written, again?.unchanged], [2, 4]);
  assert.equal(readFileSync(join(targetDir, "mine.txt"), "utf8"), "not recorded");
});

test("git's own restore gives the same bytes once the attributes line stands", async (t) => {
  const dir = await recorded(t);
  sh(dir, "config", "core.autocrlf", "true");
  assert.equal(await ensureExclude(join(dir, ".git")), true);
  sh(dir, "restore", `--source=${REF}`, "--worktree", "--", ".workflow");
  for (const [path, content] of contents) assert.deepEqual(readFileSync(join(dir, ".workflow", path)), content, path);
  assert.equal(sh(dir, "status", "--porcelain"), "");
});

test("an older commit can be restored, an unknown one and a ledger not begun are nothing", async (t) => {
  const dir = await recorded(t);
  const first = sh(dir, "rev-parse", REF);
  await (
    await open(t, dir)
  ).record([{ ...moved(2), changes: [{ path: "config.yaml", content: Buffer.from("later") }] }]);
  const targetDir = join(folder(t), "elsewhere");
  assert.equal((await restoreFiles({ repository: dir, ref: REF, targetDir, commit: first }))?.written, 6);
  assert.equal(readFileSync(join(targetDir, "config.yaml"), "utf8"), "a: 1\r\nb: 2\n");
  assert.equal(await restoreFiles({ repository: dir, ref: REF, targetDir, commit: "0123456789" }), undefined);
  assert.equal(await restoreFiles({ repository: dir, ref: "refs/cox/none", targetDir }), undefined);
  assert.equal(await restoreFiles({ repository: dir, ref: "--output=x", targetDir }), undefined);
});

test("no link is followed and nothing is written outside or into .run, whatever a foreign ledger holds", async (t) => {
  const dir = await recorded(t);
  const outside = folder(t);
  const targetDir = join(dir, ".workflow");
  mkdirSync(targetDir);
  symlinkSync(outside, join(targetDir, "WFS-a"));
  writeFileSync(join(outside, "victim"), "safe");
  symlinkSync(join(outside, "victim"), join(targetDir, "config.yaml"));
  const restored = await restoreFiles({ repository: dir, ref: REF, targetDir });
  assert.equal(restored?.written, 1);
  assert.equal(restored.skipped.length, 5);
  assert.deepEqual(readdirSync(outside), ["victim"]);
  assert.equal(readFileSync(join(outside, "victim"), "utf8"), "safe");
  assert.ok(lstatSync(join(targetDir, "config.yaml")).isFile());

  const blob = sh(dir, "hash-object", "-w", join(outside, "victim"));
  const index = { GIT_INDEX_FILE: join(dir, "hostile") };
  sh(dir, "read-tree", "--empty", `--index-output=${index.GIT_INDEX_FILE}`);
  const hostile = (mode: string, path: string) =>
    sh(dir, "update-index", "--add", "--cacheinfo", `${mode},${blob},.workflow/${path}`);
  hostile("120000", "link");
  hostile("100644", ".run/trust.json");
  hostile("100755", "tool.sh");
  const commit = sh(dir, "commit-tree", sh(dir, "write-tree"), "-m", "hostile");
  const second = await restoreFiles({ repository: dir, ref: REF, targetDir, commit });
  assert.deepEqual(second?.skipped.map((one) => one.path).sort(), [".run/trust.json", "link"]);
  assert.ok(!existsSync(join(targetDir, "link")) && !existsSync(join(targetDir, ".run/trust.json")));
});

test("a sha256 and a bare repository restore too", async (t) => {
  for (const kind of ["--object-format=sha256", "--bare"]) {
    const dir = await recorded(t, kind);
    const targetDir = join(folder(t), ".workflow");
    assert.equal((await restoreFiles({ repository: dir, ref: REF, targetDir }))?.written, 6);
  }
});

test("a repository is found from any of its folders, with what is known of HEAD", async (t) => {
  const dir = repository(t);
  const facts = async (from: string) => {
    const found = await findRepository(from);
    return "ok" in found ? found.ok : found.problem.code;
  };
  const unborn = {
    root: dir,
    gitDir: join(dir, ".git"),
    commonDir: join(dir, ".git"),
    bare: false,
    objectFormat: "sha1",
    hasCommits: false,
    head: { branch: "main", commit: null },
  };
  assert.deepEqual(await facts(dir), unborn);
  sh(dir, "commit", "-q", "--allow-empty", "-m", "code");
  const commit = sh(dir, "rev-parse", "HEAD");
  mkdirSync(join(dir, "a b/c"), { recursive: true });
  assert.deepEqual(await facts(join(dir, "a b/c")), { ...unborn, hasCommits: true, head: { branch: "main", commit } });
  sh(dir, "worktree", "add", "-q", "--detach", join(dir, "linked"));
  assert.deepEqual(await facts(join(dir, "linked")), {
    ...unborn,
    root: join(dir, "linked"),
    gitDir: join(dir, ".git/worktrees/linked"),
    hasCommits: true,
    head: { branch: null, commit },
  });
  const bare = repository(t, "--bare", "--object-format=sha256");
  assert.deepEqual(await facts(bare), {
    ...unborn,
    root: bare,
    gitDir: bare,
    commonDir: bare,
    bare: true,
    objectFormat: "sha256",
  });
  assert.equal(await facts(folder(t)), "no-repository");
  assert.equal(await facts(join(dir, "none")), "no-repository");
});

test("the exclude and attributes lines are added once and nothing else of those files changes", async (t) => {
  const dir = repository(t);
  const common = join(dir, ".git");
  writeFileSync(join(common, "info/exclude"), "*.log");
  assert.equal(await ensureExclude(common), true);
  assert.equal(await ensureExclude(common), false);
  assert.equal(readFileSync(join(common, "info/exclude"), "utf8"), `*.log\n${EXCLUDE_LINE}\n`);
  assert.equal(readFileSync(join(common, "info/attributes"), "utf8"), `${ATTRIBUTES_LINE}\n`);
  mkdirSync(join(dir, ".workflow"));
  writeFileSync(join(dir, ".workflow/config.yaml"), "");
  assert.equal(sh(dir, "status", "--porcelain"), "");
  const found = await findRepository(dir);
  assert.ok("ok" in found);
  assert.deepEqual(await trackedUnder(found.ok, ".workflow"), []);
  sh(dir, "add", "-f", ".workflow/config.yaml");
  assert.deepEqual(await trackedUnder(found.ok, ".workflow"), [".workflow/config.yaml"]);
});
