import assert from "node:assert/strict";
import { test } from "node:test";
import { redactor } from "../../src/ledger/redact.ts";

const redact = redactor([]);
/** Made, never issued; in parts, so that this file itself holds nothing that looks like a key. */
const letters = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7dE9fG1hJ3kL5mN7pQ9rS1tU3v";
const some = (length: number) => letters.slice(0, length);
const hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const pem = (kind: string) => {
  const lines = Array.from({ length: 4 }, () => some(64)).join("\n");
  return `-----BEGIN ${kind}-----\n${lines}\n${some(20)}==\n-----END ${kind}-----`;
};

const KEYS: [kind: string, key: string][] = [
  ["anthropic-key", `sk-ant-api03-${some(40)}-${some(20)}AA`],
  ["openai-key", `sk-proj-${some(48)}`],
  ["openai-key", `sk-${some(48)}`],
  ["github-token", `ghp_${some(36)}`],
  ["github-token", `gho_${some(36)}`],
  ["github-token", `github_pat_${some(22)}_${some(59)}`],
  ["gitlab-token", `glpat-${some(20)}`],
  ["aws-key-id", `AKIA${"IOSFODNN7EXAMPLE"}`],
  ["aws-key-id", `ASIA${"IOSFODNN7EXAMPLE"}`],
  ["google-key", `AIza${some(35)}`],
  ["slack-token", `xoxb-${"123456789012-1234567890123-"}${some(24)}`],
  ["slack-webhook", `hooks.slack.com/services/${"T00000000/B00000000/"}${some(24)}`],
  ["stripe-key", `sk_live_${some(24)}`],
  ["stripe-key", `rk_live_${some(24)}`],
  ["npm-token", `npm_${some(36)}`],
  ["pypi-token", `pypi-AgEIcHlwaS5vcmc${some(40)}`],
  ["sendgrid-key", `SG.${some(22)}.${some(43)}`],
  ["twilio-key", `SK${hex.slice(0, 32)}`],
  ["hugging-face-token", `hf_${some(34)}`],
  ["jwt", `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.${some(43)}`],
  ["private-key", pem("RSA PRIVATE KEY")],
  ["private-key", pem("OPENSSH PRIVATE KEY")],
  ["private-key", pem("PRIVATE KEY")],
  ["private-key", pem("PGP PRIVATE KEY BLOCK")],
];

test("a provider's key is replaced wherever it stands, in text, in JSON and in JSON inside JSON", () => {
  for (const [kind, key] of KEYS) {
    const around = [key, `it is ${key}.`, `x=${key}&y`, `(${key})`, `line\n${key}\nline`, `${key}, and ${key}`];
    for (const text of around) {
      for (const form of [
        text,
        JSON.stringify({ a: text, b: 1 }),
        JSON.stringify({ c: JSON.stringify({ a: text }) }),
      ]) {
        const { text: clean, count } = redact(form);
        const secretPart = kind === "private-key" ? some(20) : key.slice(-12);
        assert.ok(!clean.includes(secretPart), `${kind} stands in ${clean}`);
        assert.ok(clean.includes(`[redacted:${kind}]`), `${kind} is not named in ${clean}`);
        assert.ok(count > 0);
        if (form !== text) JSON.parse(clean);
      }
    }
  }
});

test("a private key that was cut off is replaced up to where it ends", () => {
  const cut = pem("RSA PRIVATE KEY").slice(0, 200);
  for (const form of [
    cut,
    JSON.stringify({ log: cut }),
    JSON.stringify({ log: JSON.stringify({ log: cut }) }),
    `${cut}\n\nThen it went on.`,
  ]) {
    const { text } = redact(form);
    assert.ok(!text.includes(some(20)), text);
    assert.ok(!form.startsWith("{") || JSON.parse(text));
    assert.ok(!form.endsWith("went on.") || text.endsWith("Then it went on."));
  }
});

