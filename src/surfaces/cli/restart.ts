/** `cox restart`: a new daemon takes over, and no agent is stopped. */
import { done, refused, type Command, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { pidOf, runningIn, signal, untilDown } from "./daemon-process.ts";
import { daemonOf } from "./daemon-state.ts";
import { detached, FOLLOW } from "./detached.ts";

/** A daemon that leaves has nothing to wait for but its disk. */
const LEAVE_MS = 60_000;

export const command: Command = {
  where: "workspace",
  description:
    "Lets a new daemon take over from the one that is up, as after an upgrade: running agents work on and are followed by the\nnew one, with no attempt begun twice. It runs in the background, with the environment of this command. Exit 4 if none is up.",
  example: "cox restart",
  async run(_input, context) {
    const daemon = await daemonOf(context.workspace);
    if (!daemon.up) {
      const agents = runningIn(context.workspace);
      return refused({
        exit: 4,
        what: "No daemon is up.",
        ...(agents.length > 0 ? { why: `${agents.join(", ")} may be at work still; the next daemon finds them.` } : {}),
        todo: "Start one: cox start --detach",
      });
    }
    const old = pidOf(daemon.holder, "cox restart");
    if ("trouble" in old) return refused(old.trouble);
    const trouble = signal(old.pid, "SIGQUIT");
    return trouble ? refused(trouble) : takeOver(context, old.pid);
  },
};

async function takeOver(context: Context & { workspace: Workspace }, before: number): Promise<Outcome> {
  const { workspace, tell } = context;
  tell(`waiting for the old daemon (pid ${before}) to hand over\n`);
  if (!(await untilDown(workspace, () => {}, Date.now() + LEAVE_MS))) {
    return refused({
      exit: 1,
      what: `The old daemon (pid ${before}) has not ended after a minute.`,
      why: "It is told to, and may still be recording; no new one was started.",
      todo: "cox logs shows what it does; then cox start --detach. Its agents work on.",
      facts: { before },
    });
  }
  const agents = runningIn(workspace);
  const { pid, log, ...began } = await detached(context, false);
  const facts = { daemon: "up", before, pid, log, at_work: agents };
  if (!("trouble" in began)) {
    const kept = agents.length > 0 ? ` Still at work: ${agents.join(", ")}.` : "";
    return done(`The daemon with pid ${pid} took over from ${before}.${kept}\n${FOLLOW}`, facts);
  }
  const left = agents.length > 0 ? ` ${agents.join(", ")} work on, and the next daemon finds them.` : "";
  return refused({
    ...began.trouble,
    what: `${began.trouble.what} The old one (pid ${before}) has ended.${left}`,
    facts: { ...began.trouble.facts, before, at_work: agents },
  });
}
