/** `cox cost`: what agents have cost, and for what. */
import { formatDuration, instant, isInstant, parseDuration, toMs, type Instant } from "../../model/time.ts";
import { findCode } from "./code-place.ts";
import { done, refused, type Command, type Input, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { spentIn, type Spent } from "./cost-facts.ts";
import { findSession } from "./naming.ts";
import { openRecords } from "./recorded-responses.ts";
import { dollars, oneLine, table } from "./text.ts";

const BY = ["task", "session", "role", "model", "day", "file"] as const;
type By = (typeof BY)[number];

export const command: Command = {
  where: "workspace",
  description:
    "Shows what attempts have cost, at list prices, with tokens, turns and time. By file, an attempt's cost is shared out among the files it changed, by lines. Figures add up to the total.",
  options: [
    { name: "by", value: "what", text: "task (default), session, role, model, day or file", is: BY },
    { name: "since", value: "when", text: "only what ended since: 2h, 7d, or a time such as 2026-11-21T09:00Z" },
    { name: "session", value: "session", text: "only this session", is: "session" },
  ],
  example: "cox cost --by model --since 7d",
  run: cost,
};

/** Whole numbers, so that parts add up: millionths of a dollar, tokens, turns, milliseconds. */
interface Row {
  name: string;
  attempts: number;
  /** Attempts without a price. */
  unpriced: number;
  micros: number;
  input: number;
  output: number;
  turns: number;
  duration: number;
}

async function cost(input: Input, context: Context & { workspace: Workspace }): Promise<Outcome> {
  const wanted = wish(input, context.workspace);
  if ("trouble" in wanted) return refused(wanted.trouble);
  const { by, since, session } = wanted.ok;
  const place = await findCode(context);
  if ("trouble" in place) return refused(place.trouble);
  const records = openRecords(place.ok, context.workspace.folder);
  const { spent, faulty } = await spentIn(context.workspace.folder, records, { works: by === "file" });
  await records.close();
  const chosen = spent.filter(
    (each) =>
      (since === undefined || (each.at !== null && toMs(each.at) >= toMs(since))) &&
      (session === undefined || each.session === session),
  );
  const rows = new Map<string, Row>();
  const total = emptyRow("total");
  for (const each of chosen) {
    add(total, each);
    const parts = partsOf(each, by);
    const shares = parts.map(({ weight }) => weight);
    const split = (amount: number) => shared(amount, shares);
    const [micros, inputs, outputs] = [split(microsOf(each)), split(inputOf(each)), split(each.tokens?.output ?? 0)];
    const [turns, times] = [split(each.turns ?? 0), split(Math.round(each.duration_ms ?? 0))];
    parts.forEach(({ name }, part) => {
      const row = rows.get(name) ?? emptyRow(name);
      rows.set(name, row);
      row.attempts += 1;
      if (each.cost_usd === null) row.unpriced += 1;
      row.micros += micros[part] ?? 0;
      row.input += inputs[part] ?? 0;
      row.output += outputs[part] ?? 0;
      row.turns += turns[part] ?? 0;
      row.duration += times[part] ?? 0;
    });
  }
  const order = [...rows.values()].sort((a, b) =>
    by === "day" ? compare(a.name, b.name) : b.micros - a.micros || compare(a.name, b.name),
  );
  const facts = { by, since: since ?? null, rows: order.map((row) => factsOf(row, by)), total: factsOf(total), faulty };
  if (chosen.length === 0) return done("Nothing has been spent yet that is on record.", facts);
  return done(textOf(order, total, { by, faulty, paint: context.paint }), facts);
}

function wish(
  input: Input,
  workspace: Workspace,
): { ok: { by: By; since?: Instant; session?: string } } | { trouble: Trouble } {
  const written = input.text("by") ?? "task";
  const by = BY.find((each) => each === written);
  if (!by) return { trouble: { exit: 2, what: `--by is ${written}.`, todo: `It can be ${BY.join(", ")}.` } };
  const when = input.text("since");
  const ago = when === undefined ? undefined : parseDuration(when);
  if (when !== undefined && ago === undefined && !isInstant(when)) {
    const what = `${when} is neither a duration nor a time.`;
    return { trouble: { exit: 2, what, todo: "Such as 2h, 7d or 2026-11-21T09:00Z." } };
  }
  const since = when === undefined ? {} : { since: instant(ago === undefined ? toMs(when) : Date.now() - ago) };
  const named = input.text("session");
  if (named === undefined) return { ok: { by, ...since } };
  const found = findSession(workspace, named);
  return "trouble" in found ? found : { ok: { by, ...since, session: found.ok } };
}

const UNKNOWN = "(not known)";
const NO_FILE = "(no file)";

/** What an attempt counts for, and how much of it for each. */
function partsOf(each: Spent, by: By): { name: string; weight: number }[] {
  const whole = (name: string | null) => [{ name: name ?? UNKNOWN, weight: 1 }];
  switch (by) {
    case "task":
      return whole(`${each.session}/${each.task}`);
    case "session":
      return whole(each.session);
    case "role":
      return whole(each.role);
    case "model":
      return whole(each.model);
    case "day":
      return whole(each.at === null ? null : dayOf(each.at));
    case "file": {
      const files = each.work?.files ?? [];
      if (files.length === 0) return whole(NO_FILE);
      return files.map(({ path, added, deleted }) => ({
        name: path,
        weight: Math.max(1, (added ?? 0) + (deleted ?? 0)),
      }));
    }
  }
}

/** A whole number in whole parts by weight; what is left over goes to the first ones, one each. */
export function shared(amount: number, weights: readonly number[]): number[] {
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const parts = weights.map((weight) => Math.floor((amount * weight) / all));
  const left = amount - parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part, place) => part + (place < left ? 1 : 0));
}

