/** Packs and trees of our own making, read by git. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { objectId, PackBuilder, type ObjectFormat } from "../../src/ledger/pack.ts";
import { toGather } from "../../src/ledger/gather.ts";
import { Folder } from "../../src/ledger/tree.ts";
import { repository, sh } from "./ledger-lab.ts";

const FORMATS: ObjectFormat[] = ["sha1", "sha256"];
/** Names that are ordered otherwise as folders, that stand in each other's way, and a folder large enough for deltas. */
const PATHS = ["a", "a.b", "a-b", "a_b", "B", "ab", "é", "z/x", "a/b", "a/b/c", "a/b.c"].concat(
  Array.from({ length: 60 }, (_, n) => `s/.task/impl-${n}.json`),
);

function put(dir: string, pack: PackBuilder): { listing: string } {
  const { name, pack: bytes, index, listing } = pack.finish();
  const file = join(dir, ".git/objects/pack", `pack-${name}`);
  writeFileSync(`${file}.pack`, Buffer.concat(bytes));
  writeFileSync(`${file}.idx`, Buffer.concat(index));
  sh(dir, "verify-pack", `${file}.idx`);
  return { listing };
}

function listed(dir: string, tree: string) {
  return sh(dir, "ls-tree", "-r", "-t", "-z", tree)
    .split("\0")
    .filter(Boolean)
    .map((line) => {
      const [head = "", path = ""] = line.split("\t");
      const [mode = "", , id = ""] = head.split(" ");
      return { mode, id, path };
    });
}

function filesOf(dir: string, tree: string): [string, string][] {
  return listed(dir, tree)
    .filter(({ mode }) => mode === "100644")
    .map(({ path, id }): [string, string] => [path, id])
    .toSorted(byPath);
}

const byPath = ([a]: [string, string], [b]: [string, string]) => (a < b ? -1 : 1);

/** What a folder holds after a file was put at a path: what stands in its way is gone. */
function place(files: Map<string, string>, path: string, id: string): void {
  for (const other of files.keys())
    if (other.startsWith(`${path}/`) || path.startsWith(`${other}/`)) files.delete(other);
  files.set(path, id);
}

const edits = fc.array(
  fc.array(fc.record({ path: fc.constantFrom(...PATHS), text: fc.option(fc.string({ maxLength: 40 }), { freq: 4 }) }), {
    minLength: 1,
    maxLength: 5,
  }),
  { minLength: 1, maxLength: 60 },
);

for (const format of FORMATS) {
  test(`git reads in ${format} what was written, whatever was changed in whatever order`, (t: TestContext) => {
    const dir = repository(t, `--object-format=${format}`);
    let folder = new Folder();
    const model = new Map<string, string>();
    fc.assert(
      fc.property(edits, (commits) => {
        const pack = new PackBuilder(format);
        let last: string | undefined;
        for (const changes of commits) {
          for (const { path, text } of changes) {
            if (text === null) {
              folder.set(path, null);
              model.delete(path);
            } else {
              const id = pack.blob(Buffer.from(text), "text");
              folder.set(path, id);
              place(model, path, id);
            }
          }
          last = folder.write((encoded) => pack.tree(encoded));
        }
        pack.blob(Buffer.from(`never empty ${Math.random()}`), "text");
        put(dir, pack);
        assert.deepEqual([...folder.files()].toSorted(byPath), [...model].toSorted(byPath));
        assert.deepEqual(last === undefined ? [] : filesOf(dir, last), [...model].toSorted(byPath));
        // The next batch begins either with what is in memory or with what git has.
        if (last !== undefined && commits.length % 2 === 0) folder = Folder.of(last, listed(dir, last));
      }),
      { numRuns: 25, seed: 20261127 },
    );
    assert.equal(spawnSync("git", ["fsck", "--full", "--strict", "--no-dangling"], { cwd: dir }).status, 0);
  });

  test(`an id in ${format} is the one that git gives`, (t: TestContext) => {
    const dir = repository(t, `--object-format=${format}`);
    writeFileSync(join(dir, "file"), "some text\n");
    assert.equal(objectId(format, "blob", Buffer.from("some text\n")), sh(dir, "hash-object", "file"));
  });
}

