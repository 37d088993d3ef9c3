// Measured figures: printed by the test and appended to target/figures/e2e.jsonl.
//
// A figure never fails a test: a busy machine would. What must hold on any machine is asserted.

import { appendFileSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../../target/figures/", import.meta.url));

/** Where a kept picture or file goes. */
export function figurePath(name) {
  mkdirSync(FOLDER, { recursive: true });
  return FOLDER + name;
}

/**
 * Records `measured` (in `unit`) for `name`. `goal` is text such as "<= 80" or ">= 95", compared
 * here, so that the file is its own explanation; without a goal the figure is only kept.
 */
export function record(t, name, measured, unit, goal = null) {
  const value = typeof measured === "number" ? Math.round(measured * 1000) / 1000 : measured;
  const pass = goal === null ? null : compare(value, goal);
  note({ name, measured: value, unit, goal, pass });
  t.diagnostic(`${name} = ${value} ${unit}${goal === null ? "" : ` (goal ${goal}: ${pass ? "met" : "MISSED"})`}`);
}

/** Appends one line to target/figures/e2e.jsonl. */
export function note(line) {
  appendFileSync(figurePath("e2e.jsonl"), `${JSON.stringify(line)}\n`);
}

function compare(value, goal) {
  if (typeof value !== "number") return false;
  const [, sign, limit] = /^(<=|>=) (-?[\d.]+)$/.exec(goal);
  return sign === "<=" ? value <= Number(limit) : value >= Number(limit);
}