/** `2026-11-21`, where the reader is. */
function dayOf(at: Instant): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function emptyRow(name: string): Row {
  return { name, attempts: 0, unpriced: 0, micros: 0, input: 0, output: 0, turns: 0, duration: 0 };
}

function add(row: Row, each: Spent): void {
  row.attempts += 1;
  if (each.cost_usd === null) row.unpriced += 1;
  row.micros += microsOf(each);
  row.input += inputOf(each);
  row.output += each.tokens?.output ?? 0;
  row.turns += each.turns ?? 0;
  row.duration += Math.round(each.duration_ms ?? 0);
}

const microsOf = ({ cost_usd }: Spent) => Math.round((cost_usd ?? 0) * 1e6);
/** Of any kind: new, from the cache, or into it. */
const inputOf = ({ tokens }: Spent) => (tokens ? tokens.input + tokens.cache_read + tokens.cache_write : 0);
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function factsOf({ name, attempts, unpriced, micros, input, output, turns, duration }: Row, by?: By) {
  const figures = {
    attempts,
    unpriced,
    cost_usd: micros / 1e6,
    tokens: { input, output },
    turns,
    duration_ms: duration,
  };
  return by === undefined ? figures : { [by]: name === UNKNOWN || name === NO_FILE ? null : name, ...figures };
}

function textOf(
  rows: readonly Row[],
  total: Row,
  { by, faulty, paint }: { by: By; faulty: number; paint: Context["paint"] },
): string {
  const cells = (row: Row) => [
    oneLine(row.name, 80),
    String(row.attempts),
    dollars(row.micros / 1e6),
    thousands(row.input),
    thousands(row.output),
    String(row.turns),
    formatDuration(row.duration),
  ];
  const head = [by, "attempts", "cost", "tokens in", "out", "turns", "time"];
  const lines = table([head, ...rows.map(cells), cells(total)]).split("\n");
  const [first = "", ...rest] = lines;
  const last = rest.pop() ?? "";
  const notes = [
    ...(total.unpriced > 0
      ? [`${total.unpriced} of ${total.attempts} attempts have no price, and count as nothing.`]
      : []),
    ...(by === "file" ? ["An attempt counts at each of the files it changed; its cost is shared out by lines."] : []),
    ...(faulty > 0 ? [`${faulty} lines of metrics/ cannot be read, and are left out.`] : []),
  ];
  return [paint("dim", first), ...rest, paint("bold", last), ...notes.map((note) => paint("dim", note))].join("\n");
}

/** `12,345`. */
function thousands(amount: number): string {
  return amount.toLocaleString("en-US");
}
