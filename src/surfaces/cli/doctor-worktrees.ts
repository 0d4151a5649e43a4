/** What of a repository a fresh worktree does not bring along. SPEC section 8. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Repository } from "../../ledger/git.ts";
import { disarm, groundOf, tryGit } from "../../worktree/git.ts";
import { plainText } from "../../worktree/plain.ts";
import { bad, some, warn, type Finding } from "./doctor-finding.ts";

export async function worktreeFindings({ root, commonDir }: Repository): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (existsSync(join(root, ".gitmodules"))) {
    const text = "The repository has submodules: their folders are empty in the worktrees of agents.";
    findings.push(warn("submodules", text, "worktree.setup: [git submodule update --init --recursive]"));
  }
  const named = await tryGit(groundOf(commonDir), ["rev-parse", "--verify", "--quiet", "refs/heads/cox"]);
  if (named.code === 0) {
    const text = "There is a branch cox: git cannot have the branches of sessions (cox/<session>/…) beside it.";
    findings.push(bad("branch", text, "git branch -m cox <other name>"));
  }
  const attributes = plainText(join(root, ".gitattributes")) ?? "";
  const { stdout } = await tryGit(groundOf(commonDir), ["config", "--show-scope", "--get-regexp", "^filter\\.lfs\\."]);
  const isTheirs = stdout.split("\n").some((line) => /^(?:global|system)\s/.test(line));
  if (/filter=lfs/.test(attributes) && !isTheirs) {
    const text = "Files are kept by git-lfs, which is set up in this repository alone: in worktrees they are pointers.";
    findings.push(warn("lfs", text, "git lfs install (in your own configuration, which is obeyed)"));
  }
  const { names, cannot } = await disarm(groundOf(commonDir));
  const programs = cannot === undefined ? names : [...names, cannot];
  if (programs.length > 0) {
    const text = `.git/config names programs that git would run, and that are not run for worktrees: ${some(programs)}.`;
    findings.push(warn("programs", text, "look whether they are yours; yours belong into ~/.gitconfig"));
  }
  return findings;
}
