/** What `cox sync` says when it is done. */
import type { Paint } from "./output.ts";
import type { Merged } from "../../store/sync-requests.ts";
import type { Total } from "./sync.ts";

const MOST_NAMED = 8;

export function textOf(total: Total, paint: Paint): string {
  const { remote, merges, pushed, fetched } = total;
  const changes = merges.filter(({ way }) => way !== "nothing");
  const lines = changes.flatMap((merge) => linesOf(merge, paint));
  if (changes.length === 0)
    lines.push(fetched === null ? `${remote} has no ledger yet.` : `${remote} has nothing new.`);
  if (pushed) lines.push(`Pushed to ${remote}.`);
  else if (changes.length > 0 || fetched === null) lines.push("Nothing to push.");
  const paused = changes.flatMap((merge) => [...merge.paused, ...merge.sessions]);
  const [first] = paused;
  if (first !== undefined) lines.push("", `Nothing that arrived starts by itself. To let it: cox switch ${first}`);
  return lines.join("\n");
}

function linesOf(merge: Merged, paint: Paint): string[] {
  const lines = [
    ...listed("new", merge.arrived),
    ...listed("changed", merge.changed),
    ...listed("deleted", merge.gone),
    ...listed("session", merge.sessions),
  ].map((line) => `  ${line}`);
  const count = merge.arrived.length + merge.changed.length + merge.gone.length;
  const told = [
    `Merged: ${count === 0 ? "no task changed here" : `${count} ${count === 1 ? "task" : "tasks"}`}.`,
    ...lines,
  ];
  for (const { task, fields } of merge.conflicts)
    told.push(paint("red", `${task} is blocked: both sides changed ${fields.join(", ")}. cox show ${task}`));
  for (const { session, side, from, to } of merge.renumbered)
    told.push(
      `${side === "ours" ? "Our" : "Their"} ${session}/${from} is ${to} now: both sides had given that number.`,
    );
  for (const session of merge.paused) told.push(paint("yellow", `${session} is paused: work for it arrived.`));
  for (const path of merge.beside) told.push(`Both sides have another file: theirs is .workflow/${path}`);
  if (merge.kept.length > 0)
    told.push(`As they are here (settings and roles are never taken over): ${some(merge.kept)}`);
  for (const { path, why } of merge.refused) told.push(paint("red", `Not taken over: ${path}. ${why}`));
  return told;
}

function listed(what: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`${what.padEnd(8)} ${some(names)}`];
}

function some(names: readonly string[]): string {
  const rest = names.length - MOST_NAMED;
  return rest <= 0 ? names.join(", ") : `${names.slice(0, MOST_NAMED).join(", ")} and ${rest} more`;
}
