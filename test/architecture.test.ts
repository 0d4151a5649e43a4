import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { test } from "node:test";

const src = join(import.meta.dirname, "..", "src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const codeOf = (file: string) => readFileSync(join(src, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

/** What each part may import, besides itself. */
const FACTS = ["model", "config", "problems"];
const THOUGHT = ["machine", "views", "workflow"];
const EDGES = ["store", "ledger", "worktree", "agent", "history", "notify"];
const MAY_IMPORT: Record<string, string[]> = {
  model: FACTS,
  config: FACTS,
  problems: FACTS,
  machine: FACTS,
  views: [...FACTS, "machine"],
  workflow: [...FACTS, "machine"],
  ...Object.fromEntries(EDGES.map((edge) => [edge, [...FACTS, ...THOUGHT]])),
  daemon: [...FACTS, ...THOUGHT, ...EDGES],
  surfaces: [...FACTS, ...THOUGHT, "store", "ledger", "worktree"],
};
/** The one command that starts the daemon. */
const EXCEPT = new Map([["surfaces/cli/start.ts", "daemon"]]);

const partOf = (file: string) => (file.split("/")[0] ?? "").replace(/\.ts$/, "");

test("imports go downwards only, and edges never import each other", () => {
  const wrong: string[] = [];
  for (const file of files) {
    for (const [, path = ""] of codeOf(file).matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const target = partOf(relative(src, normalize(join(src, dirname(file), path))));
      const allowed = MAY_IMPORT[partOf(file)] ?? [];
      if (target === partOf(file) || allowed.includes(target) || EXCEPT.get(file) === target || target === "..")
        continue;
      wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("facts and thought have no clock, no chance and no I/O", () => {
  const wrong = files
    .filter((file) => [...FACTS, ...THOUGHT].includes(partOf(file)))
    .filter((file) => /Date\.now|new Date\(\)|Math\.random|from "node:|\bprocess\.|\basync\b/.test(codeOf(file)));
  assert.deepEqual(wrong, []);
});

test("files are short enough to be read in one go", () => {
  const lengths = files.map((file) => ({ file, lines: readFileSync(join(src, file), "utf8").split("\n").length }));
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  assert.ok(median < 120, `the median file has ${median} lines`);
  assert.deepEqual(
    lengths.filter(({ lines }) => lines > 450).map(({ file, lines }) => `${file}: ${lines}`),
    [],
  );
});
