/**
 * The forms of providers' keys. Every form either has a fixed beginning and takes all that follows, or begins at a
 * border only, so that no stretch of text is read more than a few times.
 */
export interface KeyForm {
  kind: string;
  form: RegExp;
  accept?: (found: string) => boolean;
}

/** With, before the key, the start, anything that is no part of a word, or an escape of a JSON string (`\n`). */
const border = (form: string) => new RegExp(`(?<=^|[^A-Za-z0-9_-]|\\\\[nrtbf]|\\\\u[0-9a-fA-F]{4})${form}`, "g");
const hasDigit = (found: string) => /\d/.test(found);
const looksRandom = (found: string) => /\d/.test(found) && /[A-Z]/.test(found) && /[a-z]/.test(found.slice(5));

export const KEY_FORMS: readonly KeyForm[] = [
  { kind: "anthropic-key", form: /sk-ant-[A-Za-z0-9_-]{8,}/g },
  { kind: "openai-key", form: border("sk-(?:proj|svcacct|admin|None|or-v1|lf)-[A-Za-z0-9_-]{16,}"), accept: hasDigit },
  { kind: "openai-key", form: border("sk-[A-Za-z0-9]{20,}"), accept: hasDigit },
  { kind: "github-token", form: /github_pat_[A-Za-z0-9_]{20,}|gh[pousr]_[A-Za-z0-9]{16,}/g },
  {
    kind: "gitlab-token",
    form: /gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-[A-Za-z0-9_-]{16,}/g,
    accept: looksKeyed,
  },
  { kind: "aws-key-id", form: /(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])/g },
  { kind: "google-key", form: /AIza[A-Za-z0-9_-]{30,}|GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{20,}/g },
  { kind: "slack-token", form: /xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}/g, accept: hasDigit },
  { kind: "slack-webhook", form: /hooks\.slack\.com\/(?:services|workflows)\/[A-Za-z0-9/_-]{16,}/g },
  { kind: "stripe-key", form: /(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}/g },
  { kind: "npm-token", form: /npm_[A-Za-z0-9]{30,}/g },
  { kind: "pypi-token", form: /pypi-[A-Za-z0-9_-]{16,}/g, accept: looksRandom },
  { kind: "sendgrid-key", form: border("SG\\.[A-Za-z0-9_-]{16,64}\\.[A-Za-z0-9_-]{16,128}") },
  { kind: "twilio-key", form: border("(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])") },
  { kind: "hugging-face-token", form: border("hf_[A-Za-z0-9]{30,}") },
  { kind: "digitalocean-token", form: /do[oprt]_v1_[0-9a-f]{40,}/g },
  { kind: "databricks-token", form: border("dapi[0-9a-f]{32}(?![A-Za-z0-9])") },
  { kind: "shopify-token", form: border("shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}") },
  { kind: "telegram-token", form: border("[0-9]{8,10}:AA[A-Za-z0-9_-]{33}") },
  { kind: "vault-token", form: border("hv[sb]\\.[A-Za-z0-9_-]{24,}") },
  {
    kind: "key",
    form: border("(?:gsk|lin_api|ntn|dckr_pat|key_live|glsa|xai|pplx|fw|r8|tskey-auth|dop)[_-][A-Za-z0-9_-]{28,}"),
    accept: looksRandom,
  },
  { kind: "age-key", form: /AGE-SECRET-KEY-1[0-9A-Z]{40,}/g },
  { kind: "azure-key", form: /(?<=(?:Account|SharedAccess)Key=)[A-Za-z0-9+/]{40,}={0,2}/g },
  { kind: "jwt", form: border("eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}(?:\\.[A-Za-z0-9_-]*)?") },
  // `https://user:password@host`: the password only.
  {
    kind: "url-password",
    form: /(?<=:\/\/[^\s/?#@:"'`<>\\]{0,128}:)(?!\[redacted|\$|<|\{|\*+@)[^\s/?#@"'`<>\\]{1,256}(?=@)/g,
  },
  {
    kind: "authorization",
    form: /(?<=authorization\\{0,4}["']?\s{0,4}[:=]\s{0,4}\\{0,4}["']?(?:Bearer|Basic|Token)\s{1,4})[A-Za-z0-9._~+/=-]{8,}/gi,
  },
  { kind: "bearer-token", form: /(?<=\bBearer )[A-Za-z0-9._~+/=-]{20,}/g, accept: hasDigit },
];

function looksKeyed(found: string): boolean {
  return /\d|[A-Z]/.test(found.slice(found.indexOf("-")));
}
