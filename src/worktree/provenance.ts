/**
 * Which attempt a line is from: what the commit itself says, else what brought it, else what was recorded of the attempts'
 * work. So it is found again after a squash or a rebase, and without any record where the commits have trailers.
 */
import { isTaskId } from "../model/ids.ts";
import type { Work } from "../model/attempt.ts";
import { blame, type BlamedLine } from "./blame.ts";
import { broughtBy, commitsOf, patchIds, type Commit } from "./commits.ts";
import { commitOf, tryGit, type Ground } from "./git.ts";
import { landedBy, makersOf, nameOf, type Maker } from "./trailers.ts";

/** What an attempt did, as its response has it. */
export interface RecordedWork {
  session: string;
  task: string;
  attempt: number;
  model: string | null;
  cost_usd: number | null;
  work: Work;
}

/**
 * By what it was told: trailers of the commit; the merge that brought it; the commit's id, or its patch id, in an attempt's
 * record; the file's content, or the line, as an attempt left it; `squash`: what a squash has brought, line by line.
 */
type How = "trailers" | "squash" | "merge" | "commit" | "patch" | "content" | "line";

export interface Explained {
  line: number;
  text: string;
  /** Null: not committed yet. */
  commit: Commit | null;
  maker: Maker | null;
  how: How | null;
  /** Where it may be any of them: a squash whose parts are not here. */
  candidates: Maker[];
  /** It is from this commit or from before: the clone is shallow, and has no more. */
  cut: boolean;
}

export interface Question {
  ground: Ground;
  /** Relative to the repository's root, with `/`. */
  path: string;
  /** A commit; without it the working tree. */
  at?: string;
  lines?: readonly [number, number];
  /** Asked for only where commits do not tell by themselves. */
  works: () => Promise<RecordedWork[]>;
}

type Answer = { maker: Maker | null; how: How | null; candidates: Maker[] };

const NOBODY: Answer = { maker: null, how: null, candidates: [] };
/** A squash of what was squashed already is followed so far. */
const DEEPEST = 3;
/** So many attempts are looked through for a line, the latest first. */
const MOST_WORKS = 30;

export async function explain(question: Question, depth = 0): Promise<{ ok: Explained[] } | { refused: string }> {
  const { ground, path, at, lines } = question;
  const blamed = await blame(ground, path, { ...(at === undefined ? {} : { at }), ...(lines ? { lines } : {}) });
  if ("refused" in blamed) return blamed;
  const cut = await cutOff(ground, blamed.ok);
  const ids = [...new Set(blamed.ok.flatMap(({ commit }) => commit ?? []))];
  const commits = await commitsOf(ground, ids);
  const told = [...commits.values()].filter(({ id }) => !cut.has(id));
  const answers = await byCommit(question, told);
  const byLine = new Map<number, Answer>();
  for (const [id, group] of Map.groupBy(blamed.ok, ({ commit }) => commit)) {
    const commit = id === null ? undefined : commits.get(id);
    const answer = (id !== null && answers.get(id)) || NOBODY;
    const settled = !commit || answer.maker !== null || cut.has(commit.id);
    const closer = settled ? new Map<number, Answer>() : await lineByLine(question, { commit, group, answer, depth });
    for (const { line } of group) byLine.set(line, closer.get(line) ?? answer);
  }
  return {
    ok: blamed.ok.map(({ line, text, commit }) => ({
      line,
      text,
      commit: (commit !== null && commits.get(commit)) || null,
      ...(byLine.get(line) ?? NOBODY),
      cut: commit !== null && cut.has(commit),
    })),
  };
}

/** Commits at which a shallow clone ends: git blames them for all that is older. */
async function cutOff(ground: Ground, lines: readonly BlamedLine[]): Promise<Set<string>> {
  const ends = new Set(lines.flatMap(({ commit, boundary }) => (boundary && commit !== null ? [commit] : [])));
  if (ends.size === 0) return ends;
  const { stdout } = await tryGit(ground, ["rev-parse", "--is-shallow-repository"]);
  return stdout.trim() === "true" ? ends : new Set();
}

/** What a whole commit tells. */
async function byCommit({ ground, at, works }: Question, commits: readonly Commit[]): Promise<Map<string, Answer>> {
  const found = new Map<string, Answer>();
  for (const { id, message } of commits) {
    const makers = makersOf(message);
    if (makers.length === 1) found.set(id, { maker: makers[0] ?? null, how: "trailers", candidates: [] });
    else if (makers.length > 1) found.set(id, { maker: null, how: null, candidates: makers });
  }
  const open = () => commits.filter(({ id }) => !found.has(id));
  const settle = (id: string, maker: Maker | undefined, how: How) => {
    if (maker) found.set(id, { maker, how, candidates: [] });
  };
  if (open().length === 0) return found;
  const brought = await broughtBy(ground, at ?? "HEAD", open());
  for (const { id } of open()) settle(id, brought.get(id), "merge");
  if (open().length === 0) return found;
  const recorded = await works();
  if (recorded.length === 0) return found;
  const byId = new Map<string, Maker>();
  const byPatch = new Map<string, Maker>();
  // The first attempt that had a commit made it: a later one of the task lists it too.
  for (const each of recorded) {
    for (const { id, patch } of each.work.commits) {
      if (!byId.has(id)) byId.set(id, makerOf(each));
      if (patch !== null && !byPatch.has(patch)) byPatch.set(patch, makerOf(each));
    }
  }
  for (const { id } of open()) settle(id, byId.get(id), "commit");
  if (byPatch.size === 0) return found;
  const single = open().filter(({ parents }) => parents.length < 2);
  const patches = await patchIds(
    ground,
    single.map(({ id }) => id),
  );
  for (const [id, patch] of patches) settle(id, byPatch.get(patch), "patch");
  return found;
}

