/** `cox demo`: everything once, for real, in a temporary repository; the agents are scripted unless `--live` is given. */
import type { Command, Input, Outcome } from "./command.ts";
import type { Context } from "./context.ts";
import { playLive } from "./demo-live.ts";
import { play, type Claim, type Narrator } from "./demo-play.ts";
import { Interrupted, Stage } from "./demo-stage.ts";

export const command: Command = {
  where: "anywhere",
  options: [
    { name: "keep", text: "keep the repository, to look around in it" },
    { name: "live", text: "one small task with the real Claude Code; it costs a few cents" },
    { name: "yes", text: "with --live: do not ask before spending" },
  ],
  example: "cox demo --keep",
  description:
    "See it work in about 20 seconds: real daemon, real git, real files, in a temporary repository. The agents are scripted: no model is called, no key is needed, nothing goes over the network.",
  run,
};

async function run(input: Input, context: Context): Promise<Outcome> {
  if (input.flag("live")) return playLive(context, { keep: input.flag("keep"), yes: input.flag("yes") });
  return perform(context, {
    keep: input.flag("keep"),
    opening: "The agents are scripted: no model is called, nothing is paid. Daemon, git, files and the kill are real.",
    act: play,
    next: [
      'In your own repository: cox init, then cox add "…" and cox start. cox doctor says what is missing.',
      "With the real Claude Code: cox demo --live",
    ],
  });
}

/** Between two steps, where a person reads along. */
const READING_MS = 1000;

export interface Performance {
  keep: boolean;
  opening: string;
  act: (stage: Stage, tell: Narrator) => Promise<Claim[]>;
  /** What to try afterwards. */
  next: string[];
}

/** Sets the stage, plays, and clears up, whatever happens. What failed is left for a look at it. */
export async function perform(context: Context, { keep, opening, act, next }: Performance): Promise<Outcome> {
  const began = now();
  const stop = new AbortController();
  const write = (text: string) => void (context.json || context.write(text));
  const { paint } = context;
  const stage = new Stage({
    env: context.environment,
    say: (line) => write(paint("dim", `     daemon │ ${line}\n`)),
    signal: stop.signal,
  });
  const interrupted = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupted);
  let claims: Claim[] = [];
  let trouble: string | undefined;
  let cut = false;
  let number = 0;
  try {
    write(`A demonstration, in a repository of its own: ${stage.dir}\n${opening}\n`);
    claims = await act(stage, {
      async step(text) {
        await stage.rest(context.interactive && number > 0 ? READING_MS : 0);
        write(
          `\n${paint("bold", `${++number}  ${text}`)} ${paint("dim", `(${((now() - began) / 1000).toFixed(1)} s)`)}\n`,
        );
      },
      type: (command) => write(`   ${paint("cyan", `$ ${command}`)}\n`),
      note: (text) => {
        stage.pass();
        write(`   ${text}\n`);
      },
      show: (text) => write(`${text.replace(/^/gm, "     ")}\n`),
    });
  } catch (error) {
    cut = error instanceof Interrupted || stop.signal.aborted;
    trouble = cut ? "interrupted" : (error as Error).message;
  }
  stage.pass();
  const broken = claims.filter(({ holds }) => !holds);
  const failed = trouble !== undefined || broken.length > 0;
  const stays = keep || (failed && !cut);
  await stage.leave({ remove: !stays });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, interrupted);

  const seconds = Math.round((now() - began) / 100) / 10;
  const json = {
    ok: !failed,
    seconds,
    directory: stays ? stage.dir : null,
    claims,
    ...(failed ? { trouble: trouble ?? null, daemon: stage.heard } : {}),
  };
  const text = [
    ...(claims.length > 0
      ? ["", paint("bold", "What was promised"), ...claims.map((claim) => claimLine(claim, context))]
      : []),
    "",
    ...(stays
      ? [
          `The repository is ${stage.dir}: cd there and try git log -p cox/ledger, cox list, cox log, cox show impl-1.`,
          `To remove it: rm -rf ${stage.dir}`,
        ]
      : [`The repository was removed${cut ? "" : " (cox demo --keep leaves it, to look around in)"}.`]),
    ...(failed ? [] : [`Done in ${seconds} s.`, ...next]),
  ].join("\n");
  if (!failed) return { exit: 0, json, text };
  const what =
    trouble === undefined
      ? `${broken.length} of what was promised did not hold.`
      : cut
        ? "The demonstration was interrupted."
        : `The demonstration failed: ${trouble}.`;
  return {
    exit: 1,
    json,
    text,
    trouble: { exit: 1, what, ...(stays ? { todo: `Look at ${stage.dir}/.workflow/.run/log/daemon.jsonl` } : {}) },
  };
}

function claimLine({ claim, holds, found }: Claim, { paint }: Context): string {
  return holds ? `   ${paint("green", "✓")} ${claim}` : `   ${paint("red", "✗")} ${claim}: ${found ?? ""}`;
}

/** Milliseconds since some moment, by a clock that nobody sets. */
function now(): number {
  return globalThis.performance.now();
}
