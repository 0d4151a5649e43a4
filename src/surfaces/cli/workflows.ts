/** `cox workflows`: the workflows of this workspace, and their runs. */
import { at } from "../../store/paths.ts";
import { isTaskId } from "../../model/ids.ts";
import { varsOf } from "../../workflow/vars.ts";
import { stepsOf } from "../../workflow/steps.ts";
import { done, refused, type Command, type Subcommand } from "./command.ts";
import { createFile } from "./edit.ts";
import { exampleNames, exampleText } from "./workflow-examples.ts";
import { readRegular } from "../../store/scan.ts";
import { readWorkflow, workflowNames } from "../../store/workflow-file.ts";
import { roleNames } from "./role-names.ts";
import { outcomeOf } from "../../workflow/outcome.ts";
import { runNamed, runsOnDisk } from "./runs-on-disk.ts";
import { oneLine, table } from "./text.ts";
import { findWorkflow, othersIn } from "./workflow-files.ts";
import { clean } from "./workflows-clean.ts";
import { next } from "./workflows-next.ts";
import { showRun } from "./workflows-run.ts";
import { cancel, resume } from "./workflows-steer.ts";

const list: Subcommand = {
  name: "list",
  where: "workspace",
  summary: "list workflows and their runs",
  example: "cox workflows list",
  async run(_input, { workspace, paint }) {
    const roles = roleNames(workspace.folder);
    const workflows = workflowNames(workspace.folder).map((name) => {
      const text = readRegular(`${workspace.folder}/${at.workflow(name)}`)?.content.toString("utf8") ?? "";
      const read = readWorkflow(text, roles, othersIn(workspace.folder));
      const file = `.workflow/${at.workflow(name)}`;
      if ("problems" in read) return { name, file, ok: false, title: null, steps: null };
      return { name, file, ok: true, title: read.ok.name, steps: read.ok.steps.length };
    });
    const runs = runsOnDisk(workspace.folder).map((run) => {
      const { progress } = outcomeOf(run);
      const { session, task } = run;
      return { run: run.run, session, task: task.id, status: task.status, progress };
    });
    const rows = workflows.map(({ name, ok, title, steps }) => [
      paint("bold", name),
      ok ? `${steps} ${steps === 1 ? "step" : "steps"}` : paint("red", "wrong: cox workflows validate"),
      oneLine(title ?? "", 80),
    ]);
    const runRows = runs.map(({ run, session, task, status, progress }) => [
      run,
      `${session}/${task}`,
      status,
      progress,
    ]);
    const none = "No workflows yet: cox workflows new <name> makes one.";
    const text = [
      rows.length > 0 ? table(rows) : none,
      ...(runRows.length > 0 ? ["", "Runs:", table(runRows)] : []),
    ].join("\n");
    return done(text, { workflows, runs });
  },
};

const show: Subcommand = {
  name: "show",
  where: "workspace",
  summary: "show a workflow: what it takes, and its steps; or a run, and what it came to",
  arguments: [{ name: "workflow", text: "a name, a YAML file, or a run as cox workflows lists it", is: "file" }],
  example: "cox workflows show data-analysis",
  async run(input, { workspace, dir, paint }) {
    const run = runNamed(workspace.folder, input.text("workflow") ?? "");
    if (run) return showRun(run, paint);
    const found = findWorkflow(workspace, input.text("workflow") ?? "", dir);
    if ("trouble" in found) return refused(found.trouble);
    const { file, path } = found.ok;
    const vars = Object.entries(varsOf(file)).map(([name, { type, fallback, description }]) => ({
      ...{ name, type, default: fallback ?? null, description, required: fallback === undefined },
    }));
    const steps = stepsOf(file);
    const varRows = vars.map(({ name, type, required, description, ...rest }) => [
      `  ${name}`,
      type,
      required ? "must be given" : `default ${JSON.stringify(rest.default)}`,
      oneLine(description, 80),
    ]);
    const stepRows = steps.map(({ id, kind, needs, title }) => [
      `  ${id}`,
      kind,
      needs.length > 0 ? `after ${needs.join(", ")}` : "at once",
      oneLine(title, 80),
    ]);
    const text = [
      `${paint("bold", oneLine(file.name))} ${paint("dim", path)}`,
      ...(file.description ? [oneLine(file.description, 400)] : []),
      ...(varRows.length > 0 ? ["Variables:", table(varRows)] : []),
      "Steps:",
      table(stepRows),
    ].join("\n");
    const json = steps.map(({ id, title, kind, needs }) => ({ id, title, kind, needs }));
    return done(text, { name: file.name, file: path, description: file.description ?? null, vars, steps: json });
  },
};

