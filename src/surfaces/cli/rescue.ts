/** `cox rescue`: work that was kept before its worktree went, and how it comes back. */
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { changedFiles, diffArguments } from "../../worktree/difference.ts";
import { git } from "../../worktree/git.ts";
import { asBranch, asWorktree, dropKept, keptIn, type Kept } from "../../worktree/rescued.ts";
import { moment } from "../../views/waiting.ts";
import { groundIn, repositoryOf, type CodePlace } from "./code-place.ts";
import { done, refused, type Command, type Input, type Outcome, type Subcommand, type Trouble } from "./command.ts";
import type { Context } from "./context.ts";
import { painted } from "./patch.ts";
import { oneLine, table } from "./text.ts";

const WHICH = {
  name: "which",
  text: "its number in cox rescue, or its name: WFS-topic/impl-1/20261121T093000Z",
} as const;

const list: Subcommand = {
  name: "list",
  summary: "list what was kept, the latest first",
  where: "anywhere",
  example: "cox rescue",
  run: (_input, context) => withKept(context, async (kept) => listed(kept, context)),
};

const show: Subcommand = {
  name: "show",
  summary: "show what it has that was not committed",
  where: "anywhere",
  arguments: [WHICH],
  options: [{ name: "stat", text: "files and numbers of lines only" }],
  example: "cox rescue show 1",
  run: (input, context) => withOne(input, context, (kept, place) => shown(kept, place, { input, context })),
};

const restore: Subcommand = {
  name: "restore",
  summary: "bring it back, as a branch or into a new worktree",
  description:
    "Brings it back as a branch (rescued/WFS-topic/impl-1/…), whose last commit is what lay in the worktree; or with --into as a new worktree in which commit, index and files are as they were. Never over anything that is there.",
  where: "anywhere",
  arguments: [WHICH],
  options: [
    { name: "into", value: "dir", text: "a new worktree in this folder, which is empty or not there", is: "file" },
  ],
  example: "cox rescue restore 1 --into ../rescued",
  run: (input, context) => withOne(input, context, (kept, place) => restored(kept, place, { input, context })),
};

const drop: Subcommand = {
  name: "drop",
  summary: "let it go",
  where: "anywhere",
  arguments: [{ name: "which", text: "its name, as in cox rescue" }],
  options: [{ name: "yes", text: "really" }],
  example: "cox rescue drop WFS-topic/impl-1/20261121T093000Z --yes",
  run: (input, context) => withOne(input, context, (kept, place) => dropped(kept, place, input)),
};

export const command: Command = {
  description:
    "Before a worktree goes whose work is not merged, all of it is kept: commits, what was staged, and files that were never added (not those that git ignores). Here it is listed, shown and brought back.",
  example: "cox rescue restore 1 --into ../rescued",
  meant: "list",
  subcommands: [list, show, restore, drop],
};

type Place = Pick<CodePlace, "repository" | "ground">;

async function withKept(context: Context, then: (kept: Kept[], place: Place) => Promise<Outcome>): Promise<Outcome> {
  const found = await repositoryOf(context.dir);
  if ("trouble" in found) return refused(found.trouble);
  const ground = await groundIn(found.ok);
  if ("trouble" in ground) return refused(ground.trouble);
  return then(await keptIn(ground.ok), { repository: found.ok, ground: ground.ok });
}

