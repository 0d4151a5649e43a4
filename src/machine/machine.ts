/**
 * The machine: `decide` says what follows from events, `apply` makes it the state. No clock, no chance, no I/O: those
 * come in as arguments (`Lent`), and what shall be done goes out as values (`Effect`). Read this file first.
 *
 * A decision may be thrown away: until `apply`, nothing has happened. The daemon writes the decision's transitions to
 * disk and ledger, applies it, and only then performs its effects.
 */
import { taskKey } from "../model/ids.ts";
import type { Change, Effect } from "../model/transition.ts";
import { unreachable } from "../model/unreachable.ts";
import { keepBudgets, progressed } from "./budget.ts";
import { deriveContainers } from "./containers.ts";
import { Draft } from "./draft.ts";
import type { Event } from "./event.ts";
import { partsKnown, partsOver, taskSteered, wholeDeleted } from "./parts.ts";
import { patternsEdited } from "./patterns.ts";
import { keepTimeLimits } from "./people.ts";
import type { Lent, Policy } from "./policy.ts";
import { sessionIdle } from "./retention.ts";
import { schedule } from "./schedule.ts";
import { deriveSessions, followMarkers, sessionEdited, sessionFound, sessionGone } from "./sessions.ts";
import { ended } from "./settle.ts";
import { emptySession, setTask, type State } from "./state.ts";
import { stepDecided } from "./steps.ts";
import { answered, stopRun, tasksFound, trustChanged } from "./steering.ts";

export interface Decision {
  changes: Change[];
  effects: Effect[];
}

export function decide(state: State, events: readonly Event[], policy: Policy, lent: Lent): Decision {
  const draft = new Draft(state);
  for (const event of events) react(draft, event, policy, lent);
  keepTimeLimits(draft, policy, lent);
  deriveContainers(draft);
  keepBudgets(draft, policy, lent);
  schedule(draft, policy, lent);
  deriveSessions(draft, lent.now);
  return { changes: draft.changes, effects: draft.effects };
}

function react(draft: Draft, event: Event, policy: Policy, lent: Lent): void {
  switch (event.type) {
    case "tasks-found":
      return tasksFound(draft, event);
    case "task-edited":
      return taskSteered(draft, event);
    case "step-decided":
      return stepDecided(draft, event);
    case "parts-known":
      return partsKnown(draft, event);
    case "parts-over":
      return partsOver(draft, event, lent.now);
    case "task-deleted":
      return wholeDeleted(draft, event);
    case "trust-changed":
      return trustChanged(draft, event);
    case "session-found":
      return sessionFound(draft, event, lent);
    case "session-edited":
      return sessionEdited(draft, event, policy);
    case "session-gone":
      return sessionGone(draft, event);
    case "session-idle":
      return sessionIdle(draft, event, policy, lent);
    case "markers":
      return followMarkers(draft, event.present, policy);
    case "ended":
      return ended(draft, event, policy, lent);
    case "progress":
      return progressed(draft, event);
    case "answered":
      return answered(draft, event, policy, lent.now);
    case "patterns-edited":
      return patternsEdited(draft, event.file);
    case "repaired":
      return draft.add({ of: "workspace", text: event.text, by: "daemon" });
    case "triggered":
      return draft.add({ of: "workspace", text: event.text, by: "daemon", calm: true });
    case "tick":
      return;
    case "drain":
      return draft.add({ of: "draining", draining: true });
    case "stop-all":
      draft.add({ of: "draining", draining: true });
      for (const run of draft.runs()) stopRun(draft, run, event.why);
      return;
    default:
      unreachable(event);
  }
}

/** Makes the changes the state. The state given is used up: go on with the one returned. */
export function apply(state: State, changes: readonly Change[]): State {
  for (const change of changes) applyOne(state, change);
  return state;
}

function applyOne(state: State, change: Change): void {
  switch (change.of) {
    case "task": {
      const session = state.sessions.get(change.session);
      if (!session) return;
      setTask(session, change.id, change.after);
      for (const other of change.also ?? []) setTask(session, other.id, other);
      return;
    }
    case "task-edit": {
      const session = state.sessions.get(change.session);
      if (session) setTask(session, change.id, change.after);
      return;
    }
    case "session":
    case "session-edit":
    case "session-file": {
      if (change.after === null) {
        state.sessions.delete(change.session);
        return;
      }
      const session = state.sessions.get(change.session);
      if (session) session.file = change.after;
      else state.sessions.set(change.session, emptySession(change.after));
      return;
    }
    case "workspace":
      return;
    case "run-started":
      state.runs.set(taskKey(change.run.session, change.run.id), change.run);
      return;
    case "run-stopping": {
      const run = state.runs.get(taskKey(change.session, change.id));
      if (run && !run.stopping) state.runs.set(taskKey(change.session, change.id), { ...run, stopping: change.why });
      return;
    }
    case "run-ended":
      state.runs.delete(taskKey(change.session, change.id));
      return;
    case "run-progress": {
      const key = taskKey(change.session, change.id);
      const run = state.runs.get(key);
      if (run) state.runs.set(key, { ...run, seen: change.seen });
      return;
    }
    case "spent":
      state.spent = { day: change.day, ...change.spent };
      return;
    case "warning":
      if (change.until) state.warnings.set(change.account, change.until);
      else state.warnings.delete(change.account);
      return;
    case "proven":
      if (change.proven) state.proven.add(change.account);
      else state.proven.delete(change.account);
      return;
    case "limit":
      if (change.until) state.limits.set(change.account, change.until);
      else state.limits.delete(change.account);
      return;
    case "breaker":
      state.breakers.set(change.key, change.breaker);
      return;
    case "patterns":
      state.patterns = change.after;
      return;
    case "draining":
      state.draining = change.draining;
      return;
    default:
      unreachable(change);
  }
}
