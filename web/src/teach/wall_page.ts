/**
 * Which classrooms are on the page of the wall that is looked at. Nine fit; while all fit there is one
 * page. A classroom keeps its place, also while it is cut off; only where there are more pages than one do
 * those who are there take the places of those who are not.
 */
import type { Participant, ParticipantId } from '../client/protocol.gen';
import { type Room, receivers } from '../client/room';

export const PAGE = 9;

export interface WallPage {
  shown: readonly Participant[];
  page: number;
  pages: number;
}

/** The order of classrooms after a change: as `before`, the new ones at the end, and see above. */
export function places(before: readonly ParticipantId[], room: Room): ParticipantId[] {
  const all = new Map(receivers(room).map((p) => [p.id, p]));
  const kept = before.filter((id) => all.has(id));
  const order = [...kept, ...Array.from(all.keys()).filter((id) => !kept.includes(id))];
  const isAway = (id: ParticipantId | undefined) => all.get(id ?? '')?.presence === 'away';
  for (let place = 0; place < order.length; place++) {
    if (!isAway(order[place])) continue;
    const nextPage = (Math.floor(place / PAGE) + 1) * PAGE;
    const other = order.findIndex((id, at) => at >= nextPage && !isAway(id));
    if (other < 0) break;
    [order[place], order[other]] = [order[other] as ParticipantId, order[place] as ParticipantId];
  }
  return order;
}

/** Page `wanted`, or the last one when there are fewer. */
export function wallPage(room: Room, order: readonly ParticipantId[], wanted: number): WallPage {
  const all = receivers(room).sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  const pages = Math.max(1, Math.ceil(all.length / PAGE));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  return { shown: all.slice(page * PAGE, (page + 1) * PAGE), page, pages };
}

/** Other teachers of this lesson, who have no number on the wall. */
export function colleagues(room: Room): Participant[] {
  return room.roster.filter((p) => p.role === 'lead' && p.id !== room.self.id);
}
