/** Desktop notifications: told and forgotten. A desktop that does not answer, or that is not there, stops nobody. */
import { plain } from "../model/plain.ts";

export interface Notice {
  title: string;
  message: string;
}

const MOST_WAIT_MS = 5000;
const LONGEST = 200;

/** Resolves with whether it was shown; never rejects. */
export async function showOnDesktop(notice: Notice): Promise<boolean> {
  try {
    const { default: notifier } = await import("node-notifier");
    const text = (value: string) => plain(value).replace(/\s+/g, " ").slice(0, LONGEST);
    return await new Promise<boolean>((shown) => {
      const timer = setTimeout(() => shown(false), MOST_WAIT_MS);
      timer.unref();
      notifier.notify({ title: text(notice.title), message: text(notice.message) || " ", wait: false }, (error) => {
        clearTimeout(timer);
        shown(error === null);
      });
    });
  } catch {
    return false;
  }
}
