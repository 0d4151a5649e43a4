/** `cox switch`: another session becomes the active one. */
import { done, refused, type Command } from "./command.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { exclusively, touchMarker } from "./edit.ts";
import { findSession } from "./naming.ts";
import { writtenStatus, statusFollows } from "./session-status.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { at } from "../../store/paths.ts";
import { oneLine } from "./text.ts";

export const command: Command = {
  where: "workspace",
  description: "Makes a session the active one. Agents of the session left behind finish; nothing new of it starts.",
  arguments: [{ name: "session", text: "WFS-topic, or just the topic", is: "session" }],
  example: "cox switch WFS-user-auth",
  async run(input, { workspace, paint }) {
    const switched = await exclusively(workspace, async () => {
      const found = findSession(workspace, input.text("session") ?? "");
      if ("trouble" in found) return found;
      const { active } = readSessions(workspace.folder);
      const left = active.filter((id) => id !== found.ok);
      const written = active[0] === found.ok ? writtenStatus(workspace, found.ok) : undefined;
      const contradicted = written !== undefined && written !== "active";
      const changed = active[0] !== found.ok || left.length > 0 || contradicted;
      if (changed) await touchMarker(workspace, found.ok, left);
      await statusFollows(workspace);
      return { id: found.ok, left, changed, ...(contradicted ? { written } : {}) };
    });
    if ("trouble" in switched) return refused(switched.trouble);
    const { id, left, changed, written } = switched;
    const daemon = await daemonOf(workspace);
    const json = { session: id, changed, paused: left, daemon: daemon.up ? "up" : "down" };
    if (!changed) return done(`${id} is active already.`, json);
    const removed = left.length > 0 ? `rm ${left.map((other) => `.workflow/.active-${other}`).join(" ")}; ` : "";
    const behind = left.length > 0 ? ` ${left.join(", ")} ${left.length === 1 ? "is" : "are"} paused.` : "";
    return done(
      [
        `${id} is active.${behind}`,
        ...(written === undefined
          ? []
          : [
              `Its marker was there, though ${at.sessionFile(id)} says ${oneLine(written, 40)}: the marker was touched anew.`,
            ]),
        paint("dim", `The same as: ${removed}touch .workflow/.active-${id}`),
        whoActs(daemon),
      ].join("\n"),
      json,
    );
  },
};
