/** The dependency graph of a session as a mermaid diagram. */
import { parentOf, taskLabel, type TaskId } from "../model/ids.ts";
import type { Status, Task } from "../model/task.ts";
import { plain } from "../model/plain.ts";
import { cut } from "./markdown.ts";
import { isContainer, type Branch } from "./outline.ts";

/** What mermaid draws by default: https://mermaid.js.org/config/schema-docs/config.html (`maxEdges`, `maxTextSize`). */
const MOST_EDGES = 500;
const MOST_TEXT = 50_000;
const LONGEST_LABEL = 80;
/** `  impl_1["IMPL-1: "]` and its line break. */
const SHORTEST_NODE = 21;

/** The text of the diagram, `graph TD` first; or why there is none. An arrow leads from a task to what waits for it, a dotted one to what is done if it fails. */
export function graphOf(tree: readonly Branch[]): { diagram: string } | { none: string } {
  const tasks = tree.flatMap(({ task, subtasks }) => [task, ...subtasks]);
  if (tasks.length === 0) return { none: "There are no tasks yet." };
  if (tasks.length * SHORTEST_NODE > MOST_TEXT) return tooMany(tasks);
  const edges = edgesOf(tasks);
  if (edges.length > MOST_EDGES)
    return { none: `Not drawn: ${edges.length} dependencies are more than mermaid draws.` };
  const diagram = ["graph TD", ...tree.flatMap(nodeLines), ...edges, ...classLines(tasks)].join("\n");
  return diagram.length > MOST_TEXT ? tooMany(tasks) : { diagram };
}

const tooMany = ({ length }: readonly Task[]) => ({ none: `Not drawn: ${length} tasks are more than mermaid draws.` });

/** `impl-1.2` → `impl_1_2`. */
function nodeId(id: TaskId): string {
  return id.replace(/[^a-z0-9]/g, "_");
}

/**
 * A text between the quotes of a mermaid label: letters, digits and the plainest punctuation stand for themselves, all
 * else is a character code (`#34;`), so that no text ends its label, becomes HTML, markdown or a `%%{directive}%%`.
 */
export function mermaidText(text: string): string {
  const line = cut(plain(text).replace(/\s+/g, " ").trim(), LONGEST_LABEL);
  return line.replace(/[^\p{L}\p{M}\p{N} .,:/?!+=…-]|ﬂ/gu, (character) => `#${character.codePointAt(0)};`);
}

function nodeLines(branch: Branch): string[] {
  const { task, subtasks } = branch;
  if (!isContainer(branch) || subtasks.length === 0) return [`  ${node(task)}`];
  return [`  subgraph ${node(task)}`, ...subtasks.map((subtask) => `    ${node(subtask)}`), "  end"];
}

function node(task: Task): string {
  return `${nodeId(task.id)}["${taskLabel(task.id)}: ${mermaidText(task.title)}"]`;
}

function edgesOf(tasks: readonly Task[]): string[] {
  const known = new Set(tasks.map((task) => task.id));
  return tasks.flatMap((task) =>
    [...new Set(task.relations.dependencies)]
      .filter((id) => known.has(id) && isDrawable(id, task.id))
      .map((id) => `  ${nodeId(id)} --> ${nodeId(task.id)}`)
      .concat(
        (task.execution.workflow?.handles ?? [])
          .filter((id) => known.has(id) && isDrawable(id, task.id))
          .map((id) => `  ${nodeId(id)} -. fails .-> ${nodeId(task.id)}`),
      ),
  );
}

/** Mermaid refuses an arrow between a subgraph and what is inside it. */
function isDrawable(from: TaskId, to: TaskId): boolean {
  return from !== to && parentOf(from) !== to && parentOf(to) !== from;
}

const COLOURS: Record<Status, string> = {
  pending: "fill:#f1f3f5,stroke:#868e96,color:#212529",
  active: "fill:#d0ebff,stroke:#1971c2,color:#212529",
  completed: "fill:#d3f9d8,stroke:#2f9e44,color:#212529",
  blocked: "fill:#ffe3e3,stroke:#e03131,color:#212529",
  container: "fill:#ffffff,stroke:#868e96,color:#212529",
};

function classLines(tasks: readonly Task[]): string[] {
  return Object.entries(COLOURS).flatMap(([status, colours]) => {
    const ids = tasks.filter((task) => task.status === status).map((task) => nodeId(task.id));
    return ids.length > 0 ? [`  classDef ${status} ${colours}`, `  class ${ids.join(",")} ${status}`] : [];
  });
}
