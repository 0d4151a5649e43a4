/** `cox trust`: a file that arrived by git may be obeyed, as long as its content stays what it is. SPEC section 13. */
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { RUN } from "../../store/paths.ts";
import { done, refused, type Command, type Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { exclusively, saveJson } from "./edit.ts";
import { isListTracked, readTrusted, TRUSTED } from "./trusted.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Trusts files under .workflow/ that arrived by git, by their content: a changed byte takes the trust away. Read them first:\nwhoever can make a task runnable can run code as you.",
  arguments: [{ name: "file", text: "files under .workflow/", variadic: true, is: "file" }],
  example: "cox trust .workflow/WFS-user-auth/.task/impl-1.json",
  async run(input, { workspace, dir, paint }) {
    if (isListTracked(workspace))
      return refused({
        exit: 4,
        what: `Your branch tracks .workflow/${TRUSTED}, the list of what is trusted.`,
        why: "Somebody else wrote it, so it counts for nothing, and neither would what is added to it.",
        todo: `git rm -f .workflow/${TRUSTED}, then again.`,
      });
    const hashes: Record<string, string> = {};
    for (const written of input.list("file")) {
      const found = contentOf(workspace, resolve(dir, written), written);
      if ("trouble" in found) return refused(found.trouble);
      hashes[found.path] = createHash("sha256").update(found.content).digest("hex");
    }
    const saved = await exclusively(workspace, async () => {
      await saveJson(workspace, { path: TRUSTED, value: { ...readTrusted(workspace), ...hashes } });
      return { saved: true };
    });
    if ("trouble" in saved) return refused(saved.trouble);
    const daemon = await daemonOf(workspace);
    const files = Object.entries(hashes).map(([path, sha256]) => ({ file: `.workflow/${path}`, sha256 }));
    const lines = files.map(
      ({ file, sha256 }) => `${file} is trusted ${paint("dim", `(sha256 ${sha256.slice(0, 12)}…)`)}`,
    );
    return done([...lines, whoActs(daemon)].join("\n"), { trusted: files, daemon: daemon.up ? "up" : "down" });
  },
};

/** A regular file of the workspace that no link stands in the way to. `path` is relative to `.workflow/`. */
function contentOf(
  workspace: Workspace,
  file: string,
  written: string,
): { path: string; content: Buffer } | { trouble: Trouble } {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat)
    return { trouble: { exit: 1, what: `${written} does not exist.`, todo: "cox status lists what is not trusted." } };
  if (!stat.isFile())
    return {
      trouble: {
        exit: 2,
        what: `${written} is not a regular file.`,
        todo: "Links and folders are never trusted; name the files.",
      },
    };
  const real = join(realpathSync(dirname(file)), file.slice(file.lastIndexOf(sep) + 1));
  const path = relative(realpathSync(workspace.folder), real).split(sep).join("/");
  if (path.startsWith("../") || path.startsWith("/") || path.startsWith(`${RUN}/`)) {
    return {
      trouble: {
        exit: 2,
        what: `${written} is not a file of this workspace.`,
        why: `Only files under ${workspace.folder} are ever obeyed, and so trusted.`,
        todo: "cox status lists what is not trusted.",
      },
    };
  }
  return { path, content: readFileSync(file) };
}
