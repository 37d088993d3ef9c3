// What axe (axe-core, MPL-2.0) finds on a page: nothing serious or critical may be there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BAD = ["serious", "critical"];

/** Fails with each rule that is broken, where, and how. `what`: the state that is looked at. */
export async function accessible(page, what) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async (impacts) => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => impacts.includes(impact)).flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id} (${help}): ${html.slice(0, 160)} ${failureSummary.replace(/\s+/g, " ").slice(0, 200)}`));
  }, BAD);
  assert.deepEqual(found, [], `axe: ${what}`);
}
