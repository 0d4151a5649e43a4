import type { ValidateFunction } from "ajv";

export const taskDrop: ValidateFunction;
export const session: ValidateFunction;
export const patterns: ValidateFunction;
export const config: ValidateFunction;
export const review: ValidateFunction;
export const workflow: ValidateFunction;
export const plan: ValidateFunction;
