/**
 * The forms of providers' keys. Every form either has a fixed beginning and takes all that follows, or begins at a
 * border only, so that no stretch of text is read more than a few times.
 */
export interface KeyForm {
  kind: string;
  form: RegExp;
  /** Stands in all that the form finds, or right before it: a text without it need not be searched. */
  needs?: string;
  accept?: (found: string) => boolean;
}

/** With, before the key, the start, anything that is no part of a word, or an escape of a JSON string (`\n`). */
const border = (form: string) => new RegExp(`(?<=^|[^A-Za-z0-9_-]|\\\\[nrtbf]|\\\\u[0-9a-fA-F]{4})${form}`, "g");
const hasDigit = (found: string) => /\d/.test(found);
const looksIssued = (found: string) => /\d/.test(found.slice(3)) || /[a-z][A-Z]|[A-Z]{2}[a-z]/.test(found.slice(3));
const looksRandom = (found: string) => /\d/.test(found) && /[A-Z]/.test(found) && /[a-z]/.test(found.slice(5));

export const KEY_FORMS: readonly KeyForm[] = [
  { kind: "anthropic-key", form: /sk-ant-[A-Za-z0-9_-]{8,}/g },
  {
    kind: "openai-key",
    needs: "sk-",
    form: border("sk-(?:proj|svcacct|admin|None|or-v1|lf)-[A-Za-z0-9_-]{16,}"),
    accept: hasDigit,
  },
  { kind: "openai-key", needs: "sk-", form: border("sk-[A-Za-z0-9]{20,}"), accept: hasDigit },
  // The first, an installation's, holds a JWT.
  {
    kind: "github-token",
    form: /ghs_[0-9]{1,20}_[A-Za-z0-9_-]{1,200}\.[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]{1,1000}|github_pat_[A-Za-z0-9_]{20,}|gh[pousr]_(?:[A-Za-z0-9]{16,}|[A-Za-z0-9_]{36,})/g,
  },
  {
    kind: "gitlab-token",
    form: /gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-[A-Za-z0-9_-]{16,}/g,
    accept: looksKeyed,
  },
  { kind: "aws-key-id", form: /(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])/g },
  { kind: "google-key", form: /AIza[A-Za-z0-9_-]{30,}|GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{20,}/g },
  { kind: "slack-token", form: /xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}/g, accept: looksKeyed },
  {
    kind: "slack-webhook",
    form: /hooks\.slack\.com\/(?:services\/T[A-Z0-9]{1,40}\/B[A-Z0-9]{1,40}\/[A-Z0-9]{1,40}|(?:services|workflows)\/[A-Z0-9/_-]{16,})/gi,
  },
  { kind: "stripe-key", form: /(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}/g },
  {
    kind: "npm-token",
    form: /npm_(?:[A-Za-z0-9]{30,}|[A-Za-z0-9_]{36}(?![A-Za-z0-9_]))/g,
    accept: (found) => !found.includes("_", 4) || looksIssued(found),
  },
  { kind: "npm-token", needs: "_authToken=", form: /(?<=_authToken=)(?!\[redacted|\$)[^\s"'`\\]{8,}/g },
  { kind: "pypi-token", form: /pypi-[A-Za-z0-9_-]{16,}/g, accept: looksRandom },
  {
    kind: "sendgrid-key",
    needs: "SG.",
    form: border("SG\\.[A-Za-z0-9_-]{1,128}\\.[A-Za-z0-9_-]{1,128}"),
    accept: isSendgrid,
  },
  { kind: "twilio-key", form: border("(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])") },
  { kind: "hugging-face-token", form: /hf_[A-Za-z0-9]{30,}/g },
  { kind: "digitalocean-token", form: /do[oprt]_v1_[0-9a-f]{40,}/g },
  { kind: "databricks-token", form: /dapi[0-9a-fA-F]{32}(?:-[0-9])?(?![A-Za-z0-9])/g },
  { kind: "shopify-token", form: /shp(?:at|ca|pa|ss)_[0-9a-zA-Z]{32,}/g },
  { kind: "telegram-token", needs: ":AA", form: border("[0-9]{8,10}:AA[A-Za-z0-9_-]{33}") },
  { kind: "vault-token", form: /hv[sbr]\.[A-Za-z0-9_-]{24,}/g },
  {
    kind: "key",
    form: border("(?:(?:key_live|xai|pplx|fw|r8|dop)[_-][A-Za-z0-9_-]{28,}|vc[piark]_[A-Za-z0-9]{20,})"),
    accept: looksRandom,
  },
  {
    kind: "key",
    form: /(?:gsk|lin_api|ntn|dckr_pat|glsa|figd|cfk|cfut|cfat)_[A-Za-z0-9_-]{27,}|glc_[A-Za-z0-9+/]{32,}={0,2}|tskey-[a-z]{2,20}-[A-Za-z0-9_]{8,}-[A-Za-z0-9_]{16,}|ops_ey[A-Za-z0-9+/_-]{100,}={0,2}/g,
    accept: looksIssued,
  },
  { kind: "age-key", form: /AGE-SECRET-KEY-1[0-9A-Z]{40,}/g },
  { kind: "azure-key", needs: "Key=", form: /(?<=(?:Account|SharedAccess)Key=)[A-Za-z0-9+/]{40,}={0,2}/g },
  { kind: "jwt", needs: "eyJ", form: border("eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}(?:\\.[A-Za-z0-9_-]*)?") },
  // `https://<token>:x-oauth-basic@github.com`: here the user's name is the secret.
  { kind: "url-token", needs: "://", form: /(?<=:\/\/)[^\s/?#@:"'`<>\\]{16,256}(?=:x-oauth-basic@)/g },
  // `https://user:password@host`: the password only.
  {
    kind: "url-password",
    needs: "://",
    form: /(?<=:\/\/(?:\[redacted:[a-z-]{1,30}\]|(?!\[redacted:)[^\s/?#@:"'`<>\\]){0,128}:)(?!(?:\[redacted:[a-z-]{1,30}\])+@|\$|<|\{|\*+@)[^\s/?#@"'`<>\\]{1,256}(?=@)/g,
  },
  // In those of databases people leave signs unescaped that end other addresses.
  {
    kind: "url-password",
    needs: "://",
    form: /(?<=(?:mongodb(?:\+srv)?|mysqlx?|mariadb|postgres(?:ql)?|rediss?|amqps?):\/\/(?:\[redacted:[a-z-]{1,30}\]|(?!\[redacted:)[^\s/@:"\\]){0,128}:)(?!(?:\[redacted:[a-z-]{1,30}\])+@|\$|<|\{|\*+@)[^\s/@"\\]{1,256}(?=@)/gi,
  },
  {
    kind: "authorization",
    form: /(?<=authorization\\{0,4}["']?\s{0,4}[:=]\s{0,4}\\{0,4}["']?(?:Bearer|Basic|Token)\s{1,4})[A-Za-z0-9._~+/=-]{8,}/gi,
  },
  { kind: "bearer-token", needs: "Bearer ", form: /(?<=\bBearer )[A-Za-z0-9._~+/=-]{20,}/g, accept: hasDigit },
];

function looksKeyed(found: string): boolean {
  return /\d|[A-Z]/.test(found.slice(found.indexOf("-")));
}

/** 69 characters, however its two parts share them; or two long ones. */
function isSendgrid(found: string): boolean {
  return found.length === 69 || /^SG\.[^.]{16,}\.[^.]{16,}$/.test(found);
}
