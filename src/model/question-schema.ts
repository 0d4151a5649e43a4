/** What a task for a person may say of its question. Parts of the schemas of task and workflow. */
import Type from "typebox";
import { DURATION_PATTERN } from "./time.ts";

const optional = Type.Optional;

export const QUESTION = {
  choices: optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
      minItems: 1,
      maxItems: 50,
      description: "The answers that a person can choose from.",
    }),
  ),
  form: optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: "JSON Schema that a person's answer must satisfy: an object.",
    }),
  ),
  time_limit: optional(
    Type.String({ pattern: DURATION_PATTERN, description: "How long a person has to answer, such as 2d." }),
  ),
  default: optional(
    Type.Unknown({
      description: "The answer that is taken when the time limit has passed; without it the task fails.",
    }),
  ),
};
