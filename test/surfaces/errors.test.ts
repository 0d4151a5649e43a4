/** `cox errors`. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { repository, type Lab } from "./lab.ts";

const FILE = ".workflow/errors/patterns.json";
const pattern = (error_signature: string, last_seen: string, more: Record<string, unknown> = {}) => ({
  error_signature,
  occurrence_count: 2,
  first_seen: "2026-11-20T10:00:00.000Z",
  last_seen,
  recoverable: true,
  recovered_count: 1,
  ...more,
});
const NETWORK = "network:api.github.com: fetch of <url> failed";
const MISSING = "invalid:exit 127:frobnicate: exit code #: the command was not found";

function known(lab: Lab): void {
  const patterns = [
    pattern(NETWORK, "2026-11-21T10:00:00.000Z", {
      recommended_action: "call \u001b[31mAda",
      notes: "the proxy",
      mine: 1,
    }),
    pattern(MISSING, "2026-11-22T10:00:00.000Z", { recoverable: false, occurrence_count: 1, recovered_count: 0 }),
  ];
  lab.write(FILE, JSON.stringify({ patterns }));
  lab.cox("session", "new", "alpha", "--switch");
  lab.cox("add", "build it", "--agent", "command", "--command", "frobnicate");
  const path = ".workflow/WFS-alpha/.task/impl-1.json";
  const task = JSON.parse(lab.read(path)) as { status: string; execution: Record<string, unknown> };
  lab.write(
    path,
    JSON.stringify({ ...task, status: "blocked", execution: { ...task.execution, failed_with: MISSING } }),
  );
}

interface Answer {
  file: string;
  patterns: { error_signature: string; group: string; fix: string; tasks: string[]; mine?: number }[];
}

describe("cox errors", () => {
  test("shows what was learned by group, with a fix, and which tasks failed like this", (t) => {
    const lab = repository(t, { init: true });
    assert.equal(lab.cox("errors").out, "No failure was met yet.\n");
    known(lab);
    const { exit, out } = lab.cox("errors");
    assert.equal(exit, 0);
    assert.equal(
      out,
      [
        "network",
        `  ${NETWORK}`,
        "    2 times · last 2026-11-21T10:00:00.000Z · 1 recovered",
        "    note: the proxy",
        "    fix: call Ada",
        "",
        "missing dependency",
        `  ${MISSING}`,
        "    1 time · last 2026-11-22T10:00:00.000Z · none recovered · not tried again",
        "    now: WFS-alpha/impl-1",
        "  fix: Install what it names, or put it on the PATH that the daemon was started with (cox restart); then cox retry.",
        "",
      ].join("\n"),
    );
    const { patterns, file } = lab.json<Answer>("errors");
    assert.equal(file, FILE);
    assert.deepEqual(
      patterns.map((each) => [each.error_signature, each.group, each.tasks, each.mine]),
      [
        [MISSING, "missing dependency", ["WFS-alpha/impl-1"], undefined],
        [NETWORK, "network", [], 1],
      ],
    );
  });

  test("shows those of one session with -s", (t) => {
    const lab = repository(t, { init: true });
    known(lab);
    assert.deepEqual(
      lab.json<Answer>("errors", "-s", "alpha").patterns.map((each) => each.error_signature),
      [MISSING],
    );
    lab.cox("session", "new", "beta");
    assert.equal(lab.cox("errors", "--session", "beta").out, "No task of WFS-beta has failed last.\n");
    assert.equal(lab.cox("errors", "-s", "gamma").exit, 1);
  });

  test("says where a file is wrong that cannot be used: 1", (t) => {
    const lab = repository(t, { init: true });
    lab.write(FILE, '{"patterns": [{"recoverable": "no"}]}');
    const { exit, err } = lab.cox("errors");
    assert.equal(exit, 1);
    assert.match(err, /patterns\.json cannot be used/);
    assert.match(err, /error_signature is missing/);
    assert.match(err, /recoverable is "no"; it must be a boolean/);
    assert.equal(lab.cox("validate").exit, 1);
    assert.match(lab.cox("validate", FILE).out + lab.cox("validate", FILE).err, /error_signature is missing/);
  });

  test("does not go by a file that arrived by git", (t) => {
    const lab = repository(t, { init: true });
    known(lab);
    lab.git("add", "-f", FILE);
    const { exit, err } = lab.cox("errors");
    assert.equal(exit, 1);
    assert.match(err, /cox trust \.workflow\/errors\/patterns\.json/);
  });
});
