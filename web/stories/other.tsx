// Who looks on, who looks after it all, and the front door.
import { AdminPage } from '../src/admin/admin_page';
import type { LessonInfo } from '../src/client/protocol.gen';
import { ObservePage } from '../src/observe/observe_page';
import { StartPage } from '../src/start/start_page';
import { SoundOutput } from '../src/ui/sound_output';
import { county, fakeClient, feed, join, LONG_NAMES, overview, person } from './fixtures';
import { cutOff, face, floor, mixed, on, pupils, slide, us, withContent } from './lesson';
import type { Stories } from './stories';

export const otherStories: Stories = {
  start: () => <StartPage />,
  observe: () => observe('live').node,
  'observe-waiting': () => observe('scheduled').node,
  'observe-called': () => {
    const o = observe('live');
    floor(o.client, { speakers: [on('c1')] }, { heard: ['c1'] });
    feed(o.client, [face, null, pupils(1)]);
    return o.node;
  },
  'observe-away': () => {
    const o = observe('live');
    o.client.room.update((room) =>
      room
        ? { ...room, roster: room.roster.map((p) => (p.role === 'lead' ? { ...p, presence: 'away' } : p)) }
        : room,
    );
    return o.node;
  },
  'observe-reconnecting': () => {
    const o = observe('live');
    cutOff(o.client);
    o.client.media.state.set('repairing');
    return o.node;
  },
  'observe-sound': () => {
    const o = observe('live');
    o.sound.blocked.set(true);
    return o.node;
  },
  'observe-many': () =>
    observe(
      'live',
      LONG_NAMES.concat(LONG_NAMES).map((name, i) => person(`l${i}`, name, 'receiver')),
    ).node,
  'observe-nobody': () => observe('live', []).node,
  'observe-ended': () => {
    const o = observe('live');
    o.client.signal.state.set({ phase: 'over', end: { kind: 'ended' } });
    return o.node;
  },
  admin: () => {
    const client = fakeClient();
    client.signal.state.set({ phase: 'joined' });
    client.overview.set(overview());
    return <AdminPage client={client} />;
  },
  'admin-many': () => {
    const client = fakeClient();
    client.signal.state.set({ phase: 'joined' });
    client.overview.set(county());
    return <AdminPage client={client} />;
  },
  'admin-connecting': () => <AdminPage client={fakeClient()} />,
  'admin-reconnecting': () => {
    const client = fakeClient();
    client.overview.set(overview());
    cutOff(client);
    return <AdminPage client={client} />;
  },
  'admin-refused': () => {
    const client = fakeClient();
    const end = {
      kind: 'refused',
      code: 'token_expired',
      message: '进入课堂的链接已过期。',
      hint: '',
    } as const;
    client.signal.state.set({ phase: 'over', end });
    return <AdminPage client={client} />;
  },
  'admin-none': () => {
    const client = fakeClient();
    client.signal.state.set({ phase: 'joined' });
    client.overview.set([]);
    return <AdminPage client={client} />;
  },
};

/** An observer's page. */
function observe(state: LessonInfo['state'], classrooms = mixed) {
  const client = fakeClient();
  const sound = new SoundOutput();
  join(client, { ...us, id: 'o', name: '张教研员', role: 'observer' }, state, [withContent, ...classrooms]);
  feed(client, [face, slide]);
  return { client, sound, node: <ObservePage client={client} sound={sound} /> };
}
