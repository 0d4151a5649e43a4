/** How a difference is shown: as git does, a patch with colours in a pager on a terminal, its very bytes into a pipe. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { git, openGit } from "../../ledger/git.ts";
import { diffArguments, type Span } from "../../worktree/difference.ts";
import { git as workshop } from "../../worktree/git.ts";
import type { CodePlace } from "./code-place.ts";
import type { Context } from "./context.ts";
import { safe } from "./output.ts";

/** Prints it, and returns when it has been read. `title`: only where a person reads it. */
export async function showPatch(
  { repository, ground }: Pick<CodePlace, "repository" | "ground">,
  span: Span,
  { context, flags, title }: { context: Context; flags: readonly string[]; title: string },
): Promise<void> {
  if (!process.stdout.isTTY) {
    const options = {
      cwd: repository.commonDir,
      gitDir: repository.commonDir,
      config: ["core.quotePath=false", "diff.ignoreSubmodules=dirty", ...(ground.disarmed ?? [])],
      stdio: ["ignore", "inherit", "inherit"] as const,
    };
    const child = openGit(diffArguments(span, flags), { ...options, stdio: [...options.stdio] });
    await once(child, "close");
    return;
  }
  const patch = await workshop(ground, diffArguments(span, flags));
  const text = `${title}\n\n${painted(patch, context.paint)}\n`;
  const pager = await pagerOf(context);
  if (pager === "") return context.write(text);
  const child = spawn("/bin/sh", ["-c", pager], {
    env: { LESS: "FRX", LV: "-c", ...context.environment },
    stdio: ["pipe", "inherit", "inherit"],
  });
  const ended = once(child, "close");
  child.stdin.on("error", () => {}); // it was left before the end
  child.stdin.end(safe(text, context.paint("bold", "") !== ""));
  await ended;
}

/** As git chooses it, but never by the repository's own configuration, which agents can write. */
async function pagerOf({ dir, environment }: Context): Promise<string> {
  const named = environment["GIT_PAGER"] ?? (await configured(dir)) ?? environment["PAGER"] ?? "less";
  return named === "cat" ? "" : named;
}

async function configured(dir: string): Promise<string | undefined> {
  for (const scope of ["--global", "--system"]) {
    const { code, stdout } = await git(["config", scope, "--get", "core.pager"], { cwd: dir });
    if (code === 0) return stdout.toString().trim();
  }
  return undefined;
}

/** Lines of a patch in the usual colours; what looks like a line of its head within it is content. */
export function painted(patch: string, paint: Context["paint"]): string {
  let isHead = true;
  return patch
    .split("\n")
    .map((line) => {
      if (line.startsWith("diff --git ")) isHead = true;
      else if (line.startsWith("@@ ")) {
        isHead = false;
        return paint("cyan", line);
      }
      if (isHead)
        return /^(diff|index|---|\+\+\+|new|deleted|rename|similarity|old) /.test(line) ? paint("bold", line) : line;
      return line.startsWith("+") ? paint("green", line) : line.startsWith("-") ? paint("red", line) : line;
    })
    .join("\n");
}
