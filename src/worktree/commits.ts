/** Commits of the code as values: who wrote them, what they say, which merge brought them, their patch ids. */
import { git, tryGit, type Ground } from "./git.ts";
import { makersOf, type Maker } from "./trailers.ts";

export interface Commit {
  id: string;
  parents: string[];
  author: string;
  /** Seconds since 1970. */
  authored: number;
  committed: number;
  subject: string;
  message: string;
}

/** What is asked for; an id without a commit is not in it. */
export async function commitsOf(ground: Ground, ids: readonly string[]): Promise<Map<string, Commit>> {
  const found = new Map<string, Commit>();
  if (ids.length === 0) return found;
  const args = ["log", "--no-walk=unsorted", "--stdin", "-z", FORMAT, "--no-show-signature", "--no-color"];
  for (const commit of parse(await git(ground, args, `${ids.join("\n")}\n`))) found.set(commit.id, commit);
  return found;
}

/** Commits that a range reaches, newest first. */
export async function commitsIn(ground: Ground, range: readonly string[]): Promise<Commit[]> {
  const args = ["log", "-z", FORMAT, "--topo-order", "--no-show-signature", "--no-color", "--end-of-options", ...range];
  return parse(await git(ground, [...args, "--"]));
}

const FORMAT = "--format=tformat:%H%x1f%P%x1f%an%x1f%at%x1f%ct%x1f%s%x1f%B";

function parse(text: string): Commit[] {
  return text.split("\0").flatMap((entry): Commit[] => {
    const [id = "", parents = "", author = "", authored = "", committed = "", subject = "", ...message] =
      entry.split("\u001f");
    if (id === "") return [];
    return [
      {
        id,
        parents: parents.split(" ").filter(Boolean),
        author,
        authored: Number(authored),
        committed: Number(committed),
        subject,
        message: message.join("\u001f"),
      },
    ];
  });
}

/** A day, in seconds: so far may the clocks be apart that commits and merges were dated by. */
const SKEW = 86_400;

/**
 * The attempt whose merge first brought a commit to where `head` has it; only of those that some such merge brought. The
 * line of first parents is what others are merged into; of two merges that both bring a commit, the older one did.
 */
export async function broughtBy(ground: Ground, head: string, commits: readonly Commit[]): Promise<Map<string, Maker>> {
  const found = new Map<string, Maker>();
  if (commits.length === 0) return found;
  const since = `--since=@${Math.min(...commits.map(({ committed }) => committed)) - SKEW} +0000`;
  const log = ["log", "-z", FORMAT, "--no-show-signature", "--no-color", "--merges", "--grep=^Cox-Task: ", since];
  const merges = parse(await git(ground, [...log, "--end-of-options", head, "--"]));
  if (merges.length === 0) return found;
  const makers = new Map(merges.map(({ id, message }) => [id, makersOf(message)]));
  const graph = await git(ground, ["rev-list", "--parents", "--topo-order", since, "--end-of-options", head, "--"]);
  const parents = new Map<string, string[]>();
  const age = new Map<string, number>();
  for (const line of graph.split("\n")) {
    const [id = "", ...of] = line.split(" ");
    age.set(id, parents.size);
    parents.set(id, of);
  }

  const wanted = new Set(commits.map(({ id }) => id));
  const seen = new Set<string>();
  const [tip = ""] = parents.keys();
  const sides: { tip: string; age: number; maker: Maker | null }[] = [{ tip, age: 0, maker: null }];
  for (let side = sides.pop(); side; side = sides.pop()) {
    for (let at: string | undefined = side.tip; at !== undefined && !seen.has(at); at = parents.get(at)?.[0]) {
      seen.add(at);
      if (side.maker && wanted.has(at)) found.set(at, side.maker);
      const [, ...others] = parents.get(at) ?? [];
      const named: Maker[] = makers.get(at) ?? [];
      const maker: Maker | null = named.length === 1 ? (named[0] ?? null) : side.maker;
      for (const other of others) sides.push({ tip: other, age: age.get(at) ?? 0, maker });
    }
    sides.sort((a, b) => a.age - b.age); // the oldest merge last, to be taken first
  }
  return found;
}

/** Commit → patch id, as `git patch-id --stable` gives it; merges and empty commits have none. */
export async function patchIds(ground: Ground, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const shown = [
    "diff-tree",
    "--stdin",
    "-p",
    "--root",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--full-index",
  ];
  const patches = await git(ground, shown, `${ids.join("\n")}\n`);
  const { stdout } = await tryGit(ground, ["patch-id", "--stable"], `${patches}\n`);
  const found = new Map<string, string>();
  for (const line of stdout.split("\n")) {
    const [patch, id] = line.split(" ");
    if (patch && id) found.set(id, patch);
  }
  return found;
}
