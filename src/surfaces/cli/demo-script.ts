/** What is played in `cox demo`: a small project, a role whose agent is scripted, its script, and the tasks. */

export const SESSION_TOPIC = "Greeter";
export const SESSION = "WFS-greeter";

export const PROJECT: Readonly<Record<string, string>> = {
  "README.md": "# Greeter\n\nGreets the world: `sh bin/greet`\n",
  "bin/greet": '#!/bin/sh\necho "Hello, world!"\n',
  "test/greet.sh": '#!/bin/sh\nset -e\ntest "$(sh bin/greet)" = "Hello, world!"\necho "ok: the world"\n',
};

/** Everything else keeps its default; agents work in the repository itself, so that their changes are seen at once. */
export const SETTINGS = "isolation: none\nnotify:\n  level: none\n";

export const ROLE_FILE = "agents/actor.md";
export const SCRIPT_FILE = "agents/actor.json";
export const ROLE = `---
name: actor
description: Plays a script for the demonstration. No model is called.
runner: scripted
script: .workflow/${SCRIPT_FILE}
---

This role stands in for a real one: its agent is a process that changes files, but asks no model.
`;

const BY_NAME = 'echo "Hello, ${1:-world}!"';
const SHOUTING = 'if [ "$1" = --shout ]; then shift; set -- "$(echo "${1:-world}" | tr a-z A-Z)"; fi';

/** How long the agents of the two tasks work that something happens to; longer than it takes until it does. */
const KILLED_WORKS_FOR = "5s";
const STEERED_WORKS_FOR = "50s";

export const SCRIPT = {
  "Greet a person by name": [
    { say: "I read bin/greet and its test first." },
    { sleep: "600ms" },
    { replace: { path: "bin/greet", from: 'echo "Hello, world!"', to: BY_NAME } },
    { append: { path: "test/greet.sh", content: 'test "$(sh bin/greet Ada)" = "Hello, Ada!"\necho "ok: by name"\n' } },
    { run: "sh test/greet.sh" },
    { say: "It greets by name now, and the tests pass." },
  ],
  "Plan a --shout option": [
    { sleep: "500ms" },
    { write: { path: "docs/shout.md", content: "# --shout\n\n`sh bin/greet --shout Ada` prints `Hello, ADA!`\n" } },
    { say: "The plan is in docs/shout.md." },
  ],
  "Build the --shout option": [
    { say: "I build it as docs/shout.md says." },
    { sleep: KILLED_WORKS_FOR },
    { replace: { path: "bin/greet", from: BY_NAME, to: `${SHOUTING}\n${BY_NAME}` } },
    { say: "It shouts." },
  ],
  "Test the --shout option": [
    {
      append: {
        path: "test/greet.sh",
        content: 'test "$(sh bin/greet --shout Ada)" = "Hello, ADA!"\necho "ok: shouting"\n',
      },
    },
    { run: "sh test/greet.sh" },
    { say: "Tested." },
  ],
  "Greet in French": [
    { say: "I look for the right words in French." },
    { sleep: STEERED_WORKS_FOR },
    { write: { path: "greetings/french", content: "Bonjour\n" } },
  ],
  "Greet in Italian": [
    { sleep: "500ms" },
    { write: { path: "greetings/italian", content: "Ciao\n" } },
    { say: "Ciao!" },
  ],
} as const;

export const SIMPLE = { title: "Greet a person by name", agent: "actor" };
export const CHAIN = [
  { id: "impl-2", title: "Plan a --shout option", agent: "actor" },
  { id: "impl-3", title: "Build the --shout option", agent: "actor", relations: { dependencies: ["impl-2"] } },
  { id: "impl-4", title: "Test the --shout option", agent: "actor", relations: { dependencies: ["impl-3"] } },
] as const;
export const KILLED = "impl-3";
export const STEERED = { id: "impl-5", title: "Greet in French", agent: "actor" };
export const STEERED_TO = "Greet in Italian";

/** For `--live`: small, cheap, and seen at a glance. */
export const LIVE = {
  title: "Greet a person by name",
  paths: "bin/greet;test/greet.sh",
  context: {
    requirements: [
      "sh bin/greet Ada prints exactly: Hello, Ada!",
      "sh bin/greet without a name still prints: Hello, world!",
    ],
    acceptance: ["sh test/greet.sh passes, and tests both"],
  },
  execution: { budget_usd: 0.5, timeout: "5m", max_attempts: 1 },
};
