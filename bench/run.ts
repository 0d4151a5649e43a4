/** All figures of the README: `npm run bench`, or some of them by name: `npm run bench -- drop idle`. */
import { commands } from "./commands.ts";
import { drop } from "./drop.ts";
import { idle } from "./idle.ts";
import { ledger } from "./ledger.ts";
import { tenThousand } from "./ten-thousand.ts";
import { throughput } from "./throughput.ts";
import { why } from "./why.ts";
import { workflows } from "./workflows.ts";
import { worktrees } from "./worktrees.ts";

const BENCHES: Record<string, () => Promise<string[]>> = {
  commands,
  drop,
  throughput,
  idle,
  ledger,
  workflows,
  worktrees,
  why,
  "ten-thousand": tenThousand,
};

const wanted = process.argv.slice(2);
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (const line of await bench()) console.log(line);
}
