/** The list that a step is done for. */
import { MOST_ITEMS } from "../model/workflow.ts";
import type { Value } from "./fill.ts";
import { namesIn, partsOf } from "./template.ts";

/** An item is part of a task's file. */
const LONGEST_ITEM = 64 * 1024;

/** Whether the text is one name in braces, and nothing else. */
export function isOneName(text: string): boolean {
  const parts = partsOf(text.trim(), "prompt");
  return parts.length === 1 && namesIn(text, "prompt").length === 1;
}

/** A list, or the lines of a text; lines without anything in them are left out. */
export function itemsFrom({ value, text }: Value): { ok: unknown[] } | { wrong: string } {
  if (Array.isArray(value)) return withinLimits(value as unknown[]);
  if (typeof value === "object" && value !== null) return { wrong: "it is an object, not a list" };
  const lines = text ?? (typeof value === "string" ? value : undefined);
  if (lines === undefined) return { wrong: `it is ${JSON.stringify(value)}, not a list` };
  return withinLimits(lines.split(/\r?\n/).filter((line) => line.trim() !== ""));
}

function withinLimits(items: unknown[]): { ok: unknown[] } | { wrong: string } {
  if (items.length > MOST_ITEMS)
    return {
      wrong: `it has ${items.length} items, and ${MOST_ITEMS} are the most: let the step before cut it into lists`,
    };
  const long = items.findIndex((item) => JSON.stringify(item).length > LONGEST_ITEM);
  if (long === -1) return { ok: items };
  return { wrong: `item ${long} has more than ${LONGEST_ITEM / 1024} kB: let the items be names of files` };
}