test("a secret that only its name gives away is replaced, the name stays", () => {
  const cases: [text: string, clean: string][] = [
    ["password: hunter2hunter2", "password: [redacted:password]"],
    ["password=hunter2-and-more", "password=[redacted:password]"],
    ["passwd=s3cr3t!pass", "passwd=[redacted:password]"],
    ['db_password = "correct-horse-battery"', 'db_password = "[redacted:password]"'],
    [`aws_secret_access_key = ${some(38)}/+`, "aws_secret_access_key = [redacted:secret]"],
    [`AWS_SECRET_ACCESS_KEY=${some(40)}`, "AWS_SECRET_ACCESS_KEY=[redacted:secret]"],
    [`"clientSecret": "${some(20)}"`, '"clientSecret": "[redacted:secret]"'],
    [`api_key: '${some(24)}'`, "api_key: '[redacted:key]'"],
    [`apiKey="${some(24)}"`, 'apiKey="[redacted:key]"'],
    ["export DEPLOY_TOKEN=correcthorsebattery; ls", "export DEPLOY_TOKEN=[redacted:token]; ls"],
    [`ENCRYPTION_KEY=${hex}`, "ENCRYPTION_KEY=[redacted:key]"],
    [`SESSION_KEY='${some(24)}'`, "SESSION_KEY='[redacted:key]'"],
    [`?token=${some(24)}&page=2`, "?token=[redacted:token]&page=2"],
    ["postgres://app:s3cr3t-pw@db.internal/app", "postgres://app:[redacted:url-password]@db.internal/app"],
    [
      `https://x-access-token:${some(20)}@git.example/r.git`,
      "https://x-access-token:[redacted:url-password]@git.example/r.git",
    ],
    [`Authorization: Bearer ${some(30)}`, "Authorization: Bearer [redacted:authorization]"],
    [`curl -H "Authorization: Basic ${some(16)}=="`, 'curl -H "Authorization: Basic [redacted:authorization]"'],
    ['{"password": 1234567890}', '{"password": "[redacted:password]"}'],
    [
      String.raw`{"body":"{\"password\":\"hunter2hunter2\",\"n\":1}"}`,
      String.raw`{"body":"{\"password\":\"[redacted:password]\",\"n\":1}"}`,
    ],
    [
      String.raw`{"env":"A=1\nDB_PASSWORD=hunter2hunter2\nB=2"}`,
      String.raw`{"env":"A=1\nDB_PASSWORD=[redacted:password]\nB=2"}`,
    ],
    [String.raw`{"password":"ab\"cd\\ef1234"}`, '{"password":"[redacted:password]"}'],
  ];
  for (const [text, clean] of cases) assert.equal(redact(text).text, clean);
});

test("a key inside base64 is replaced, alone and in JSON", () => {
  const secrets = [
    `ghp_${some(36)}`,
    `user:npm_${some(36)}\n`,
    `{"auth":"sk-ant-api03-${some(40)}"}`,
    pem("EC PRIVATE KEY"),
  ];
  for (const secret of secrets) {
    const encoded = Buffer.from(secret).toString("base64");
    for (const form of [encoded, encoded.replace(/=+$/, ""), Buffer.from(secret).toString("base64url")]) {
      assert.equal(redact(`data: ${form}`).text, "data: [redacted:encoded-key]");
      assert.equal(redact(JSON.stringify({ a: `b\n${form}\n` })).text, '{"a":"b\\n[redacted:encoded-key]\\n"}');
    }
  }
});

test("a secret is found in a page's escaped text too, and the page stays one", () => {
  const cases: [text: string, clean: string][] = [
    [`  impl_1["IMPL-001: Use ghp#95;${some(36)}"]`, '  impl_1["IMPL-001: Use [redacted:github-token]"]'],
    [
      `a["SIGNING#95;KEY=${hex} #38; #34;more#34;"]\nb["x#95;y"]`,
      'a["SIGNING#95;KEY=[redacted:key] #38; #34;more#34;"]\nb["x#95;y"]',
    ],
    ['c["postgres://app:s3cr3t-pw#64;db/app"]', 'c["postgres://app:[redacted:url-password]#64;db/app"]'],
    [String.raw`- password=a1\*b2\~c3d4 it is`, "- password=[redacted:password] it is"],
    [`- sk-ant-api03-${some(20)}\\_-${some(20)}`, "- [redacted:anthropic-key]"],
  ];
  for (const [text, clean] of cases) assert.equal(redact(text).text, clean);
  const known = redactor(['a <b> *and* "c" & d']);
  assert.equal(known('n["a #60;b#62; #42;and#42; #34;c#34; #38; d"]').text, 'n["[redacted:value]"]');
  assert.equal(known('it is a &lt;b> \\*and\\* "c" & d').text.includes("and"), false);
});

