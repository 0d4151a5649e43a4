/** The launcher and the scripts of the repository, each against a small tree of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("..", import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), "scaffold-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

const main = `
  const [what, value] = process.argv.slice(2);
  if (what === "exit") process.exit(Number(value));
  else if (what === "die") process.kill(process.pid, value);
  else if (what === "wait") {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      process.on(signal, () => { console.log(signal); process.exit(7); });
    }
    setInterval(() => {}, 1000);
    console.log("ready");
  } else console.log(JSON.stringify([process.versions.node, ...process.argv.slice(2)]));
`;

/** A tree with the launcher and a main that tells what reached it. */
function tree(name: string, { node = true, built = false } = {}): string {
  const root = join(temporary, name);
  const [directory, file] = built ? ["dist", "main.js"] : ["src", "main.ts"];
  mkdirSync(join(root, "bin"), { recursive: true });
  mkdirSync(join(root, directory, "surfaces", "cli"), { recursive: true });
  cpSync(join(repository, "bin", "cox.js"), join(root, "bin", "cox.js"));
  writeFileSync(join(root, "package.json"), `{ "type": "module" }`);
  writeFileSync(join(root, directory, "surfaces", "cli", file), main);
  if (node) {
    mkdirSync(join(root, "node_modules", ".bin"), { recursive: true });
    symlinkSync(process.execPath, join(root, "node_modules", ".bin", "node"));
  }
  return join(root, "bin", "cox.js");
}

const whole = tree("whole");
const args = ["a", "b c", "", "--flag=*"];
const told = [process.versions.node, ...args];

function run(command: string, parameters: string[], path = process.env["PATH"]) {
  const { status, signal, stdout, stderr } = spawnSync(command, parameters, {
    cwd: temporary,
    encoding: "utf8",
    env: { ...process.env, PATH: path },
  });
  return { status, signal, stdout, stderr };
}

const oldNode = "/usr/bin/node";
const oldVersion = existsSync(oldNode)
  ? execFileSync(oldNode, ["-v"], { encoding: "utf8" }).trim().slice(1)
  : undefined;
const skip =
  oldVersion === undefined || Number(oldVersion.split(".")[0]) >= 24 ? `${oldNode} is not an older Node` : false;

describe("run directly, the launcher", () => {
  test("passes the arguments on, and starts the Node of the checkout even if there is none on the PATH", () => {
    assert.deepEqual(JSON.parse(run(whole, args, "/nowhere").stdout), told);
  });

  test("is found through a chain of links, relative and absolute", () => {
    symlinkSync(whole, join(temporary, "absolute"));
    symlinkSync("absolute", join(temporary, "relative"));
    const path = `${temporary}${delimiter}/usr/bin${delimiter}/bin`;
    assert.deepEqual(JSON.parse(run(join(temporary, "relative"), args, path).stdout), told);
    assert.deepEqual(JSON.parse(run("relative", args, path).stdout), told);
  });

  test("takes the node on the PATH where there is no checkout, and the built files where there is no src", () => {
    const built = tree("built", { node: false, built: true });
    assert.deepEqual(JSON.parse(run(built, args, dirname(process.execPath)).stdout), told);
  });

  test("says in one line that there is no node", () => {
    const { status, stdout, stderr } = run(tree("none", { node: false }), [], "/nowhere");
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^cox: needs Node 24\.15 or newer, and there is no node on the PATH: .+\n$/);
  });

  behaves((...parameters) => [whole, parameters]);
});

describe("run by a right Node, the launcher", () => {
  behaves((...parameters) => [process.execPath, [whole, ...parameters]]);
});

describe("run by a Node that is too old, the launcher", { skip }, () => {
  test("starts again under the Node of the checkout", () => {
    assert.deepEqual(JSON.parse(run(oldNode, [whole, ...args]).stdout), told);
  });

  test("says in one line what is needed and what was found, where there is no other Node", () => {
    const { status, stdout, stderr } = run(oldNode, [tree("old", { node: false }), "exit", "0"]);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^cox: needs Node 24\.15 or newer, but this is Node [\d.]+: install .+\n$/);
    assert.ok(stderr.includes(oldVersion ?? ""));
  });

  behaves((...parameters) => [oldNode, [whole, ...parameters]]);
});

/** What must hold however the launcher is started. */
function behaves(command: (...parameters: string[]) => [string, string[]]): void {
  test("ends with the exit code of the command", () => {
    assert.equal(run(...command("exit", "42")).status, 42);
  });

  test("ends by the signal that ended the command", () => {
    assert.equal(run(...command("die", "SIGKILL")).signal, "SIGKILL");
    assert.equal(run(...command("die", "SIGTERM")).signal, "SIGTERM");
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    test(`lets the command answer ${signal}`, async () => {
      const child: ChildProcess = spawn(...command("wait"), { stdio: ["ignore", "pipe", "inherit"] });
      const exit = once(child, "exit");
      assert.ok(child.stdout);
      await once(child.stdout, "readable");
      child.kill(signal);
      assert.equal(await text(child.stdout), `ready\n${signal}\n`);
      assert.deepEqual(await exit, [7, null]);
    });
  }
}

describe("the count reporter", () => {
  test("counts single tests, and a suite only for a failure of its own", () => {
    const file = join(temporary, "counted.test.mjs");
    writeFileSync(
      file,
      `import { test, describe, before } from "node:test";
       const no = () => { throw new Error("no"); };
       test("passes", () => {});
       test("skipped", { skip: true }, () => {});
       test("to do", { todo: "later" }, no);
       test("parent", async (t) => { await t.test("passes", () => {}); await t.test("passes", () => {}); });
       test("parent that fails itself", async (t) => { await t.test("passes", () => {}); no(); });
       describe("suite", () => { test("passes", () => {}); test("fails", no); });
       describe("suite with a failing hook", () => { before(no); test("cancelled", () => {}); });
       describe("empty suite", () => {});`,
    );
    writeFileSync(join(temporary, "broken.test.mjs"), `import "./not-there.mjs";`);
    writeFileSync(join(temporary, "empty.test.mjs"), "");
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = spawnSync(
      process.execPath,
      [
        "--test",
        `--test-reporter=${join(repository, "scripts", "count-reporter.mjs")}`,
        ...["counted", "broken", "empty"].map((name) => join(temporary, `${name}.test.mjs`)),
      ],
      { cwd: temporary, encoding: "utf8", env },
    );
    assert.deepEqual(JSON.parse(stdout), { passed: 5, failed: 4, skipped: 2, cancelled: 1 });
  });
});
