// Pictures of stories: node stories/shoot.mjs OUT [story…] [--lang=en] [--axe]. Needs `npx vite` running.
// With --axe, what axe finds serious is printed beside the story's name.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../tests/e2e/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const args = process.argv.slice(2);
const lang = args.find((a) => a.startsWith('--lang='))?.slice(7) ?? 'zh-CN';
const [out, ...wanted] = args.filter((a) => !a.startsWith('--'));
mkdirSync(out, { recursive: true });
const SIZES = {
  class: { width: 1920, height: 1080 },
  phone: { width: 390, height: 844 },
  floating: { width: 480, height: 320 },
};
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--autoplay-policy=no-user-gesture-required',
    '--use-fake-ui-for-media-stream',
  ],
});
const base = process.env.STORIES ?? 'http://127.0.0.1:5173/stories/index.html';
const first = await browser.newPage();
first.on('pageerror', (e) => console.error(e.message));
await first.goto(base);
await first.waitForFunction(() => window.stories);
const all = await first.evaluate(() => window.stories);
for (const story of wanted.length ? all.filter((s) => wanted.some((w) => s.startsWith(w))) : all) {
  const size = SIZES[story.split('-')[0]] ?? { width: 1366, height: 768 };
  const page = await browser.newPage({ viewport: size });
  page.on('pageerror', (error) => console.error(story, error.message));
  page.on('console', (m) => m.type() === 'error' && console.error(story, m.text()));
  await page.goto(`${base}?story=${story}&lang=${lang}`);
  await page.waitForTimeout(900);
  await page.screenshot({ path: `${out}/${story}.png` });
  const violations = args.includes('--axe') ? await judge(page) : [];
  for (const { id, impact, nodes } of violations.filter((v) => ['serious', 'critical'].includes(v.impact))) {
    console.error(story, impact, id, nodes.map((n) => n.html.slice(0, 140)).join('\n    '));
  }
  await page.close();
}
await browser.close();

async function judge(page) {
  await page.evaluate(axe);
  return (await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))).violations;
}