const ORDINARY = [
  "token: the next token",
  "The secret: remember to breathe.",
  "password = getPassword()",
  "const token = await tokens.next();",
  "const password = process.env.PASSWORD1;",
  "password: string;",
  "token: Uint8Array,",
  "secret: config.auth2.secret",
  "if (token === expectedToken1) return;",
  'max_tokens=4096, "tokens": {"input": 12, "output": 34567890}',
  '"total_tokens": 1234567890, "token": 12345678',
  "token count: 12345678",
  "password=$DB_PASSWORD token=${TOKEN} secret={{ secret }}",
  "API_KEY=your-api-key-here1",
  'password: "<your password 1>"',
  'password: "********"',
  'input type="password" name="password" placeholder="Password"',
  '{ "type": "password", "label": "Password" }',
  "PRIMARY_KEY=customers_id1 PUBLIC_KEY=abcdefgh12345",
  "commit 3f786850e387550fdab836ed7e6dc881de23001b by Ada",
  "run_id 123e4567-e89b-12d3-a456-426614174000",
  '"agent_session": "0c5fe0a4-67cc-4a30-9b2e-7e1a2f0c9d11"',
  "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  "task-list-of-the-next-release-candidate, risk-assessment-for-everything-we-do",
  "sk-learn and sk-image are libraries; npm_config_registry_and_other_settings",
  "see https://example.com:8080/a@b and git@github.com:o/r.git, http://localhost:3000",
  "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
  "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
  "The header `Authorization: Bearer <token>` is required; a Bearer token is opaque.",
  "tokenizer: cl100k_base_v2, tokenize(text), secretary: Johnathan1",
  "Secrets such as passwords, tokens and API keys must not be logged.",
  "password_file: /run/secrets/db_password1",
  "api_key: src/auth/api-key1.ts",
  "WFS-user-auth impl-1: pending -> active",
  '"integrity": "sha512-5bTqgtZ0Xc1H4c3RrJ8YwQfG0iKn2vUu7mL9eAoB6dPz+SxkWhNjTyMfCgEaVrI4lD3OqXt1pZsKuJ8FvYw2Gg=="',
  `data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ${"AAAADUlEQVR42mNk".repeat(40)}AAAABJRU5ErkJggg==`,
  `SGVsbG8sIHdvcmxkLCB0aGlzIGlzIHBsYWluIHRleHQgaW4gYmFzZTY0Lg==`,
  "index 3f78685..89e6c98 100644, tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
  "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae  dist/app.js",
  'graph TD\n  impl_1["IMPL-001: Keep snake#95;case #38; #34;quotes#34;"] --> impl_2',
  String.raw`A page with \_escaped\_ \*stars\* and C:\Users\name`,
  "password=user-name, password=theOldPassword1, secret=second-best",
  "npm_package_dependencies_is_a_variable_name, hf_hub_download, ntn_, glc_, vcr_cassettes, shpat_",
  "postgres://localhost:5432/app?user=me, mysql://root@localhost/db, redis://cache:6379, https://example.com/a:b@c",
  "git clone https://github.com/o/r.git && cd r && npm ci --ignore-scripts",
  "src/components/authentication/password-reset/one-time-token-form.test.tsx",
];

test("ordinary text, code, ids and figures stay as they are", () => {
  for (const text of ORDINARY) {
    assert.equal(redact(text).text, text);
    assert.equal(redact(JSON.stringify({ text })).text, JSON.stringify({ text }));
  }
});

test("a task file without secrets stays as it is", () => {
  const task = {
    id: "impl-1",
    title: "Add password reset with a one-time token",
    status: "pending",
    paths: "src/auth/token.ts;src/secrets;tests/password.test.ts",
    context: {
      requirements: ["Store only a hash of the token: SHA-256", "secret: rotated monthly"],
      acceptance: ["no API key: in logs"],
    },
    execution: {
      env: ["DEPLOY_TOKEN"],
      last_attempt: { run_id: "123e4567-e89b-12d3-a456-426614174000", tokens: { input: 120000001 } },
    },
    implementation: {
      files: [
        {
          path: "src/auth.ts",
          original_code: "const token = createToken(user, { ttl: 3600 });\npassword = hash(password);",
        },
      ],
    },
  };
  const text = JSON.stringify(task, null, 2);
  assert.deepEqual(redact(text), { text, count: 0 });
});

test("known values are replaced raw, in base64 at any offset, in URLs and in JSON strings", () => {
  const value = 'p@ss "word"/with+all\\kinds';
  const known = redactor([value, "short"]);
  const forms = [
    value,
    JSON.stringify(value),
    JSON.stringify(JSON.stringify(value)),
    encodeURIComponent(value),
    Buffer.from(value).toString("base64"),
    Buffer.from(value).toString("base64url"),
    Buffer.from(`user:${value}`).toString("base64"),
    Buffer.from(`users:${value}\n`).toString("base64"),
  ];
  for (const form of forms) {
    const { text, count } = known(`before ${form} after`);
    assert.equal(count, 1, `${form} → ${text}`);
    assert.ok(text.length < form.length + 13 + "[redacted:value]".length - 16, text);
  }
  assert.equal(known("a short text").text, "a short text");
});

