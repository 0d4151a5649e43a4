/** Whether a ref at which no commit can be read has not begun, or is damaged. */
import { git } from "./git.ts";

/** Why the ref cannot be read as a ledger, in git's words; undefined when it can, or when there is no such ref. */
export async function whyUnreadable(repository: string, ref: string): Promise<string | undefined> {
  const listed = await git(["for-each-ref", "--format=%(refname) %(objecttype)", ref], { cwd: repository });
  if (listed.code === null) return listed.stderr || "git was ended";
  const said = listed.stderr.split("\n").find((line) => line.includes(ref));
  if (said !== undefined) return said.replace(/^\w+: /, "");
  if (listed.code !== 0) return listed.stderr.split("\n")[0] ?? `git for-each-ref ended with ${listed.code}`;
  const type = listed.stdout
    .toString()
    .split("\n")
    .find((line) => line.startsWith(`${ref} `))
    ?.slice(ref.length + 1);
  return type === undefined || type === "commit" ? undefined : `it names a ${type}, not a commit`;
}