function withOne(
  input: Input,
  context: Context,
  then: (kept: Kept, place: Place) => Promise<Outcome>,
): Promise<Outcome> {
  return withKept(context, async (all, place) => {
    const which = input.text("which") ?? "";
    const kept = /^\d+$/.test(which)
      ? all[Number(which) - 1]
      : all.find(({ ref, name }) => [ref, name, ref.replace(/^refs\//, "")].includes(which));
    if (kept) return then(kept, place);
    const what = `Nothing is kept as ${JSON.stringify(which)}.`;
    return refused({
      exit: 1,
      what,
      todo: all.length > 0 ? "cox rescue lists what is." : "Nothing is kept at all.",
    });
  });
}

function factsOf(kept: Kept) {
  const { ref, name, session, task, at, commit, head, said } = kept;
  return { ref, name, session, task, at, commit, head, staged: kept.index, said };
}

async function listed(all: readonly Kept[], { paint }: Context): Promise<Outcome> {
  const json = { kept: all.map((each, place) => ({ number: place + 1, ...factsOf(each) })) };
  if (all.length === 0) return done("Nothing had to be kept.", json);
  const rows = all.map((each, place) => [
    paint("bold", String(place + 1)),
    oneLine(each.name),
    paint("dim", moment(each.at)),
    oneLine(each.said, 120),
  ]);
  return done(`${table(rows)}\n${paint("dim", "Look: cox rescue show 1; bring back: cox rescue restore 1.")}`, json);
}

async function shown(kept: Kept, { ground }: Place, of: { input: Input; context: Context }): Promise<Outcome> {
  const { paint, json: wanted } = of.context;
  const span = { base: kept.head ?? kept.commit, tip: kept.commit };
  const files = await changedFiles(ground, span);
  const json = { ...factsOf(kept), files };
  if (wanted) return done("", json);
  const flags = of.input.flag("stat") ? ["--stat"] : ["--stat", "--patch"];
  const patch = files.length === 0 ? "" : painted(await git(ground, diffArguments(span, flags)), paint);
  const head = table(
    [
      ["kept", `${moment(kept.at)}: ${oneLine(kept.said)}`],
      ["commit", kept.commit],
      ["on", kept.head ?? "nothing"],
      ["staged", kept.index === null ? "" : `something else: git show ${kept.index}`],
    ]
      .filter(([, value]) => value !== "")
      .map(([key = "", value = ""]) => [paint("dim", key), value]),
    "  ",
  );
  const none = "All of it was committed: the commits are those under it.";
  return done([`${paint("bold", oneLine(kept.name))}\n${head}`, patch === "" ? none : patch].join("\n\n"), json);
}

async function restored(
  kept: Kept,
  { repository, ground }: Place,
  of: { input: Input; context: Context },
): Promise<Outcome> {
  const into = of.input.text("into");
  if (into === undefined) {
    const branch = `rescued/${kept.name}`;
    const made = await asBranch(ground, kept, branch);
    if ("taken" in made) {
      const what = `There is a branch ${branch} already, and it is something else.`;
      return refused({ exit: 4, what, why: made.taken, todo: "Rename it, or restore into a worktree: --into <dir>." });
    }
    const text = `${kept.name} is the branch ${branch}.\nGo on there: git switch ${branch}; take only its changes: git cherry-pick --no-commit -m 1 ${branch}`;
    return done(kept.index ? text : text.replace(" -m 1", ""), { ...factsOf(kept), branch, folder: null });
  }
  const named = resolve(of.context.dir, into);
  const folder = join(realIfThere(dirname(named)), basename(named));
  const made = await asWorktree(ground, realpathSync(repository.commonDir), kept, folder);
  if ("refused" in made)
    return refused({
      exit: 4,
      what: `${kept.name} cannot be restored into ${folder}.`,
      why: made.refused,
      todo: "Name a folder that is empty or not there, in one that is.",
    });
  const text = `${kept.name} is in ${folder}: commit, index and files as they were.\nIt stays kept as well, until cox rescue drop ${kept.name} --yes.`;
  return done(text, { ...factsOf(kept), branch: null, folder });
}

async function dropped(kept: Kept, { ground }: Place, input: Input): Promise<Outcome> {
  const which = input.text("which") ?? "";
  const again = `cox rescue drop ${kept.name} --yes`;
  if (/^\d+$/.test(which)) {
    const trouble: Trouble = { exit: 2, what: "What is to go is named by its name, since numbers move.", todo: again };
    return refused(trouble);
  }
  if (!input.flag("yes")) {
    const why = "Git throws away what nothing names any more.";
    return refused({ exit: 4, what: `${kept.name} would be gone.`, why, todo: `If you are sure: ${again}` });
  }
  const gone = await dropKept(ground, kept);
  if ("refused" in gone)
    return refused({ exit: 1, what: `${kept.name} could not be dropped.`, why: gone.refused, todo: "Again." });
  const back = `git update-ref ${kept.ref} ${kept.commit}`;
  return done(`${kept.name} is dropped. Until git gc it comes back by: ${back}`, { ...factsOf(kept), dropped: true });
}

function realIfThere(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}
