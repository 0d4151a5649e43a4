/** What is wrong with a task's or a workflow's wish for reviews, beyond its form. */
import { closest } from "../model/closest.ts";
import type { ReviewWish } from "../model/review.ts";
import type { Task } from "../model/task.ts";
import { problem, type Problem } from "../problems.ts";

/** A role that cannot review, and where it stands in the wish: keys and places of a list. */
export interface WrongReviewer {
  problem: Problem;
  path: (string | number)[];
}

export function wrongReviewers(
  wish: ReviewWish,
  among: { roles: { has(name: string): boolean }; roleNames: () => string[] },
): WrongReviewer[] {
  return named(wish).flatMap(({ role, path }) => {
    if (role === "human")
      return { path, problem: problem("unknown-role", "A person is no reviewer.", { hint: "Write approve: after." }) };
    if (role !== "command" && among.roles.has(role)) return [];
    const names = among.roleNames().filter((name) => name !== "human" && name !== "command");
    const near = closest(role, names);
    const hint = near ? `Did you mean ${near}?` : `There are ${names.join(", ")}.`;
    return {
      path,
      problem: problem("unknown-role", `There is no role ${JSON.stringify(role)} that reviews.`, { hint }),
    };
  });
}

function named(wish: ReviewWish, path: WrongReviewer["path"] = []): { role: string; path: WrongReviewer["path"] }[] {
  if (typeof wish === "string") return [{ role: wish, path }];
  if (Array.isArray(wish)) return wish.map((role, place) => ({ role, path: [...path, place] }));
  return named(wish.by, [...path, "by"]);
}

export function reviewTrouble(task: Task, among: Parameters<typeof wrongReviewers>[1]): Problem[] {
  const { review } = task.execution;
  if (review === undefined) return [];
  return wrongReviewers(review, among).map(({ problem: found, path }) => ({
    ...found,
    pointer: ["/execution/review", ...path].join("/"),
  }));
}
