/** Workflows as people name them: by their name in `.workflow/workflows/`, or by a file. */
import { join, resolve } from "node:path";
import { closest } from "../../model/closest.ts";
import type { Vars, WorkflowFile } from "../../model/workflow.ts";
import type { Problem } from "../../problems.ts";
import { at } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { readVars, readWorkflow, workflowNames, workflowsIn } from "../../store/workflow-file.ts";
import type { Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { roleNames } from "./role-names.ts";
import { howToTrust, mayObey } from "./trusted.ts";

export interface NamedWorkflow {
  file: WorkflowFile;
  text: string;
  /** Its name in `.workflow/workflows/`; of any other file null. */
  name: string | null;
  /** As it is shown. */
  path: string;
}

/** The workflow of that name, else of that file; in order, or in words what is wrong with it. */
export function findWorkflow(
  workspace: Workspace,
  written: string,
  dir: string,
): { ok: NamedWorkflow } | { trouble: Trouble } {
  const names = workflowNames(workspace.folder);
  const name = names.includes(written) ? written : null;
  const path = name === null ? resolve(dir, written) : join(workspace.folder, at.workflow(name));
  const shown = name === null ? written : `.workflow/${at.workflow(name)}`;
  const found = readRegular(path);
  if (!found) return { trouble: noWorkflow(written, names) };
  if (name !== null && !mayObey(workspace, at.workflow(name), found.content))
    return {
      trouble: {
        exit: 4,
        what: `${shown} is tracked by your branch, and not trusted.`,
        why: "Whoever wrote it could run commands as you.",
        todo: howToTrust(at.workflow(name)),
      },
    };
  const text = found.content.toString("utf8");
  const read = readWorkflow(text, roleNames(workspace.folder), othersIn(workspace.folder));
  if ("problems" in read) return { trouble: wrongIn(shown, read.problems) };
  return { ok: { file: read.ok, text, name, path: shown } };
}

/** Workflows that others run; whether they are trusted is asked by the daemon, when a run begins. */
export const othersIn = (folder: string) => workflowsIn(folder, () => undefined);

function noWorkflow(written: string, names: readonly string[]): Trouble {
  const near = closest(written, names);
  return {
    exit: 1,
    what: `There is no workflow ${JSON.stringify(written)}.`,
    why: "It is neither a name in .workflow/workflows/ nor a file.",
    todo: near
      ? `Did you mean ${near}?`
      : names.length > 0
        ? `There ${names.length === 1 ? "is" : "are"} ${names.slice(0, 10).join(", ")}.`
        : "Make one: cox workflows new <name>.",
  };
}

function wrongIn(path: string, problems: readonly Problem[]): Trouble {
  return {
    exit: 1,
    what: `${path} cannot be run.`,
    problems: problems
      .map((found) =>
        found.line ? { ...found, message: `line ${found.line}, column ${found.column}: ${found.message}` } : found,
      )
      .map(({ line: _l, column: _c, pointer: _p, ...rest }) => rest),
    todo: "Mend that; nothing was started.",
  };
}

/** What the command line gives: a file first, then what is named there. */
export function givenVars(
  { file, vars }: { file: string | undefined; vars: readonly string[] },
  dir: string,
): { ok: Vars } | { trouble: Trouble } {
  const given: [string, unknown][] = [];
  if (file !== undefined) {
    const found = readRegular(resolve(dir, file));
    if (!found)
      return { trouble: { exit: 1, what: `There is no file ${file}.`, todo: "Give --vars a YAML or JSON file." } };
    const read = readVars(found.content.toString("utf8"));
    if ("problems" in read) return { trouble: { exit: 1, what: `${file} cannot be used.`, problems: read.problems } };
    given.push(...Object.entries(read.ok));
  }
  for (const written of vars) {
    const [, name, value] = /^([A-Za-z_][\w-]*)=(.*)$/s.exec(written) ?? [];
    if (name === undefined)
      return {
        trouble: { exit: 2, what: `--var ${JSON.stringify(written)} gives nothing.`, todo: "Write --var name=value." },
      };
    given.push([name, value]);
  }
  return { ok: Object.fromEntries(given) };
}
