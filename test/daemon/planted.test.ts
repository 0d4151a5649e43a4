/** Secrets planted wherever text goes: none may be found in git, nor in the daemon's log. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

/** Made, never issued; in parts, so that this file itself holds nothing that looks like a key. */
const letters = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7dE9fG1hJ3kL5mN7pQ9rS1tU3v";
let turn = 0;
/** Others each time, so that one that is found tells which it is. */
const some = (length: number) => {
  const from = ++turn % 24;
  return (letters.slice(from) + letters).slice(0, length);
};
const hex = (length: number) => Buffer.from(some(length)).toString("hex").slice(0, length);
const pem = (type: "pkcs1" | "pkcs8") =>
  String(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ type, format: "pem" }));

/** What must not be found: of each secret enough to know it by. */
const needles: [name: string, needle: string][] = [];
const secret = (name: string, text: string, part: string) => {
  needles.push([name, part]);
  return text;
};
const made = (name: string, start: string, length: number) => {
  const rest = some(length);
  return secret(name, start + rest, rest);
};
const behind = (name: string, before: string, value: string, after = "") => secret(name, before + value + after, value);

const given = {
  PASSED_RAW: "Orchid Lantern #4471 raw",
  PASSED_BASE64: "Cedar/Anchor+8820 encoded",
  PASSED_URL: "Willow & Harbour/3319 url",
  PASSED_JSON: 'Maple "Quarry" \\5567 json',
  PASSED_BROKEN: "Juniper-Beacon-9904-broken-over-lines",
  PASSED_NUMBER: "700412993",
};
needles.push(...Object.entries(given));
needles.push(
  ["base64", Buffer.from(given.PASSED_BASE64).toString("base64").replace(/=+$/, "")],
  ["URL", encodeURIComponent(given.PASSED_URL)],
  ["JSON", JSON.stringify(given.PASSED_JSON).slice(1, -1)],
  ["broken", "9904-broken"],
);

const jwt = [{ alg: "HS256" }, { sub: "1234567890", name: "Ada" }]
  .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
  .join(".");
const rsa = pem("pkcs1");
const pkcs8 = pem("pkcs8");
const inBase64 = Buffer.from(`token: ghp_${some(36)}`).toString("base64");
const split = some(36);

const lines = {
  title: made("Anthropic", "sk-ant-api03-", 60),
  requirement: made("OpenAI", "sk-proj-", 48),
  acceptance: made("GitHub", "ghp_", 36),
  prompt: [
    `github_pat_${made("GitHub's fine-grained", `${some(22)}_`, 59)}`,
    made("GitLab", "glpat-", 20),
    secret("an AWS key's id, bare", `AKIA${"Q3EGRIYNX7TZLPO2"}`, "Q3EGRIYNX7TZLPO2"),
    behind("AWS's secret", "AWS_SECRET_ACCESS_KEY=", `${some(38)}/+`),
    made("Google", "AIza", 35),
  ],
  output: [
    made("Slack", `xoxb-${"123456789012-1234567890123-"}`, 24),
    secret(
      "a webhook",
      `https://hooks.slack.com/services/${"T0AB12CD3/B0EF45GH6/"}${letters.slice(5, 29)}`,
      "B0EF45GH6",
    ),
    made("Stripe", "sk_live_", 24),
    made("Stripe, restricted", "rk_live_", 24),
    made("npm", "npm_", 36),
    made("PyPI", "pypi-AgEIcHlwaS5vcmc", 40),
    `SG.${some(22)}.${made("SendGrid", "", 43)}`,
    secret("Twilio", `SK${hex(32)}`, hex(32)),
    made("Hugging Face", "hf_", 34),
    made("a JWT", `${jwt}.`, 43),
    secret("an RSA key", rsa, rsa.split("\n")[3] ?? ""),
    secret("a token in base64", inBase64, inBase64.slice(8, 40)),
    secret("a key over two lines", `ghp_${split.slice(0, 18)}\n${split.slice(18)}`, split.slice(18)),
  ],
  error: [
    behind("a password", "password=", "hunter2-and-more-4410"),
    behind("a client's secret", '{"client_secret": "', some(31), '"}'),
    behind("a token by its name", "FOO_TOKEN=", "correcthorsebatterystaple7"),
    behind("64 digits", "SIGNING_KEY=", hex(64)),
    behind("a database's password", "postgres://app:", "s3cr3t-pw-8821", "@db.internal/app"),
    behind("an authorization", "Authorization: Bearer ", some(33)),
  ],
  other: [secret("a PKCS#8 key", pkcs8, pkcs8.split("\n")[3] ?? "")],
};

