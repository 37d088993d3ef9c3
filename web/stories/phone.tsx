// The phone of the assisting teacher.
import type { LessonInfo, Participant } from '../src/client/protocol.gen';
import type { Room } from '../src/client/room';
import { t } from '../src/i18n';
import { Problem } from '../src/page/boot';
import { Phone, type PhotoState } from '../src/phone/phone';
import { PhonePage } from '../src/phone/phone_page';
import { CLASSES, fakeClient, join, LEAD, LONG_NAMES } from './fixtures';
import { floor, on, us } from './lesson';
import type { Stories } from './stories';

export const phoneStories: Stories = {
  'phone-connecting': () => {
    const client = fakeClient();
    return <PhonePage phone={new Phone(client, 'a.b.c')} />;
  },
  'phone-no-board': () => {
    const client = fakeClient();
    const error = {
      type: 'error' as const,
      code: 'unknown_participant',
      message: '',
      hint: '',
      fatal: false,
    };
    client.signal.state.set({ phase: 'connecting', attempt: 3, before: false, error });
    return <PhonePage phone={new Phone(client, 'a.b.c')} />;
  },
  'phone-waiting': () => phone('scheduled').node,
  'phone-live': () => {
    const p = phone('live');
    p.page.notice.value = t('complaintSent');
    return p.node;
  },
  'phone-hand': () => phone('live', { place: 2, speakers: [on('c2')] }).node,
  'phone-turn': () => phone('live', { speakers: [on('c0')] }).node,
  'phone-kept': () =>
    phone('live', { speakers: [on('c0')] }, null, { state: { ...LEAD.state, mic: false, micKept: true } })
      .node,
  'phone-no-mic': () => phone('live', {}, null, { sources: [] }).node,
  'phone-board-lost': () => phone('live', {}, null, { presence: 'away' }).node,
  'phone-reconnecting': () => {
    const p = phone('live');
    p.client.signal.state.set({ phase: 'connecting', attempt: 3, before: true, error: null });
    return p.node;
  },
  'phone-photo-preparing': () => phone('live', {}, { step: 'preparing' }).node,
  'phone-photo-sending': () => phone('live', {}, { step: 'sending', preview: writing(), share: 0.62 }).node,
  'phone-photo-sent': () => phone('live', {}, { step: 'sent', preview: writing() }).node,
  'phone-photo-line': () =>
    phone('live', {}, { step: 'failed', preview: writing(), problem: 'line', message: '' }).node,
  'phone-photo-not-there': () =>
    phone('live', {}, { step: 'failed', preview: writing(), problem: 'not-there', message: '' }).node,
  'phone-photo-unreadable': () =>
    phone('live', {}, { step: 'failed', preview: null, problem: 'unreadable', message: '' }).node,
  'phone-ended': () => phoneOver('ended'),
  'phone-left': () => phoneOver('left'),
  'phone-kicked': () => phoneOver('kicked'),
  'phone-replaced': () => phoneOver('replaced'),
  'phone-long-name': () => {
    const p = phone('live');
    p.client.room.update((room) =>
      room
        ? {
            ...room,
            self: { ...room.self, name: LONG_NAMES[5] as string },
            lesson: { ...room.lesson, title: '四年级 科学 · 声音的产生（实验课，请带好材料）' },
          }
        : room,
    );
    return p.node;
  },
  'phone-notice': () => {
    const p = phone('live');
    p.page.notice.value = t('commandFailed');
    return p.node;
  },
  'phone-away': () => {
    const p = phone('live');
    p.client.room.update((room) =>
      room
        ? {
            ...room,
            roster: room.roster.map((one) => (one.role === 'lead' ? { ...one, presence: 'away' } : one)),
          }
        : room,
    );
    return p.node;
  },
  'phone-leads': () => {
    const p = phone('live');
    p.client.room.update((room) => (room ? { ...room, lesson: { ...room.lesson, leads: us.id } } : room));
    return p.node;
  },
  'phone-no-token': () => <Problem page="phone" state="no-token" />,
  'phone-unsupported': () => <Problem page="phone" state="unsupported" />,
};

function phone(
  state: LessonInfo['state'],
  change: Partial<Room['floor']> = {},
  photo: PhotoState | null = null,
  own: Partial<Participant> = {},
) {
  const client = fakeClient();
  const page = new Phone(client, 'a.b.c');
  join(client, { ...us, ...own }, state, [LEAD, CLASSES[2] as Participant]);
  client.room.update((room) =>
    room ? { ...room, self: { ...room.self, role: 'companion' as const } } : room,
  );
  floor(client, change);
  if (photo) page.photo.value = photo;
  return { client, page, node: <PhonePage phone={page} /> };
}

/** A page of pupils' writing. */
function writing(): string {
  const canvas = Object.assign(document.createElement('canvas'), { width: 600, height: 800 });
  const c = canvas.getContext('2d') as CanvasRenderingContext2D;
  c.fillStyle = '#f7f2e4';
  c.fillRect(0, 0, 600, 800);
  c.fillStyle = '#31405a';
  c.font = '40px serif';
  ['我的家乡', '　　我的家乡在海边，', '那里有大片的盐田。', '春天，风很大……'].forEach((text, i) => {
    c.fillText(text, i === 0 ? 210 : 60, 110 + i * 90);
  });
  return canvas.toDataURL('image/jpeg');
}

function phoneOver(kind: 'ended' | 'replaced' | 'kicked' | 'left') {
  const p = phone('live');
  p.client.signal.state.set({ phase: 'over', end: { kind } });
  return p.node;
}
