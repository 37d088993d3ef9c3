// One state of one page, chosen by `?story=`. For eyes only: not part of the build.
import { render, type VNode } from 'preact';
import { classStories } from './class';
import { otherStories } from './other';
import { phoneStories } from './phone';
import { teachStories } from './teach';

export type Stories = Record<string, () => VNode>;

const stories: Stories = { ...classStories, ...teachStories, ...phoneStories, ...otherStories };

/** Each page loads its own look and no other's, as where it is used. */
const LOOKS: Record<string, () => Promise<unknown>> = {
  admin: () => import('../src/admin/look'),
  class: () => import('../src/class/look'),
  floating: () => import('../src/teach/look'),
  observe: () => import('../src/observe/look'),
  phone: () => import('../src/phone/look'),
  start: () => import('../src/start/look'),
  teach: () => import('../src/teach/look'),
};

const root = document.getElementById('app');
const story = new URLSearchParams(location.search).get('story') ?? '';
const make = stories[story];
if (root && make) {
  await LOOKS[story.split('-')[0] as string]?.();
  render(make(), root);
} else if (root) {
  root.innerHTML = Object.keys(stories)
    .map((name) => `<p><a href="?story=${name}">${name}</a></p>`)
    .join('');
}
Object.assign(window, { stories: Object.keys(stories) });
