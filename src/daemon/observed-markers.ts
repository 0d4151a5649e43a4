/** Which sessions are marked as active, told when it changes. SPEC section 4. */
import { join } from "node:path";
import type { SessionId } from "../model/ids.ts";
import { at } from "../store/paths.ts";
import { readRegular, sha256 } from "../store/scan.ts";
import type { Look } from "./observation.ts";
import { announced, foundFolder, isFolder } from "./observed-folders.ts";
import { isTracked, isTrusted, type Workspace } from "./workspace.ts";

/** How long a marker may be there before its session is. */
const ORPHAN_MS = 500;

export class ObservedMarkers {
  private readonly workspace: Workspace;
  /** Markers of sessions that there are not (yet), and since when. */
  private readonly orphans = new Map<SessionId, number>();
  private last = "";

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  /** Whether a marker waits for its session. */
  get restless(): boolean {
    return this.orphans.size > 0;
  }

  /** Markers were changed by the daemon itself, or a decision about them was not carried out: tell them anew. */
  forget(): void {
    this.last = "";
  }

  look(look: Look): void {
    const { scanner, state } = this.workspace;
    const present = scanner
      .markers()
      .map(({ session }) => session)
      .filter((session) => this.isObeyed(session))
      .filter((session) => !this.isEarly(session, look));
    const sessions = new Set(state.sessions.keys());
    for (const event of look.seen.events) if (event.type === "session-found") sessions.add(event.file.session_id);
    const key = `${present.join(" ")}|${[...sessions].join(" ")}`;
    if (key === this.last) return;
    this.last = key;
    look.seen.events.push({ type: "markers", present });
  }

  private isObeyed(session: SessionId): boolean {
    const { folder, tracked } = this.workspace;
    const path = at.marker(session);
    if (!isTracked(tracked, path)) return true;
    const file = readRegular(join(folder, path));
    return file !== undefined && isTrusted(this.workspace, path, sha256(file.content));
  }

  /** A marker may be there a moment before its session is; one without a session is told only after a while. */
  private isEarly(session: SessionId, look: Look): boolean {
    const isKnown = () => this.workspace.state.sessions.has(session) || announced(look.seen, session);
    if (!isKnown() && isFolder(this.workspace, session)) foundFolder(this.workspace, session, look);
    if (isKnown()) this.orphans.delete(session);
    else if (!this.orphans.has(session)) this.orphans.set(session, look.now);
    const since = this.orphans.get(session);
    if (since === undefined) return false;
    const early = !look.starting && look.now - since < ORPHAN_MS;
    if (!early) this.orphans.delete(session);
    return early;
  }
}
