/** `ledger.sign`: commits that git itself finds well signed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openLedger } from "../../src/ledger/ledger.ts";
import { folder, moved, open, REF, repository, sh } from "./ledger-lab.ts";

const skip = spawnSync("ssh-keygen", ["-?"]).error ? "no ssh-keygen on this machine" : false;

/** A repository whose user has a key; what git needs to check signatures by it. */
function withKey(t: TestContext, ...init: string[]): { dir: string; key: string } {
  const dir = repository(t, ...init);
  const key = join(folder(t), "id_ed25519");
  assert.equal(spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]).status, 0);
  const allowed = `${key}.allowed`;
  writeFileSync(allowed, `coxswain@localhost ${readFileSync(`${key}.pub`, "utf8")}`);
  sh(dir, "config", "user.signingKey", `${key}.pub`);
  sh(dir, "config", "gpg.format", "ssh");
  sh(dir, "config", "gpg.ssh.allowedSignersFile", allowed);
  return { dir, key };
}

for (const format of ["sha1", "sha256"]) {
  test(`each commit is signed with the user's SSH key, and git says so (${format})`, { skip }, async (t) => {
    const { dir } = withKey(t, `--object-format=${format}`);
    const ledger = await open(t, dir, { sign: true });
    await ledger.record([moved(1), moved(2)]);
    assert.equal(sh(dir, "log", "--format=%G?", REF), "G\nG");
    sh(dir, "verify-commit", `${REF}~1`);
    assert.equal(sh(dir, "log", "-1", "--format=%(trailers:key=Cox-Task,valueonly)", REF).trim(), "impl-2");
    assert.equal(sh(dir, "fsck", "--full", "--strict", "--no-dangling"), "");
  });
}

test(
  "without a key, or with one that cannot sign, the ledger does not open and says what to do",
  { skip },
  async (t) => {
    const { dir, key } = withKey(t);
    const options = {
      repository: dir,
      ref: REF,
      durability: "full",
      redact: (text: string) => text,
      sign: true,
    } as const;
    for (const value of ["", `${key}.missing`]) {
      if (value === "") sh(dir, "config", "--unset", "user.signingKey");
      else sh(dir, "config", "user.signingKey", value);
      const opened = await openLedger(options);
      assert.ok("problem" in opened);
      assert.equal(opened.problem.code, "ledger-sign");
      assert.match(opened.problem.hint, /user\.signingKey/);
    }
  },
);