test("redacting twice changes nothing more", () => {
  for (const [, key] of KEYS) {
    const once = redact(`token=${key} password: ${key}`).text;
    assert.deepEqual(redact(once), { text: once, count: 0 });
  }
});

test("redacting twice equals redacting once, whatever the pieces are put together from", () => {
  const pieces = [
    ...KEYS.map(([, key]) => key),
    ...["password=", "token: ", "SECRET=", "Bearer ", "hunter2hunter2", "value-1234567", "1234567890", "a_b", "user:"],
    ...["\\", "\\\\", "\\_", "\\[", "\\n", "[", "]", "{", "}", '"', "'", "`", "\n", " ", ":", "=", ";", "|", "*", "$"],
    ...["#95;", "#34;", '["', '"]', "&lt;", "&amp;", "://", "mysql://", "@host", "[redacted:value]", "[redacted:jwt]"],
    Buffer.from(`ghp_${some(36)}`).toString("base64"),
  ];
  const known = redactor(["value-1234567"]);
  let seed = 7;
  const chance = (below: number) => {
    seed = (seed + 0x6d2b79f5) | 0;
    const mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  for (let n = 0; n < 20_000; n++) {
    const text = Array.from({ length: 1 + chance(10) }, () => pieces[chance(pieces.length)]).join("");
    const once = known(text).text;
    assert.deepEqual(known(once), { text: once, count: 0 }, JSON.stringify(text));
  }
});

test("a password beside what was replaced already is replaced too", () => {
  const cases: [text: string, clean: string][] = [
    [`mysql://ghp_${some(36)}:s3cr3t-pw@db/app`, "mysql://[redacted:github-token]:[redacted:url-password]@db/app"],
    [`https://me:ghp_${some(36)}.s3cr3t@host/`, "https://me:[redacted:url-password]@host/"],
    [String.raw`C:\ghp_${some(36)}`, String.raw`C:\[redacted:github-token]`],
  ];
  for (const [text, clean] of cases) assert.equal(redact(text).text, clean);
});

test("400 kB made to be slow do not take for ever", () => {
  const fill = (piece: string) => piece.repeat(Math.ceil(400_000 / piece.length)).slice(0, 400_000);
  const pieces = [
    "a",
    "eyJ",
    "eyJaaaaaaaa.",
    "sk-",
    "sk-a",
    "sk-ant-",
    "xoxb-",
    "SG.",
    "SG.aaaaaaaaaaaaaaaaaaaa.",
    "://",
    "://a:",
    "://a:a",
    ":",
    "\\",
    "token",
    "token=",
    "token:",
    "token=/",
    "token=a://",
    'token="',
    "token='",
    'token=\\"',
    "token=a",
    "password = a.",
    "password=a1_",
    "secret=Aa1",
    "secret ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nAAAA",
    "-----BEGIN RSA PRIVATE KEY-----\\n",
    "-----",
    "authorization: bearer ",
    "Bearer ",
    "A_KEY=",
    "api_",
    "access-key-",
    " ",
    "\n",
    "0123456789:AA",
    "AKIA",
    "pypi-",
    `-----BEGIN PRIVATE KEY-----\n${"A".repeat(60)} `,
    "\\n",
    "hooks.slack.com/services/",
    "aB1_",
    "ghs_1_",
    "ghs_1_a.",
    "_authToken=",
    "mysql://a:",
    "tskey-aa-aaaaaaaa",
    "npm_a_",
    "\\_",
    '["#95;',
    '["',
    "aGVsbG8gd29ybGQg",
    "Aa",
    "token=aa_",
    "password=aaBb1",
    "sk-a\n",
    "eyJaaaaaaaaaaaaaaa\n",
    "AKIA\nAAAAAAAA\n",
    '{"a":"\\u0041","id":"impl-1","b":[1234567]},',
  ];
  const slow = redactor(["aaaaaaaaaaaaaaab", "token=token=token"]);
  for (const piece of pieces) {
    for (const text of [
      fill(piece),
      `token=${fill(piece)}`,
      `-----BEGIN PRIVATE KEY-----${fill(piece)}`,
      `eyJ${fill(piece)}!`,
    ]) {
      const start = performance.now();
      slow(text);
      const took = performance.now() - start;
      assert.ok(took < 10_000, `${JSON.stringify(piece)} took ${Math.round(took)} ms`);
    }
  }
});
