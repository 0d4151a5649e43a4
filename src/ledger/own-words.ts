/**
 * Coxswain's own words: the keys of its files, its statuses, reasons, ids and times, in the places where it writes them.
 * They are no secrets, even where a secret has the same value; without them a file, or a task's chain, would be lost.
 */

/** Keys of task, session, response, checkpoint, metrics and log. */
export const OWN_KEYS: ReadonlySet<string> = new Set(
  (
    "$schema id title status type agent paths context requirements scope acceptance inherited_from relations parent subtasks " +
    "dependencies execution timeout max_attempts model effort budget_usd max_turns priority isolation verify approve approved " +
    "command prompt_file response_schema output when continue_on_error env attempts last_attempt attempt run_id agent_session " +
    "started_at ended_at outcome error class message hint retry_at cost_usd tokens input cache_read cache_write turns " +
    "duration_ms failures next_attempt_at reason branch commit source file sha256 implementation files path location function " +
    "lines description original_code modifications current_state proposed_changes logic_flow expected_outcome context_notes " +
    "affected_modules risks performance_considerations error_handling analysis_source session_id project current_phase " +
    "progress completed_phases current_tasks created_at updated_at task session result structured permission_denials tool_name " +
    "tool_input at runs role stopping process waits until limits breakers state probe highest timestamp error_class level text " +
    "budget_tokens fallback_agent spent fell_back_from over_budget conflict continued usd of unit limit fields versions day failed_with " +
    "require_changes merging base_branch work base merged commits patch blob added deleted withheld why noticed gates passed exit_code output " +
    "tools workflow name run step vars finally handles met skipped trouble retry_base python for_each max_parallel repeat until max " +
    "call parts part_of index item round told cause on key about depth concurrency outputs results " +
    "n workflows triggers begun asked last refs digest lane plan estimate minutes summary role questions " +
    "review reviews reviewing by rule max_rounds verdict findings severity line what acceptance criterion evidence rounds given accepted " +
    "choices form time_limit default answer due_at answered_by"
  ).split(" "),
);

/** Keys joined by `/`; `*` stands for any one, and for a list's places. */
const PLACES = [
  ...["id", "status", "type", "agent", "session_id", "current_phase", "created_at", "updated_at", "branch", "$schema"],
  ...[
    "task",
    "session",
    "attempt",
    "run_id",
    "agent_session",
    "outcome",
    "cost_usd",
    "tokens/*",
    "turns",
    "duration_ms",
  ],
  ...["error/class", "error/retry_at", "at", "highest", "limits/*", "timestamp", "role", "error_class", "level"],
  ...["runs/*/task", "runs/*/attempt", "runs/*/run_id", "runs/*/role", "runs/*/started_at", "runs/*/stopping"],
  ...["runs/*/process/*", "waits/*/task", "waits/*/until", "waits/*/reason"],
  ...["breakers/*/state", "breakers/*/failures/*", "breakers/*/until"],
  ...["progress/completed_phases/*", "progress/current_tasks/*", "context/inherited_from"],
  ...["relations/parent", "relations/subtasks/*", "relations/dependencies/*", "implementation/analysis_source"],
  ...[
    "attempts",
    "failures",
    "next_attempt_at",
    "due_at",
    "reason",
    "branch",
    "commit",
    "isolation",
    "approve",
    "plan",
    "prompt_file",
    "spent/*",
    "over_budget/*",
    "conflict/versions/*",
  ].map((key) => `execution/${key}`),
  ...["spent/*", "execution/last_attempt/continued", "work/branch", "work/base", "work/commit", "work/merged"],
  ...["work/commits/*/id", "work/commits/*/patch", "work/files/*/blob", "gates/*/duration_ms"],
  ...["source/file", "source/sha256"].map((key) => `execution/${key}`),
  ...["attempt", "run_id", "agent_session", "started_at", "ended_at", "outcome", "error/class", "error/retry_at"].map(
    (key) => `execution/last_attempt/${key}`,
  ),
  ...["cost_usd", "tokens/*", "turns", "duration_ms"].map((key) => `execution/last_attempt/${key}`),
  ...["answered_by", "execution/last_attempt/answered_by"],
  ...["role", "run_id", "review", "started_at"].map((key) => `execution/last_attempt/reviewing/${key}`),
  ...["attempt", "begun", "rounds", "failures", "error/class", "error/retry_at"].map(
    (key) => `execution/reviews/${key}`,
  ),
  ...["role", "run_id", "review", "cost_usd", "verdict", "findings/*/severity", "findings/*/line"].map(
    (key) => `execution/reviews/given/*/${key}`,
  ),
  ...["execution/review", "execution/review/*", "execution/review/by/*"],
];
const PLACE = new RegExp(
  `^(?:${PLACES.map((place) => place.replace("$", "\\$").replaceAll("*", "[^/]+")).join("|")})$`,
);

