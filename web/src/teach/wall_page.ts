/**
 * Which classrooms are on the page of the wall that is looked at. Nine fit; while all fit there is one
 * page. A classroom keeps its place: pages follow the order of coming.
 */
import type { Participant } from '../client/protocol.gen';
import { type Room, receivers } from '../client/room';

export const PAGE = 9;

export interface WallPage {
  shown: readonly Participant[];
  page: number;
  pages: number;
}

/** Page `wanted`, or the last one when there are fewer. */
export function wallPage(room: Room, wanted: number): WallPage {
  const all = receivers(room);
  const pages = Math.max(1, Math.ceil(all.length / PAGE));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  return { shown: all.slice(page * PAGE, (page + 1) * PAGE), page, pages };
}

/** Other teachers of this lesson, who have no number on the wall. */
export function colleagues(room: Room): Participant[] {
  return room.roster.filter((p) => p.role === 'lead' && p.id !== room.self.id);
}