const validate: Subcommand = {
  name: "validate",
  where: "workspace",
  summary: "check a workflow, or all of them",
  description: "Every problem with line, column and what to do. Exit 1 if anything is wrong.",
  arguments: [{ name: "workflow", text: "names, or YAML files", optional: true, variadic: true, is: "file" }],
  example: "cox workflows validate data-analysis",
  async run(input, { workspace, dir, paint }) {
    const written = input.list("workflow");
    const names = written.length > 0 ? written : workflowNames(workspace.folder);
    const checked = names.map((name) => {
      const found = findWorkflow(workspace, name, dir);
      return "ok" in found
        ? { name, problems: [] }
        : { name, problems: found.trouble.problems ?? [{ message: found.trouble.what }] };
    });
    const wrong = checked.filter(({ problems }) => problems.length > 0);
    const json = { ok: wrong.length === 0, checked };
    if (wrong.length === 0) return done(`${paint("green", "✓")} ${names.length} checked, nothing is wrong.`, json);
    const lines = wrong.flatMap(({ name, problems }) =>
      problems.map((found) => `${name}: ${found.message}${"hint" in found && found.hint ? ` ${found.hint}` : ""}`),
    );
    return { exit: 1, json, text: lines.join("\n") };
  },
};

const make: Subcommand = {
  name: "new",
  where: "workspace",
  summary: "make a workflow to begin with",
  description: "A small one, or a copy of one of the examples that come along.",
  arguments: [
    { name: "name", text: "letters, digits, - and _; with --from the example's where none is given", optional: true },
  ],
  options: [{ name: "from", value: "example", text: `one of ${exampleNames().join(", ")}` }],
  example: "cox workflows new --from bug-fix",
  async run(input, { workspace }) {
    const from = input.text("from");
    const example = from === undefined ? undefined : exampleText(from);
    if (example && "trouble" in example) return refused(example.trouble);
    const name = input.text("name") ?? from ?? "";
    if (!/^\w[\w-]{0,99}$/.test(name) || isTaskId(name))
      return refused({
        exit: 2,
        what: `${JSON.stringify(name)} is no name of a workflow.`,
        todo: "Take letters, digits, - and _.",
      });
    const path = at.workflow(name);
    if (!(await createFile(workspace, path, example?.ok ?? beginning(name))))
      return refused({ exit: 4, what: `.workflow/${path} is there already.`, todo: "Take another name, or edit it." });
    return done(`Made .workflow/${path}. Edit it, then: cox run ${name}`, { name, file: `.workflow/${path}` });
  },
};

const beginning = (name: string) => `# yaml-language-server: $schema=../.run/schemas/workflow.schema.json
name: ${name}
vars:
  topic:
    default: the slowest test
    description: What it is about.
steps:
  - name: Look
    run: git log --oneline -20
    output_variable: history
  - name: Think
    prompt: "Given the history, what should be done about {topic}? {history}"
    tools: [read_file, search]
`;

export const command: Command = {
  description:
    "Workflows are YAML files in .workflow/workflows/; cox run runs one. A run is a task whose subtasks are its steps.",
  meant: "list",
  example: "cox workflows list",
  subcommands: [list, show, next, validate, make, resume, cancel, clean],
};
