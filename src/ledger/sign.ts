/**
 * Signatures of commits, by the user's SSH key as git makes them (gpg.format=ssh): `ssh-keygen -Y sign` in the namespace
 * "git". One process for each commit: some milliseconds more for each transition.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { git, type GitTrouble } from "./git.ts";

/** The armoured signature of a commit's text. Rejects with what ssh-keygen said. */
export type Sign = (text: Buffer) => Promise<string>;

/** With the key that `user.signingKey` names: a file, or a public key whose private half an agent holds. Tried once. */
export async function signer(repository: string): Promise<{ ok: Sign } | { problem: GitTrouble }> {
  const configured = await git(["config", "--get", "user.signingKey"], { cwd: repository });
  const key = configured.stdout.toString().trim();
  if (key === "") return cannot("ledger.sign is true, and git's user.signingKey names no key.");
  const sign: Sign = (text) => signWith(key, text);
  try {
    await sign(Buffer.from("a trial\n"));
    return { ok: sign };
  } catch (error) {
    return cannot(`ledger.sign is true, and ${key} cannot sign: ${(error as Error).message}`);
  }
}

function cannot(message: string): { problem: GitTrouble } {
  const hint =
    "git config --global user.signingKey ~/.ssh/id_ed25519.pub (an SSH key without a passphrase, or one that ssh-agent holds), or ledger.sign: false.";
  return { problem: { code: "ledger-sign", message, hint } };
}

async function signWith(key: string, text: Buffer): Promise<string> {
  const literal = key.startsWith("key::") ? key.slice("key::".length) : key.startsWith("ssh-") ? key : undefined;
  if (literal === undefined) return run(key.replace(/^~(?=\/)/, homedir()), [], text);
  const folder = await mkdtemp(join(tmpdir(), "cox-key-"));
  try {
    const file = join(folder, "key.pub");
    await writeFile(file, `${literal}\n`, { mode: 0o600 });
    return await run(file, ["-U"], text);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(file: string, more: readonly string[], text: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const { PATH, HOME, SSH_AUTH_SOCK } = process.env;
    // In a session of its own: it must not ask for a passphrase on the daemon's terminal.
    const child = spawn("ssh-keygen", ["-Y", "sign", "-n", "git", "-f", file, ...more], {
      env: { ...(PATH ? { PATH } : {}), ...(HOME ? { HOME } : {}), ...(SSH_AUTH_SOCK ? { SSH_AUTH_SOCK } : {}) },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    let signature = "";
    let complaint = "";
    child.stdout.on("data", (chunk: Buffer) => (signature += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
    child.stdin.on("error", () => {}); // its end tells why
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0 && signature.startsWith("-----BEGIN SSH SIGNATURE-----")) resolve(signature);
      else reject(new Error(complaint.trim().split("\n").at(-1) || `ssh-keygen ended with ${code}`));
    });
    child.stdin.end(text);
  });
}
