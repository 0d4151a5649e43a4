/** How the command line is used, and misused. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { describe, test } from "node:test";
import { COMMANDS } from "../../src/surfaces/cli/commands.ts";
import { safe } from "../../src/surfaces/cli/output.ts";
import { folder, labIn, repository } from "./lab.ts";

describe("the command line", () => {
  test("says its version and its commands", (t) => {
    const lab = labIn(folder(t));
    assert.match(lab.cox("--version").out, /^\d+\.\d+\.\d+\n$/);
    for (const args of [[], ["--help"], ["help"]]) {
      const { exit, out } = lab.cox(...args);
      assert.equal(exit, 0);
      for (const { name, summary } of COMMANDS) assert.ok(out.includes(name) && out.includes(summary), name);
    }
  });

  test("has help with an example for every command", async (t) => {
    const lab = labIn(folder(t));
    for (const { name, load } of COMMANDS) {
      const { command } = await load();
      const commands =
        "subcommands" in command ? [[name], ...command.subcommands.map((sub) => [name, sub.name])] : [[name]];
      for (const words of commands) {
        const { exit, out } = lab.cox(...words, "--help");
        assert.equal(exit, 0, words.join(" "));
        assert.match(out, /Example:\n {2}\$ /, words.join(" "));
        assert.match(out, /--json/, words.join(" "));
      }
    }
    assert.equal(lab.cox("help", "add").out, lab.cox("add", "--help").out);
  });

  test("suggests what was probably meant", (t) => {
    const lab = repository(t, { init: true });
    for (const [args, meant] of [
      [["statsu"], "status"],
      [["status", "--jsno"], "--json"],
      [["add", "x", "--verfy", "y"], "--verify"],
      [["session", "nwe", "x"], "new"],
    ] as const) {
      const { exit, out, err } = lab.cox(...args);
      assert.deepEqual([exit, out], [2, ""]);
      assert.ok(err.includes(`Did you mean ${meant}?`), err);
    }
  });

  test("refuses too few and too many arguments, and values that are missing", (t) => {
    const lab = repository(t, { init: true });
    for (const args of [
      ["status", "now"],
      ["retry"],
      ["retry", "impl-1", "impl-2"],
      ["add", "a", "b"],
      ["add", "x", "--type"],
      ["trust"],
      ["session"],
      ["--json"],
    ]) {
      assert.equal(lab.cox(...args).exit, 2, args.join(" "));
    }
  });

  test("takes -C, --json and --no-color before and after the command", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    mkdirSync(lab.at("src/deep"), { recursive: true });
    const elsewhere = { cwd: folder(t) };
    for (const args of [
      ["-C", lab.dir, "list", "--names"],
      ["list", "--names", "-C", lab.dir],
      ["--no-color", "list", `-C${lab.dir}`, "--names"],
      ["-C", lab.at("src/deep"), "list", "--names"],
    ]) {
      assert.equal(lab.coxWith(elsewhere, ...args).out, "impl-1\n", args.join(" "));
    }
    assert.equal(lab.cox("--json", "list").out, lab.cox("list", "--json").out);
    assert.equal(lab.cox("-C", "nowhere", "status").exit, 2);
  });

  test("is not in a workspace: exit 3, with why and what to do", (t) => {
    const outside = labIn(folder(t));
    assert.equal(outside.cox("status").exit, 3);
    const lab = repository(t);
    const { exit, out, err } = lab.cox("add", "x");
    assert.deepEqual([exit, out], [3, ""]);
    assert.match(err, /^cox: .*not a workspace yet\.\n {2}why: .*\n {2}do: .*cox init/);
    const { error } = lab.json<{ error: { exit: number; what: string; do: string } }>("status");
    assert.deepEqual([error.exit, Object.keys(error)], [3, ["exit", "what", "why", "do"]]);
  });

  test("an agent's working tree is no workspace, and points to the one it is of", (t) => {
    const lab = repository(t, { init: true });
    lab.git("commit", "-q", "--allow-empty", "-m", "first");
    lab.git("worktree", "add", "-q", ".workflow/.run/worktrees/x");
    const { exit, err } = lab.cox("-C", ".workflow/.run/worktrees/x", "status");
    assert.equal(exit, 3);
    assert.ok(err.includes(`cox -C ${lab.dir}`), err);
  });

  test("prints one JSON document, whatever happens", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "\u009b31m\u202eevil");
    for (const args of [
      ["status"],
      ["list"],
      ["show", "impl-1"],
      ["show", "impl-7"],
      ["retry", "impl-1"],
      ["validate"],
      ["config"],
      ["config", "--docs"],
      ["stop"],
      ["session", "list"],
      ["completion", "bash"],
    ]) {
      const { out } = lab.cox(...args, "--json");
      assert.doesNotThrow(() => JSON.parse(out), args.join(" "));
      assert.doesNotMatch(out, /[\u0080-\u009f\u202e]/, args.join(" "));
    }
  });

  test("tells in words what the file system refuses", (t) => {
    const lab = repository(t);
    lab.write(".workflow/.run", "in the way");
    const { exit, out, err } = lab.cox("add", "x");
    assert.deepEqual([exit, out], [1, ""]);
    assert.match(err, /^cox: The file system refuses: .*\n {2}do: /);
  });

  test("is quiet when nobody reads on", (t) => {
    const lab = repository(t, { init: true });
    for (let n = 1; n <= 3000; n++)
      lab.write(`.workflow/WFS-main/.task/impl-${n}.json`, JSON.stringify({ title: "x".repeat(90) }));
    const bin = new URL("../../bin/cox.js", import.meta.url).pathname;
    const { stdout, stderr } = spawnSync("sh", ["-c", '"$0" "$1" list | head -1', process.execPath, bin], {
      cwd: lab.dir,
      encoding: "utf8",
    });
    assert.match(stdout, /^impl-1 .*\n$/);
    assert.equal(stderr, "");
  });

  test("lets only its own colours through, and none where they are not wanted", () => {
    const text = "\u001b[31mred\u001b[39m \u001b]0;title\u0007\u001b[2Jx\u202ey";
    assert.equal(safe(text, true), "\u001b[31mred\u001b[39m xy");
    assert.equal(safe(text, false), "red xy");
  });
});

describe("completion", () => {
  test(
    "scripts parse, and bash completes commands, options and tasks",
    { skip: spawnSync("bash", ["-c", "true"]).status === 0 ? false : "no bash" },
    (t) => {
      const lab = repository(t, { init: true });
      lab.cox("add", "one");
      const script = lab.cox("completion", "bash").out;
      lab.write("cox.bash", script);
      const bin = new URL("../../bin/cox.js", import.meta.url).pathname;
      const ask = (...words: string[]) => {
        const program = `cox() { "${process.execPath}" "${bin}" "$@"; }; source ./cox.bash; COMP_WORDS=(cox "$@"); COMP_CWORD=$#; _cox; printf '%s\\n' "\${COMPREPLY[@]}"`;
        return spawnSync("bash", ["-c", program, "bash", ...words], { cwd: lab.dir, encoding: "utf8" })
          .stdout.trim()
          .split("\n");
      };
      assert.deepEqual(ask("sta"), ["start", "status"]);
      assert.deepEqual(ask("session", "re"), ["resume"]);
      assert.deepEqual(ask("add", "--max"), ["--max-attempts"]);
      assert.ok(ask("retry", "impl-").includes("impl-1"));
      assert.equal(lab.coxWith({ env: { SHELL: "/usr/bin/fish" } }, "completion").exit, 0);
      assert.equal(lab.cox("completion", "tcsh").exit, 2);
    },
  );
});
