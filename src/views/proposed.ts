/** What a task proposes, in `IMPL_PLAN.md`, until a person has approved it. */
import { taskLabel } from "../model/ids.ts";
import type { Plan } from "../model/plan.ts";
import type { Task } from "../model/task.ts";
import { code, markdownText } from "./markdown.ts";

export interface Proposed {
  task: Task;
  plan: Plan;
  /** As the page links to it. */
  file: string;
}

export function proposedLines({ task, plan, file }: Proposed): string[] {
  const list = (title: string, texts: readonly string[] = []) =>
    texts.length > 0 ? ["", `**${title}**`, "", ...texts.map((text) => `- ${markdownText(text)}`)] : [];
  return [
    `## Proposed by ${taskLabel(task.id)}: ${markdownText(task.title)}`,
    "",
    `It waits for you: ${code(`cox approve ${task.id}`)} or ${code(`cox reject ${task.id}`)}; edit it first if you like: [${file.slice(2)}](${file}).`,
    ...(plan.summary ? ["", markdownText(plan.summary)] : []),
    ...list("Questions", plan.questions),
    "",
    "**Tasks**",
    "",
    ...plan.tasks.flatMap((each, place) => taskLines(each, place, plan)),
    ...list("Risks", plan.risks),
    "",
  ];
}

function taskLines(task: Plan["tasks"][number], place: number, plan: Plan): string[] {
  const { title, type, role, paths = [], dependencies = [], verify = [], acceptance = [], requirements = [] } = task;
  const { minutes, usd } = task.estimate ?? {};
  const facts = [
    ...(role ? [code(role)] : []),
    ...(type ? [type] : []),
    ...(dependencies.length > 0 ? [`after ${dependencies.map((each) => numberOf(each, plan)).join(", ")}`] : []),
    ...(minutes === undefined ? [] : [`about ${minutes} min`]),
    ...(usd === undefined ? [] : [`about $${usd}`]),
  ];
  const part = (name: string, texts: readonly string[]) =>
    texts.length > 0 ? [`   - ${name}: ${texts.join("; ")}`] : [];
  return [
    `${place + 1}. **${markdownText(title)}**${facts.length > 0 ? ` (${facts.join(", ")})` : ""}`,
    ...part("Requirements", requirements.map(markdownText)),
    ...part("Acceptance", acceptance.map(markdownText)),
    ...part("Paths", paths.map(code)),
    ...part("Gates", verify.map(code)),
    ...part("Risks", (task.risks ?? []).map(markdownText)),
  ];
}

/** A key says little to whoever did not choose it. */
function numberOf(written: number | string, { tasks }: Plan): string {
  const place = tasks.findIndex(({ key }) => key === written);
  return place >= 0 ? String(place + 1) : markdownText(String(written));
}
