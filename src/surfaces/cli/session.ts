/** `cox session new|list|pause|resume|complete`. */
import { done, refused, type Argument, type Command, type Input, type Outcome, type Subcommand } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { exclusively, removeMarker, touchMarker } from "./edit.ts";
import { makeSession } from "./make-session.ts";
import { currentSession, findSession } from "./naming.ts";
import { oneLine, table } from "./text.ts";
import { at } from "../../store/paths.ts";
import { setStatus, statusFollows, writtenStatus } from "./session-status.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { containers, readTasks } from "./tasks-on-disk.ts";

type Here = Context & { workspace: Workspace };

const WHICH: Argument = {
  name: "session",
  text: "WFS-topic, or just the topic; without it the active one",
  optional: true,
  is: "session",
};

const make: Subcommand = {
  name: "new",
  summary: "make a session",
  description: "Makes a session for a topic. It becomes the active one if no other is, or with --switch.",
  where: "workspace",
  arguments: [{ name: "topic", text: "what it is about: becomes WFS-<topic>" }],
  options: [
    { name: "switch", text: "make it the active session" },
    { name: "budget", value: "usd", text: "most that the session may cost, in US dollars" },
  ],
  example: 'cox session new "User auth"',
  async run(input, { workspace, paint, environment }) {
    const topic = oneLine(input.text("topic") ?? "");
    if (topic === "")
      return refused({ exit: 2, what: "The topic is empty.", todo: 'Such as: cox session new "User auth"' });
    const budget = input.text("budget");
    if (budget !== undefined && !(Number(budget) > 0))
      return refused({ exit: 2, what: `--budget ${budget} is no amount.`, todo: "Such as --budget 5." });
    const made = await exclusively(workspace, async () => {
      const { active } = readSessions(workspace.folder);
      const becomesActive = active.length === 0 || input.flag("switch");
      const id = await makeSession(workspace, topic, {
        active: becomesActive,
        environment,
        ...(budget === undefined ? {} : { budgetUsd: Number(budget) }),
      });
      if (becomesActive) await touchMarker(workspace, id, active);
      if (becomesActive) await statusFollows(workspace);
      return { id, becomesActive, active };
    });
    if ("trouble" in made) return refused(made.trouble);
    const { id, becomesActive, active } = made;
    const daemon = await daemonOf(workspace);
    const state = becomesActive
      ? "It is active."
      : `${active.join(", ")} stays active; to change over: cox switch ${id}`;
    return done(
      [
        `Made the session ${id}. ${state}`,
        paint("dim", `The file: .workflow/${at.sessionFile(id)}`),
        'Give it work: cox add "title"',
      ].join("\n"),
      {
        session: id,
        active: becomesActive,
        file: `.workflow/${at.sessionFile(id)}`,
        daemon: daemon.up ? "up" : "down",
      },
    );
  },
};

const list: Subcommand = {
  name: "list",
  summary: "list sessions",
  where: "workspace",
  example: "cox session list",
  async run(_input, { workspace, paint }) {
    const { sessions, active } = readSessions(workspace.folder);
    const rows = sessions.map((session) => {
      const { tasks } = readTasks(workspace.folder, session.session_id);
      const above = containers(tasks);
      const leaves = tasks.filter(({ id }) => !above.has(id));
      const completed = leaves.filter(({ status }) => status === "completed").length;
      const { session_id, project, status, type, current_phase, cost_usd } = session;
      return {
        session: session_id,
        project,
        status,
        type,
        phase: current_phase,
        tasks: leaves.length,
        completed,
        cost_usd: cost_usd ?? null,
      };
    });
    const text = table(
      rows.map((row) => [
        active.includes(row.session) ? paint("green", "▸") : " ",
        row.session,
        row.status,
        row.phase,
        `${row.completed}/${row.tasks}`,
        oneLine(row.project),
      ]),
    );
    return done(text || 'There are no sessions yet. Make one: cox session new "topic"', { sessions: rows, active });
  },
};

const pause: Subcommand = {
  name: "pause",
  summary: "nothing new of a session starts",
  where: "workspace",
  arguments: [WHICH],
  example: "cox session pause",
  run: (input, context) => settle(input, context, "paused"),
};

