/**
 * A reporter for `node --test` that writes the counts of single tests, `{passed, failed, skipped, cancelled}`, as JSON to its destination
 * (and to nowhere else). A suite, or a test with subtests, counts only for a failure of its own (a hook, its own assertion).
 * A file that fails as a whole counts as one failed test; a file without tests counts as nothing. A failing `todo` is skipped.
 */
import { resolve } from "node:path";

export default async function* count(source) {
  const counts = { passed: 0, failed: 0, skipped: 0, cancelled: 0 };
  const children = []; // how many reports there were at each depth since the last one above it
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const depth = data.nesting;
    const isParent = (children[depth + 1] ?? 0) > 0 || data.details?.type === "suite";
    children[depth] = (children[depth] ?? 0) + 1;
    children.length = depth + 1;

    const failure = type === "test:fail" ? (data.details?.error?.failureType ?? "testCodeFailure") : undefined;
    if (isOn(data.skip) || isOn(data.todo)) {
      if (!isParent) counts.skipped += 1;
    } else if (failure === "cancelledByParent" || failure === "testAborted") {
      if (!isParent) counts.cancelled += 1;
    } else if (failure) {
      if (failure !== "subtestsFailed") counts.failed += 1;
    } else if (!isParent && !isFile(data)) {
      counts.passed += 1;
    }
  }
  yield `${JSON.stringify(counts)}\n`;
}

/** `skip` and `todo` are absent, true, or the reason (which may be empty). */
function isOn(value) {
  return value !== undefined && value !== false;
}

function isFile({ nesting, name, file }) {
  return nesting === 0 && file !== undefined && resolve(name) === resolve(file);
}
