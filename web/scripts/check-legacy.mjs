// Proves that the built scripts hold no syntax newer than ES2020 (below what Chrome 86 parses) and
// that nothing in the built pages is inline or comes from another server, as the content security
// policy demands. Usage: node scripts/check-legacy.mjs dist
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'acorn';

const root = process.argv[2] ?? 'dist';
const problems = [];
let scripts = 0;
let pages = 0;

for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  const text = readFileSync(path, 'utf8');
  if (entry.name.endsWith('.js')) {
    scripts += 1;
    try {
      parse(text, { ecmaVersion: 2020, sourceType: 'module' });
    } catch (error) {
      problems.push(`${path}: ${error.message}`);
    }
  } else if (entry.name.endsWith('.html')) {
    pages += 1;
    if (/<style|\sstyle=|\son\w+=/i.test(text)) problems.push(`${path}: inline style or handler`);
    if (/<script(?![^>]*\ssrc=)/i.test(text)) problems.push(`${path}: inline script`);
    if (/(?:src|href)="(?:https?:)?\/\//i.test(text)) problems.push(`${path}: address of another server`);
  }
}

if (scripts === 0 || pages === 0) problems.push(`${root} holds no built pages; run npm run build first`);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`${scripts} scripts are ES2020 or older, ${pages} pages hold nothing inline or foreign`);