/** What a commit that does not tell brought in these lines. */
async function lineByLine(
  question: Question,
  of: { commit: Commit; group: readonly BlamedLine[]; answer: Answer; depth: number },
): Promise<Map<number, Answer>> {
  const { commit, group, answer, depth } = of;
  const found = new Map<number, Answer>();
  const landed = landedBy(commit.message);
  if (landed && depth < DEEPEST && (await commitOf(question.ground, landed))) {
    for (const [path, lines] of Map.groupBy(group, ({ origin }) => origin.path)) {
      const there = await explain({ ground: question.ground, path, at: landed, works: question.works }, depth + 1);
      if ("refused" in there) continue;
      const same = Map.groupBy(there.ok, ({ text }) => text);
      for (const line of lines) {
        const nearest = (same.get(line.text) ?? []).toSorted(
          (a, b) => Math.abs(a.line - line.origin.line) - Math.abs(b.line - line.origin.line),
        )[0];
        if (nearest?.maker) found.set(line.line, { maker: nearest.maker, how: "squash", candidates: [] });
      }
    }
  }
  const open = group.filter(({ line }) => !found.has(line));
  if (open.length === 0) return found;
  const recorded = await question.works();
  for (const [path, lines] of Map.groupBy(open, ({ origin }) => origin.path)) {
    for (const [line, each] of await byRecord(question.ground, { commit, path, lines, answer, recorded }))
      found.set(line, each);
  }
  return found;
}

/** By the content that attempts left at a path. */
async function byRecord(
  ground: Ground,
  of: {
    commit: Commit;
    path: string;
    lines: readonly BlamedLine[];
    answer: Answer;
    recorded: readonly RecordedWork[];
  },
): Promise<Map<number, Answer>> {
  const { commit, path, lines, answer, recorded } = of;
  const named = new Set(answer.candidates.map(nameOf));
  const works = recorded.filter(
    (each) =>
      (named.size === 0 || named.has(nameOf(each))) &&
      each.work.files.some((file) => file.path === path && file.blob !== null),
  );
  const found = new Map<number, Answer>();
  if (works.length === 0) return found;
  const blob = await tryGit(ground, ["rev-parse", "--verify", "--end-of-options", `${commit.id}:${path}`]);
  const same = works.findLast(({ work }) =>
    work.files.some((file) => file.path === path && file.blob === blob.stdout.trim()),
  );
  const only = works.length === 1 ? works[0] : undefined;
  const whole = same ?? (named.size > 0 ? only : undefined);
  if (only && whole) {
    for (const { line } of lines) found.set(line, { maker: makerOf(only), how: "content", candidates: [] });
    return found;
  }

  const added = await addedBy(ground, path, works.slice(-MOST_WORKS).toReversed());
  let before: { maker: Maker; texts: Set<string>; line: number } | undefined;
  for (const { line, text } of lines) {
    // A bracket or an empty line is from whoever wrote the line above it.
    const close = before?.line === line - 1 && before.texts.has(text) ? before : undefined;
    const from = isTelling(text) ? added.find(({ texts }) => texts.has(text)) : close;
    if (from) found.set(line, { maker: from.maker, how: "line", candidates: [] });
    before = from && { maker: from.maker, texts: from.texts, line };
  }
  if (same) {
    for (const { line } of lines)
      if (!found.has(line)) found.set(line, { maker: makerOf(same), how: "content", candidates: [] });
  }
  if (named.size === 0) return found;
  const candidates = answer.candidates.filter((maker) => works.some((each) => nameOf(each) === nameOf(maker)));
  for (const { line } of lines) if (!found.has(line)) found.set(line, { maker: null, how: null, candidates });
  return found;
}

const isTelling = (text: string) => text.trim().length > 3;

/** The lines that each attempt added at a path, as far as its commits are still here. */
async function addedBy(ground: Ground, path: string, works: readonly RecordedWork[]) {
  const found: { maker: Maker; texts: Set<string> }[] = [];
  for (const each of works) {
    const { base, commit } = each.work;
    if (commit === null || !isId(base) || !isId(commit)) continue;
    const blamed = await blame(ground, path, { at: `${base}..${commit}` });
    if ("refused" in blamed) continue;
    const texts = blamed.ok.filter(({ boundary }) => !boundary).map(({ text }) => text);
    found.push({ maker: makerOf(each), texts: new Set(texts) });
  }
  return found;
}

const isId = (text: string) => /^[0-9a-f]{40,64}$/.test(text);

function makerOf({ session, task, attempt, model, cost_usd }: RecordedWork): Maker {
  return { session, task: isTaskId(task) ? task : "", attempt, role: null, model, cost_usd, ledger: null };
}

/** Who brought a file's content as a whole: for what has no lines. */
export async function explainWhole(question: Question): Promise<Explained | null> {
  const { ground, path, at = "HEAD" } = question;
  const { stdout, code } = await tryGit(ground, ["log", "-1", "--format=%H", "--end-of-options", at, "--", path]);
  const id = stdout.trim();
  const commit = code === 0 && id !== "" ? (await commitsOf(ground, [id])).get(id) : undefined;
  if (!commit) return null;
  const answer = (await byCommit(question, [commit])).get(id) ?? NOBODY;
  const line: BlamedLine = { line: 1, commit: id, origin: { path, line: 1 }, text: "", boundary: false };
  if (answer.maker) return { line: 1, text: "", commit, ...answer, cut: false };
  const closer = await byRecord(ground, { commit, path, lines: [line], answer, recorded: await question.works() });
  return { line: 1, text: "", commit, ...(closer.get(1) ?? answer), cut: false };
}
