/** Transitions as ledger commits: subject and trailers. SPEC section 7. */
import type { LedgerEntry } from "./ledger.ts";
import type { Transition } from "../model/transition.ts";
import type { Instant } from "../model/time.ts";
import { unreachable } from "../model/unreachable.ts";

export interface EntryFacts {
  at: Instant;
  codeCommit: string | null;
  /** Set for attempts that no model stood behind. */
  note?: string;
}

export function entryOf(transition: Transition, facts: EntryFacts): Omit<LedgerEntry, "changes"> {
  return {
    subject: subjectOf(transition),
    trailers: trailersOf(transition, facts),
    actor: transition.by,
    at: facts.at,
  };
}

export function subjectOf(transition: Transition): string {
  switch (transition.of) {
    case "task":
      return `${transition.session} ${transition.id}: ${transition.from} -> ${transition.to}`;
    case "task-edit": {
      const verb = transition.by === "person" ? "steered" : "noted";
      return `${transition.session} ${transition.id}: ${verb} (${transition.fields.join(", ") || "form"})`;
    }
    case "session":
      return `${transition.session}: ${transition.from} -> ${transition.to}`;
    case "session-edit": {
      const verb = transition.by === "person" ? "steered" : "noted";
      return `${transition.session}: ${verb} (${transition.fields.join(", ") || "form"})`;
    }
    case "workspace":
      return `workspace: ${transition.text}`;
    default:
      return unreachable(transition);
  }
}

function trailersOf(transition: Transition, facts: EntryFacts): [string, string][] {
  const trailers: [string, string | number | null | undefined][] = [];
  if (transition.of !== "workspace") trailers.push(["Cox-Session", transition.session]);
  if (transition.of === "task" || transition.of === "task-edit") trailers.push(["Cox-Task", transition.id]);
  if (transition.of === "task" || transition.of === "session") {
    trailers.push(["Cox-From", transition.from], ["Cox-To", transition.to]);
  }
  if (transition.of === "task") {
    trailers.push(
      ["Cox-Reason", transition.reason ?? transition.after?.execution.reason],
      ["Cox-Attempt", transition.attempt],
      ["Cox-Actor", transition.by],
      ["Cox-Model", transition.facts?.model],
      ["Cox-Cost-USD", transition.facts?.cost_usd],
      ["Cox-Agent-Session", transition.facts?.agent_session],
      [
        "Cox-Code-Commit",
        transition.attempt === undefined ? null : (transition.facts?.work?.commit ?? facts.codeCommit),
      ],
      ["Cox-Note", transition.attempt === undefined ? null : facts.note],
    );
  } else {
    if (transition.of === "session") trailers.push(["Cox-Reason", transition.reason]);
    trailers.push(["Cox-Actor", transition.by]);
  }
  return trailers.flatMap(([key, value]): [string, string][] =>
    value === null || value === undefined || value === "" ? [] : [[key, String(value)]],
  );
}
