/** `cox diff --state`: which tasks moved between two moments of the ledger, and what it cost. */
import { git } from "../../ledger/git.ts";
import { moment } from "../../views/waiting.ts";
import { done, refused, type Outcome } from "./command.ts";
import type { Context } from "./context.ts";
import { movedBetween, pastAt, type PastState } from "./past.ts";
import { dollars, oneLine, table } from "./text.ts";

/** `to` is now, where it is not given. */
export async function diffOfStates(
  from: string | undefined,
  to: string | undefined,
  context: Context,
): Promise<Outcome> {
  if (from === undefined) {
    const todo = "Such as: cox diff --state 2h, or cox diff --state cox/ledger~20 cox/ledger~10.";
    return refused({ exit: 2, what: "Between which two states?", todo });
  }
  const before = await pastAt(context, from);
  if ("trouble" in before) return refused(before.trouble);
  const after = await pastAt(context, to);
  if ("trouble" in after) return refused(after.trouble);
  const { commonDir } = before.place.repository;
  const range = `${before.ok.commit}..${after.ok.commit}`;
  const counted = await git(["rev-list", "--count", range], { cwd: commonDir, gitDir: commonDir });
  const transitions = Number(counted.stdout.toString().trim());
  const moved = movedBetween(before.ok, after.ok);
  const cost = Math.round(moved.reduce((sum, { cost_usd }) => sum + cost_usd, 0) * 1e6) / 1e6;
  const nameOf = ({ commit, at, subject }: PastState) => ({ commit, at, subject });
  const json = { from: nameOf(before.ok), to: nameOf(after.ok), transitions, moved, cost_usd: cost };
  const { paint } = context;
  const between = [before.ok, after.ok].map(
    ({ commit, at }) => `${paint("yellow", commit.slice(0, 8))} (${moment(at)})`,
  );
  const head = `From ${between.join(" to ")}: ${transitions} transition${transitions === 1 ? "" : "s"}, ${dollars(cost)}`;
  if (moved.length === 0) return done(`${head}\nEvery task stands as it did.`, json);
  const rows = moved.map((each) => [
    paint("bold", `${each.session}/${each.task}`),
    `${oneLine(each.from ?? "new", 60)} → ${oneLine(each.to ?? "gone", 60)}`,
    each.attempts > 0 ? `${each.attempts} attempt${each.attempts === 1 ? "" : "s"}` : "",
    each.cost_usd === 0 ? "" : dollars(each.cost_usd),
    oneLine(each.title, 80),
  ]);
  return done(`${head}\n\n${table(rows, "  ")}`, json);
}
