/** Two histories of a ledger: how they stand to each other, and what one has changed. By plumbing alone, no index, no hook. */
import { git } from "./git.ts";
import { badPath } from "./message.ts";

/** A path (relative to `.workflow/`) that one tree has otherwise than another; null: it has none. */
export interface TreeChange {
  path: string;
  before: string | null;
  after: string | null;
}

/** The newest commits of a history that are about a task. Seconds since 1970; what a merge brought does not count. */
export interface LastWord {
  /** Newest commit that changed its file. */
  commit: string;
  at: number;
  /** When its state changed last. */
  movedAt: number;
}

export interface Histories {
  /** The commit that a name stands for; null when there is none. */
  commit(name: string): Promise<string | null>;
  isWithin(older: string, newer: string): Promise<boolean>;
  /** Where the two parted; null when they have nothing in common. */
  parted(ours: string | null, theirs: string): Promise<string | null>;
  /** Throws where a tree cannot be read. */
  changes(base: string | null, tip: string): Promise<TreeChange[]>;
  lastWord(of: { tip: string; since: string | null; path: string; task: string | null }): Promise<LastWord | null>;
  /** Moves a ref that names `from` (null: nothing) to `to` (null: away); what git said if it did not. */
  move(ref: string, to: string | null, from: string | null): Promise<string | undefined>;
}

const PREFIX = ".workflow/";
/** Of the commits about one file, so many are looked at for one that no merge made. */
const MOST_LOOKED_AT = 200;

export function histories(gitDir: string): Histories {
  const run = (args: string[]) => git(args, { cwd: gitDir, gitDir });
  const line = async (args: string[]) => {
    const { code, stdout } = await run(args);
    return code === 0 ? stdout.toString().trim().split("\n")[0] || null : null;
  };
  return {
    commit: (name) => line(["rev-parse", "--quiet", "--verify", "--end-of-options", `${name}^{commit}`]),
    async isWithin(older, newer) {
      return (await run(["merge-base", "--is-ancestor", older, newer])).code === 0;
    },
    async parted(ours, theirs) {
      return ours === null ? null : line(["merge-base", ours, theirs]);
    },
    async changes(base, tip) {
      const found = await run(
        base === null
          ? ["ls-tree", "-r", "-z", "--full-tree", tip, PREFIX]
          : ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, tip, "--", PREFIX],
      );
      if (found.code !== 0) throw new Error(`the ledger could not be read: ${found.stderr}`);
      const fields = found.stdout.toString().split("\0");
      const read = base === null ? listed(fields) : differing(fields);
      return read.filter(({ path }) => badPath(path) === undefined);
    },
    async lastWord({ tip, since, path, task }) {
      const format = "%H%x1f%ct%x1f%(trailers:only=true,unfold=true)";
      const args = ["log", "-z", "--full-history", `--max-count=${MOST_LOOKED_AT}`, `--format=tformat:${format}`];
      const range = since === null ? [tip] : [tip, `^${since}`];
      const found = await run([...args, "--end-of-options", ...range, "--", `${PREFIX}${path}`]);
      if (found.code !== 0) throw new Error(`the ledger could not be read: ${found.stderr}`);
      const commits = found.stdout.toString().split("\0").filter(Boolean).map(told);
      const own = commits.filter(({ trailers }) => !/^Cox-Merged: /m.test(trailers));
      const about = own.length > 0 ? own : commits;
      const [newest] = about;
      if (!newest) return null;
      const moves = about.find(
        ({ trailers }) => /^Cox-To: /m.test(trailers) && trailers.split("\n").includes(`Cox-Task: ${task}`),
      );
      return { commit: newest.commit, at: newest.at, movedAt: moves?.at ?? 0 };
    },
    async move(ref, to, from) {
      const nothing = "0".repeat((to ?? from ?? "").length);
      const args = to === null ? ["-d", ref, from ?? nothing] : [ref, to, from ?? nothing];
      const { code, stderr } = await run(["update-ref", ...args]);
      return code === 0 ? undefined : stderr || `git update-ref ${args.join(" ")} failed`;
    },
  };
}

function told(record: string): { commit: string; at: number; trailers: string } {
  const [commit = "", at = "", trailers = ""] = record.trim().split("\x1f");
  return { commit, at: Number(at), trailers };
}

function listed(fields: readonly string[]): TreeChange[] {
  return fields.flatMap((field): TreeChange[] => {
    const [, id, path] = /^100\d+ blob ([0-9a-f]+)\t\.workflow\/(.*)$/s.exec(field) ?? [];
    return id && path ? [{ path, before: null, after: id }] : [];
  });
}

/** Pairs of `:<mode> <mode> <id> <id> <letter>` and path. What is no regular file counts as none. */
function differing(fields: readonly string[]): TreeChange[] {
  const changes: TreeChange[] = [];
  for (let place = 0; place + 1 < fields.length; place += 2) {
    const [, mode = "", newMode = "", before = "", after = ""] =
      /^:(\d+) (\d+) ([0-9a-f]+) ([0-9a-f]+) /.exec(fields[place] ?? "") ?? [];
    const path = (fields[place + 1] ?? "").slice(PREFIX.length);
    const file = (id: string, as: string) => (as.startsWith("100") ? id : null);
    changes.push({ path, before: file(before, mode), after: file(after, newMode) });
  }
  return changes;
}