test("a large folder is told once for a batch, and then as what changed", (t) => {
  const dir = repository(t);
  const pack = new PackBuilder("sha1");
  const folder = new Folder();
  for (let n = 0; n < 10_000; n++) folder.set(`s/.task/impl-${n}.json`, pack.blob(Buffer.from(`${n}`), "text"));
  folder.write((encoded) => pack.tree(encoded));
  const sizes: number[] = [];
  for (let n = 0; n < 100; n++) {
    folder.set(`s/.task/impl-${n}.json`, pack.blob(Buffer.from(`again ${n}`), "text"));
    folder.write((encoded) => pack.tree(encoded));
    sizes.push(pack.size);
  }
  const steps = sizes.slice(1).map((size, place) => size - (sizes[place] ?? 0));
  assert.ok(steps.filter((step) => step < 1000).length > 95, String(steps));
  put(dir, pack);
  assert.equal(filesOf(dir, folder.write((encoded) => pack.tree(encoded)) ?? "").length, 10_000);
});

test("names that come into a folder in one commit are in the order of their bytes", (t) => {
  const dir = repository(t);
  const pack = new PackBuilder("sha1");
  const folder = new Folder();
  const names = ["B", "a", "a-b", "a.b", "a_b", "A", "é", "z"];
  const id = pack.blob(Buffer.from("text"), "text");
  folder.set("0", id);
  folder.write((encoded) => pack.tree(encoded));
  for (const name of names) folder.set(name, id);
  const tree = folder.write((encoded) => pack.tree(encoded)) ?? "";
  put(dir, pack);
  const lines = ["0", ...names].map((name) => `100644 blob ${id}\t${name}\n`);
  const made = spawnSync("git", ["mktree"], { cwd: dir, input: lines.join(""), encoding: "utf8" });
  assert.equal(tree, made.stdout.trim());
});

test("a pack lists its objects with their paths, as git pack-objects reads them", (t) => {
  const dir = repository(t);
  const pack = new PackBuilder("sha1");
  const folder = new Folder();
  const id = pack.blob(Buffer.from("text"), "s/.task/two\nlines");
  folder.set("s/.task/two\nlines", id);
  const tree = folder.write((encoded) => pack.tree(encoded)) ?? "";
  const { listing } = put(dir, pack);
  const inner = (path: string) => sh(dir, "rev-parse", `${tree}:${path}`);
  assert.deepEqual(
    listing.split("\n").toSorted(),
    ["", `${id} s/.task/two?lines`, `${inner("s/.task")} .task`, `${inner("s")} s`, `${tree} `].toSorted(),
  );
  const made = spawnSync("git", ["pack-objects", "-q", "--stdout"], { cwd: dir, input: listing });
  assert.equal(made.status, 0, String(made.stderr));
});

test("packs that are not twice as large as all that are smaller are gathered with these", () => {
  const sizes = (least: number, ...all: number[]) =>
    toGather(
      all.map((bytes) => ({ name: "", bytes })),
      least,
    ).map(({ bytes }) => bytes);
  assert.deepEqual(sizes(2, 1, 1, 1), [1, 1, 1]);
  assert.deepEqual(sizes(2, 1, 2, 6, 100), []);
  assert.deepEqual(sizes(2, 100, 1, 1), [1, 1]);
  assert.deepEqual(sizes(2, 5, 4, 100), [4, 5]);
  assert.deepEqual(sizes(2), []);
  assert.deepEqual(sizes(4, 1, 1, 1), []);
});

test("packs whose objects are to be compressed are gathered apart, and no more than 64 MB at a time", () => {
  const of = (megabytes: number, isRaw: boolean) => ({
    name: "",
    bytes: megabytes << 20,
    ...(isRaw ? { listing: "" } : {}),
  });
  const raw = [of(10, true), of(10, true), of(10, true)];
  const made = [of(12, false), of(12, false)];
  assert.deepEqual(toGather([...made, ...raw], 3), raw);
  assert.deepEqual(toGather([...made, ...raw], 4), [...raw, ...made]);
  const many = Array.from({ length: 10 }, () => of(20, true));
  assert.equal(toGather(many, 2).length, 3);
  assert.equal(toGather(many, 5).length, 5);
});