/** What stands in those places; a test holds it against the schemas. */
const WORDS: ReadonlySet<string> = new Set(
  (
    "new deleted pending active completed blocked container paused feature bugfix refactor test docs manual gemini codex " +
    "auto-detected failed timeout stalled budget verify conflict auth invalid untrusted awaiting-approval awaiting-person " +
    "rejected cancelled backoff usage-limit breaker-open waiting worktree none before after network overloaded rate-limit " +
    "crash permission unknown success failure interrupted stopped simple medium complex PLAN IMPLEMENT REVIEW requeued " +
    "shutdown required allowed closed open half-open debug info warn error daemon person human command claude scripted code-developer " +
    "planning-agent code-review-test-agent review-agent elsewhere task run session day usd tokens turns skipped " +
    "review accept reject must should could all majority time-limit"
  ).split(" "),
);

const SESSION = "WFS-[a-z0-9]+(?:-[a-z0-9]+)*";
const TASK = "impl-\\d{1,9}(?:\\.\\d{1,9})?";
const FORM = new RegExp(
  `^(?:-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?|${SESSION}|${TASK}|cox/${SESSION}/(?:session|${TASK})|` +
    `(?:${SESSION}/)?(?:\\.task|prompts|responses)/${TASK}(?:-a\\d+)?\\.(?:json|md)|(?:\\.\\./)*\\.run/schemas/[a-z-]+\\.schema\\.json|` +
    "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{40}|[0-9a-f]{64})$",
);

/** Whether what stands at a place of a JSON file (keys joined by `/`) is Coxswain's own word, id, time or figure. */
export function isOwn(place: string, value: string | number): boolean {
  return PLACE.test(place) && isOwnWord(String(value));
}

function isOwnWord(value: string): boolean {
  return WORDS.has(value) || FORM.test(value);
}

/** A commit's subject: what of its beginning is Coxswain's own, and the rest. */
export function ownSubject(subject: string): { own: string; rest: string } {
  const [own = ""] = SUBJECT.exec(subject) ?? [];
  const rest = subject.slice(own.length);
  const [, from = "", to = ""] = /^([a-z]+) -> ([a-z]+)$/.exec(rest) ?? [];
  const [, fields = ""] = /^\((.*)\)$/.exec(rest) ?? [];
  const told = fields === "form" || (fields && fields.split(", ").every((name) => isOwnField(name)));
  if (own && ((WORDS.has(from) && WORDS.has(to)) || told)) return { own: subject, rest: "" };
  return { own, rest };
}

function isOwnField(name: string): boolean {
  return name.split(".").every((key) => OWN_KEYS.has(key));
}

const SUBJECT = new RegExp(
  `^(?:${SESSION}(?: ${TASK})?|workspace): (?:(?:steered|noted) (?=\\()|(?:changed|removed) )?`,
);

export function isOwnTrailer(key: string, value: string): boolean {
  return OWN_TRAILERS.has(key) && isOwnWord(value);
}

const OWN_TRAILERS = new Set(
  ["Session", "Task", "From", "To", "Reason", "Attempt", "Actor", "Cost-USD", "Agent-Session", "Code-Commit"]
    .map((key) => `Cox-${key}`)
    .concat("Cox-Redacted"),
);
