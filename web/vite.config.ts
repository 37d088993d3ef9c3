import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

// One HTML file per page: a board loads only what a board needs, and each page has its own plain
// text for browsers without scripts. Boards run Chrome 86 and later; ES2020 is below what Chrome 86
// parses, and `npm run check:legacy` proves it of the built files.
const pages = ['index', 'teach', 'class', 'observe', 'admin', 'phone'];

export default defineConfig({
  build: {
    target: ['es2020', 'chrome86', 'firefox102'],
    cssTarget: ['chrome86', 'firefox102'],
    // The content security policy allows files only: nothing inlined, no preload shim.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: Object.fromEntries(pages.map((page) => [page, resolve(import.meta.dirname, `${page}.html`)])),
    },
  },
  server: {
    port: 5173,
    proxy: { '/ws': { target: 'http://127.0.0.1:8080', ws: true }, '/api': 'http://127.0.0.1:8080' },
  },
  test: { include: ['test/**/*.test.ts', 'test/**/*.test.tsx'] },
});