function assertNoneIn(where: string, text: string): void {
  for (const [name, needle] of needles) {
    assert.ok(needle.length >= 8, name);
    const at = text.indexOf(needle);
    assert.ok(at === -1, `${name} is in ${where}: ${text.slice(Math.max(0, at - 60), at + 60)}`);
  }
}

/** Puts the secrets where text goes. */
async function plant(shop: Workshop): Promise<void> {
  shop.drop("said.txt", `${lines.output.join("\n")}\n`);
  shop.drop("agents/teller.md", `---\nname: teller\nrunner: command\ncommand: 'true'\n---\n${lines.other[0]}\n`);
  shop.drop(
    `${SESSION}/notes/strange.txt`,
    Buffer.concat([Buffer.from([0xff, 0xfe, 0x41]), Buffer.from(lines.prompt[1] ?? "")]),
  );
  shop.command(
    "impl-1",
    [
      "cat .workflow/said.txt",
      'echo "raw $PASSED_RAW number $PASSED_NUMBER"',
      'printf %s "$PASSED_BASE64" | base64 -w0; echo',
      `echo 'url ${encodeURIComponent(given.PASSED_URL)}'`,
      `printf '%s' "$PASSED_JSON" | sed 's/[\\\\"]/\\\\&/g'; echo`,
      'echo "$PASSED_BROKEN" | fold -w 15',
    ].join("; "),
    {
      title: `Use ${lines.title}`,
      context: { requirements: [lines.requirement], acceptance: [lines.acceptance] },
      execution: { env: Object.keys(given) },
      strange: { [lines.acceptance]: 700412993, port: [700412993] },
    },
  );
  shop.command(
    "impl-7",
    `echo ${JSON.stringify(lines.error.join("; ").replaceAll('"', ""))} >&2; cat .workflow/err.txt >&2; exit 1`,
    {
      execution: { max_attempts: 1 },
    },
  );
}

test("of thirty secrets and more that are planted none becomes a git object, and none is in the log", async (t) => {
  assert.ok(needles.length >= 30, String(needles.length));
  const shop = await workshop(t, {
    env: { ...given, COX_LEDGER_TRANSCRIPTS: "true" },
    before: (before) => before.drop("err.txt", `${lines.error.join("\n")}\n`),
  });
  await plant(shop);
  await shop.becomes("impl-1", "completed");
  await shop.becomes("impl-7", "blocked");
  // From now on these are secrets that agents were given, whoever writes them.
  shop.drop(`${SESSION}/prompts/ask.md`, `# Ask\n\n${lines.prompt.join("\n")}\n\n${given.PASSED_RAW}\n`);
  const dropped = await shop.until("the prompt is a task", () => shop.tasks().find(({ title }) => title === "Ask")?.id);
  await shop.recorded(new RegExp(`${dropped}: new -> `));
  await shop.recorded(/strange\.txt/);
  await shop.stop();
  // They are on disk, as they were.
  assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), /Orchid Lantern/);
  assert.match(shop.read(`${SESSION}/responses/impl-7-a1.json`), /correcthorse/);
  assertNoneIn("git log -p --all", shop.git("log", "-p", "--all", "--format=fuller"));
  assertNoneIn("an object", shop.git("cat-file", "--batch-all-objects", "--batch", "--buffer"));
  assertNoneIn("the daemon's log", shop.read(".run/log/daemon.jsonl") + shop.output);
  for (const path of shop.recordedPaths().filter((name) => name.endsWith(".json")))
    JSON.parse(shop.recordedFile(path) ?? "");
  const counts = shop.ledger().flatMap(({ trailers }) => trailers["Cox-Redacted"] ?? []);
  assert.ok(counts.reduce((sum, count) => sum + Number(count), 0) >= 30, counts.join(" "));
});
