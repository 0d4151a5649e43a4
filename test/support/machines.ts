/** Two machines: clones of a repository with a bare remote, each a workspace of its own. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { folder, labIn, type Lab } from "../surfaces/lab.ts";

export const LEDGER = "refs/cox/ledger";
export const SHOP = "WFS-shop";

/** Two clones of a repository with a bare remote, each a workspace of its own. */
export function machines(t: TestContext): { a: Lab; b: Lab; hub: Lab } {
  const dir = folder(t);
  const hub = at(dir, "hub.git");
  hub.git("init", "-q", "--bare", "-b", "main");
  const [a, b] = ["a", "b"].map((name) => at(dir, name)) as [Lab, Lab];
  for (const lab of [a, b]) {
    lab.git("init", "-q", "-b", "main");
    lab.git("remote", "add", "origin", hub.dir);
    assert.equal(lab.cox("init").exit, 0);
  }
  return { a, b, hub };
}

function at(dir: string, name: string): Lab {
  mkdirSync(join(dir, name));
  return labIn(join(dir, name));
}

/** A session that is not active, so that both machines may have the same. */
export function session(lab: Lab): void {
  mkdirSync(lab.at(`.workflow/${SHOP}/.task`), { recursive: true });
}

/** Drops a task; without an id it gets the next number. */
export function add(
  lab: Lab,
  title: string,
  more: { command?: string; id?: string; dependencies?: string[] } = {},
): void {
  session(lab);
  const { command = "true", id = title.toLowerCase().replaceAll(" ", "-"), dependencies = [] } = more;
  const task = { title, agent: "command", execution: { command }, relations: { dependencies } };
  lab.write(`.workflow/${SHOP}/.task/${id}.json`, JSON.stringify(task));
}

export function sync(lab: Lab, ...args: string[]): Record<string, unknown> {
  const { exit, out, err } = lab.cox("sync", ...args, "--json");
  assert.equal(exit, 0, err);
  return JSON.parse(out) as Record<string, unknown>;
}

export const tip = (lab: Lab) => lab.git("rev-parse", LEDGER).trim();
export const tree = (lab: Lab) => lab.git("rev-parse", `${LEDGER}^{tree}`).trim();
export const commits = (lab: Lab) => lab.git("rev-list", LEDGER).trim().split("\n");
export const titles = (lab: Lab) =>
  readdirSync(lab.at(`.workflow/${SHOP}/.task`))
    .map((name) => lab.task(name.slice(0, -".json".length), SHOP))
    .sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }))
    .map(({ id, title, status }) => `${id} ${title} ${status}`);

export function edit(lab: Lab, id: string, change: (task: Record<string, unknown>) => void): void {
  const task = lab.task(id, SHOP);
  change(task);
  lab.write(`.workflow/${SHOP}/.task/${id}.json`, `${JSON.stringify(task, null, 2)}\n`);
}

/** Two machines that both have these tasks. */
export function alike(t: TestContext, ...titles: string[]): ReturnType<typeof machines> {
  const all = machines(t);
  session(all.a);
  for (const title of titles) add(all.a, title);
  sync(all.a);
  sync(all.b);
  return all;
}

/** The ledger's story is whole, git finds nothing wrong, and the disk is as recorded. */
export function assertSound(...labs: Lab[]): void {
  for (const lab of labs) {
    const { exit, out } = lab.cox("verify");
    assert.equal(exit, 0, out);
    assert.doesNotMatch(out, /[✗!]/, out);
  }
}

export function refusal(lab: Lab, ...args: string[]): [number | null, string] {
  const { exit, err } = lab.cox(...args);
  return [exit, err.split("\n")[0] ?? ""];
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !holds(); await pause(30))
    assert.ok(Date.now() < deadline, `still not: ${what}`);
}
