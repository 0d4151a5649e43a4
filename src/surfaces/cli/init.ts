/** `cox init`: makes a repository a workspace. What is there already stays as it is. */
import { accessSync, constants, existsSync, lstatSync, mkdirSync } from "node:fs";
import { join, sep } from "node:path";
import { ensureExclude, excludedBy, findRepository, trackedUnder, type Repository } from "../../ledger/git.ts";
import { at, RUN, WORKSPACE } from "../../store/paths.ts";
import { done, refused, type Command, type Outcome, type Trouble } from "./command.ts";
import { notAFolder, type Context } from "./context.ts";
import { createFile } from "./edit.ts";

export const command: Command = {
  where: "anywhere",
  description:
    "Makes this repository a workspace: the folder .workflow/, kept out of git status by .git/info/exclude. No file of yours,\nno branch and no .gitignore is changed. Where all is there already, nothing happens.",
  options: [{ name: "git", text: "make a git repository first, if there is none" }],
  example: "cox init",
  async run(input, context) {
    const found = await repositoryFor(context, input.flag("git"));
    if ("trouble" in found) return refused(found.trouble);
    const { ok: repository, created: gitCreated } = found;
    const obstacle = inTheWay(repository);
    if (obstacle) return refused(obstacle);
    // First of all, so that git status never shows the folder, not even for a moment.
    const before = new Set((await excludedBy(repository.commonDir)).map(({ line }) => line));
    await ensureExclude(repository.commonDir);
    const added = (await excludedBy(repository.commonDir)).filter(({ line }) => !before.has(line));
    const created = [...(gitCreated ? [".git"] : []), ...(await makeFolder(repository))];
    return told({ context, repository, created, added });
  },
};

async function repositoryFor(
  context: Context,
  wanted: boolean,
): Promise<{ ok: Repository; created: boolean } | { trouble: Trouble }> {
  const { dir } = context;
  const first = await findRepository(dir);
  if ("ok" in first) return { ok: first.ok, created: false };
  const { code, message, hint } = first.problem;
  if (code !== "no-repository" || dir.split(sep).includes(".git"))
    return { trouble: { exit: 1, what: message, todo: hint } };
  if (!wanted && !(await asked(context, `${dir} is not in a git repository. Make it one (git init)? [y/N] `))) {
    const where = dir === process.cwd() ? "" : ` -C ${dir}`;
    return {
      trouble: {
        exit: 1,
        what: `${dir} is not in a git repository.`,
        why: "Git is where everything is recorded.",
        todo: `cox${where} init --git (which runs git init there first)`,
      },
    };
  }
  // With the person's own configuration (name of the first branch, templates), and without the GIT_* of the surroundings.
  const { simpleGit } = await import("simple-git");
  const failed = await simpleGit(dir)
    .init()
    .then(
      () => undefined,
      (error: Error) => error.message.trim(),
    );
  if (failed !== undefined)
    return {
      trouble: {
        exit: 1,
        what: `git init failed in ${dir}.`,
        why: failed,
        todo: "See to that, then run cox init again.",
      },
    };
  const second = await findRepository(dir);
  return "ok" in second
    ? { ok: second.ok, created: true }
    : { trouble: { exit: 1, what: second.problem.message, todo: second.problem.hint } };
}

export async function asked(context: Context, question: string): Promise<boolean> {
  if (!context.interactive) return false;
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

function inTheWay({ bare, root }: Repository): Trouble | undefined {
  if (bare) {
    return {
      exit: 4,
      what: `${root} is a bare repository.`,
      why: "Agents need files to work on, and .workflow/ a place to be.",
      todo: "Use a clone or a worktree of it: git worktree add <dir>, then cox -C <dir> init.",
    };
  }
  if (root.includes(`${sep}${join(WORKSPACE, RUN)}${sep}`)) {
    return {
      exit: 4,
      what: `${root} is the working tree of an agent.`,
      todo: "Its workspace is there already: nothing is to be done.",
    };
  }
  const folder = join(root, WORKSPACE);
  // Asked before anything is written: a refusal leaves nothing behind.
  accessSync(existsSync(folder) ? folder : root, constants.W_OK);
  const parts = ["", "inbox", "agents", RUN].map((name) => join(folder, name));
  for (const part of parts) {
    const stat = lstatSync(part, { throwIfNoEntry: false });
    if (stat && !stat.isDirectory()) return { ...notAFolder(part, stat.isSymbolicLink()), exit: 4 };
  }
  return undefined;
}

/** What was made, relative to the repository. */
async function makeFolder({ root }: Repository): Promise<string[]> {
  const folder = join(root, WORKSPACE);
  const made: string[] = [];
  for (const name of ["", "inbox", "agents", RUN]) {
    const path = join(folder, name);
    if (lstatSync(path, { throwIfNoEntry: false })) continue;
    mkdirSync(path, { recursive: true });
    made.push(`${join(WORKSPACE, name)}/`);
  }
  const { commentedConfig } = await import("./config-text.ts");
  const { writeEditorSchemas } = await import("../../store/editor-schemas.ts");
  const workspace = { repository: root, folder, gitDir: "" };
  if (
    !lstatSync(join(folder, at.config), { throwIfNoEntry: false }) &&
    (await createFile(workspace, at.config, commentedConfig()))
  ) {
    made.push(`${WORKSPACE}/${at.config}`);
  }
  if (await writeEditorSchemas(folder)) made.push(`${WORKSPACE}/${RUN}/schemas/`);
  return made;
}

async function told(what: {
  context: Context;
  repository: Repository;
  created: string[];
  /** Lines that git's own files got. */
  added: { file: string; line: string }[];
}): Promise<Outcome> {
  const { context, repository, created, added } = what;
  const { paint } = context;
  const tracked = await trackedUnder(repository, WORKSPACE);
  const changed = created.length > 0 || added.length > 0;
  const json = { repository: repository.root, changed, created, excluded: added.length > 0, added, tracked };
  const warning =
    tracked.length > 0
      ? [
          paint(
            "yellow",
            `${tracked.length} files under .workflow/ are tracked by your branch: they are not obeyed until cox trust <file>.`,
          ),
        ]
      : [];
  if (!changed)
    return done([`${repository.root} is a workspace already: nothing was changed.`, ...warning].join("\n"), json);
  const lines = [
    paint("bold", `${repository.root} is a workspace.`),
    ...(created.length > 0 ? [`  created   ${created.join(" ")}`] : []),
    ...added.map(({ file, line }) => `  added     ${line}  to ${file}`),
    ...(added.length > 0
      ? [paint("dim", "            so git status stays as it is, and no file of it is converted")]
      : []),
    ...warning,
    "",
    "Next:",
    `  ${paint("cyan", 'cox add "fix the flaky test in src/queue"')}    a first task; or drop a file:`,
    `  ${paint("cyan", `echo '{"title": "fix the flaky test"}' > .workflow/inbox/first.json`)}`,
    `  ${paint("cyan", "cox start")}                                    runs it; cox status shows how it goes`,
    paint("dim", "To be rid of it: cox uninstall (it lists what there is, and asks)."),
  ];
  return done(lines.join("\n"), json);
}
