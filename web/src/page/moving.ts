/**
 * The page follows the role: who is brought into the lesson from the audience goes on at a classroom's
 * page, which has all that is needed for it, and comes back when the lead sends it back. The seat is the
 * token's, so nothing is asked again.
 */
import type { LessonClient } from '../client/lesson_client';
import { readToken } from '../client/token';
import type { PageName } from './boot';

/** The page for this role; `null`: the present one. */
export function pageFor(page: PageName, asked: string | null, role: string): PageName | null {
  if (asked !== 'observer') return null;
  if (page === 'observe' && role === 'receiver') return 'class';
  if (page === 'class' && role === 'observer') return 'observe';
  return null;
}

export function followRole(client: LessonClient, page: PageName, token: string): void {
  const asked = readToken(token)?.role ?? null;
  let moving = false;
  client.room.subscribe((room) => {
    const next = room ? pageFor(page, asked, room.self.role) : null;
    if (!next || moving) return;
    moving = true;
    location.replace(`/${next}${location.search}#${token}`);
  });
}