const complete: Subcommand = {
  name: "complete",
  summary: "a session is done",
  where: "workspace",
  arguments: [WHICH],
  example: "cox session complete WFS-user-auth",
  run: (input, context) => settle(input, context, "completed"),
};

const resume: Subcommand = {
  name: "resume",
  summary: "a session goes on",
  description:
    "Makes a session active again. Others stay active too, as far as max_active_sessions allows: the newest stay.",
  where: "workspace",
  arguments: [{ ...WHICH, text: "WFS-topic, or just the topic; without it the only one" }],
  example: "cox session resume WFS-user-auth",
  async run(input, { workspace, paint }) {
    const resumed = await exclusively(workspace, async () => {
      const written = input.text("session");
      const found = written === undefined ? onlyOne(workspace) : findSession(workspace, written);
      if ("trouble" in found) return found;
      const { active } = readSessions(workspace.folder);
      const status = writtenStatus(workspace, found.ok) ?? "active";
      const changed = !active.includes(found.ok) || status !== "active";
      if (changed) await touchMarker(workspace, found.ok, []);
      await statusFollows(workspace);
      return { id: found.ok, changed };
    });
    if ("trouble" in resumed) return refused(resumed.trouble);
    const { id, changed } = resumed;
    const daemon = await daemonOf(workspace);
    const json = { session: id, changed, daemon: daemon.up ? "up" : "down" };
    if (!changed) return done(`${id} is active already.`, json);
    return done(
      [`${id} is active.`, paint("dim", `The same as: touch .workflow/.active-${id}`), whoActs(daemon)].join("\n"),
      json,
    );
  },
};

export const command: Command = {
  description: "Sessions: each has its own tasks; those of the active one run.",
  subcommands: [make, list, pause, resume, complete],
  example: 'cox session new "User auth"',
};

async function settle(input: Input, { workspace, paint }: Here, status: "paused" | "completed"): Promise<Outcome> {
  const settled = await exclusively(workspace, async () => {
    const written = input.text("session");
    const found = written === undefined ? currentSession(workspace) : findSession(workspace, written);
    if ("trouble" in found) return found;
    const { sessions, active } = readSessions(workspace.folder);
    const id = found.ok;
    const before = sessions.find(({ session_id }) => session_id === id)?.status;
    if (before === status && !active.includes(id)) return { id, changed: false };
    const trouble = await setStatus(workspace, id, status);
    if (trouble) return { trouble };
    await removeMarker(workspace, id);
    return { id, changed: true };
  });
  if ("trouble" in settled) return refused(settled.trouble);
  const { id, changed } = settled;
  const daemon = await daemonOf(workspace);
  const { tasks } = readTasks(workspace.folder, id);
  const running = tasks.filter((task) => task.status === "active").map((task) => task.id);
  const open =
    status === "completed" ? tasks.filter((task) => task.status === "pending" || task.status === "blocked").length : 0;
  const json = { session: id, changed, status, running, open, daemon: daemon.up ? "up" : "down" };
  if (!changed) return done(`${id} is ${status} already.`, json);
  const lines = [
    `${id} is ${status}.`,
    ...(running.length > 0 ? [`Still running, to their end: ${running.join(", ")}.`] : []),
    ...(open > 0 ? [`${open} of its tasks ${open === 1 ? "was" : "were"} not completed.`] : []),
    paint("dim", `The same as: set status to ${status} in .workflow/${at.sessionFile(id)}; rm .workflow/.active-${id}`),
    `To go on: cox session resume ${id}`,
  ];
  return done(lines.join("\n"), json);
}

function onlyOne(workspace: Workspace): ReturnType<typeof findSession> {
  const waiting = readSessions(workspace.folder).sessions.filter(({ status }) => status === "paused");
  const [only] = waiting;
  if (only && waiting.length === 1) return { ok: only.session_id };
  return waiting.length === 0
    ? currentSession(workspace)
    : {
        trouble: {
          exit: 2,
          what: "Several sessions are paused.",
          todo: `Name one: cox session resume ${only?.session_id}`,
        },
      };
}
