/** What a person is told who is asked: the answers that there are, where to write them, until when. */
import { attemptName } from "../model/ids.ts";
import type { SessionId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";

export function howToAnswer({ id, execution }: Task, attempt: number, session: SessionId): string {
  const { choices, form, time_limit: limit, due_at: due, default: otherwise } = execution;
  const name = attemptName(id, attempt);
  const fields = form ? Object.keys((form["properties"] as object | undefined) ?? {}) : [];
  const answer = choices?.[0] ?? (form ? fields.map((field) => `${field}=…`).join(" ") : "…");
  const lines = [
    "## How to answer",
    ...(choices ? [choices.map((choice) => `- ${choice}`).join("\n")] : []),
    ...(form ? [`The answer is an object of this form:\n\n${jsonBlock(form)}`] : []),
    `- \`cox answer ${session}/${id} ${/^[\w=…. -]*$/.test(answer) ? answer : "…"}\``,
    `- or write \`responses/${name}.json\`${form ? " with the object" : `, or \`responses/${name}.md\` with the text`}`,
    `- or set \`execution.answer\` in \`.task/${id}.json\``,
  ];
  if (due && limit)
    lines.push(
      otherwise === undefined
        ? `There is time until ${due} (${limit}); then the task has failed.`
        : `There is time until ${due} (${limit}); then the answer is ${JSON.stringify(otherwise)}.`,
    );
  const [head = "", ...rest] = lines;
  return [head, ...rest].join("\n\n").replaceAll("\n\n- or", "\n- or");
}

function jsonBlock(value: unknown): string {
  return `\`\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\`\``;
}
