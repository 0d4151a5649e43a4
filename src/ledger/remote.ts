/** A ledger on a remote: looked at, fetched, pushed. Under a ref of its own, in nobody's list of branches. */
import { git, type GitOutcome } from "./git.ts";

export interface Remote {
  name: string;
  /** The ledger's ref, there as here. */
  ref: string;
  /** Where its history is kept here. */
  tracking: string;
}

/** Names of the configured remotes. */
export async function remotesOf(cwd: string): Promise<string[]> {
  const listed = await git(["remote"], { cwd });
  return listed.stdout.toString().split("\n").filter(Boolean);
}

export function remoteLedger(name: string, ref: string): Remote {
  return { name, ref, tracking: ref.replace(/^refs\/(?:cox\/)?/, `refs/cox-remotes/${name}/`) };
}

/** The commit that the remote's ledger is at; null where it has none. */
export async function lookAt(cwd: string, { name, ref }: Remote): Promise<{ ok: string | null } | { problem: string }> {
  const listed = await git(["ls-remote", "--quiet", name, ref], { cwd, remote: true });
  if (listed.code !== 0) return { problem: said(listed) };
  const lines = listed.stdout.toString().split("\n");
  const line = lines.map((each) => each.split("\t")).find(([, found]) => found === ref);
  return { ok: line?.[0] ?? null };
}

/** Fetches the remote's ledger; what git said if it could not. Nothing else is fetched or noted. */
export async function fetchLedger(cwd: string, { name, ref, tracking }: Remote): Promise<string | undefined> {
  const quiet = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune", "--no-recurse-submodules"];
  // A long ledger would be offered commit by commit.
  const config = ["fetch.negotiationAlgorithm=skipping"];
  const fetched = await git(["fetch", ...quiet, name, `+${ref}:${tracking}`], { cwd, config, remote: true });
  return fetched.code === 0 ? undefined : said(fetched);
}

/** Pushes the commit, if the remote's ledger is still where it was `expected`; what git said if not. */
export async function pushLedger(
  cwd: string,
  { name, ref }: Remote,
  { commit, expected }: { commit: string; expected: string | null },
): Promise<string | undefined> {
  const lease = `--force-with-lease=${ref}:${expected ?? ""}`;
  const alone = ["--quiet", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"];
  const pushed = await git(["push", ...alone, lease, name, `${commit}:${ref}`], { cwd, remote: true });
  return pushed.code === 0 ? undefined : said(pushed);
}

function said({ stderr, code }: GitOutcome): string {
  return stderr.trim() || `git ended with ${code ?? "a signal"}`;
}
