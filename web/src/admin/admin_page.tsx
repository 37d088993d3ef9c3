/**
 * All lessons now, those with trouble first, and who is in the chosen one. The list keeps the chosen
 * lesson and the scroll position while figures change each second.
 */
import { useState } from 'preact/hooks';
import type { LessonClient } from '../client/lesson_client';
import type { LessonOverview } from '../client/protocol.gen';
import { type Key, t } from '../i18n';
import { FinalScreen } from '../page/final_screens';
import { lessonTypeName } from '../page/lesson_type';
import type { PageState } from '../page/state';
import { Lamp } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import { StateScreen } from '../ui/state_screen';
import { formatDuration } from '../ui/time';
import { useStore } from '../ui/use_store';
import { ParticipantTable } from './participant_table';
import { lessonTrouble, worstFirst } from './trouble';

const STATES: Record<LessonOverview['lesson']['state'], Key> = {
  scheduled: 'stateScheduled',
  live: 'stateLive',
  ended: 'stateEnded',
};

export function AdminPage(props: { client: LessonClient }) {
  const { client } = props;
  const signal = useStore(client.signal.state);
  const overview = useStore(client.overview);
  const [chosen, setChosen] = useState<string | null>(null);

  let state: PageState = 'connecting';
  if (signal.phase === 'over') state = signal.end.kind;
  else if (signal.phase === 'joined') state = 'live';
  else if (signal.phase === 'connecting' && signal.before) state = 'reconnecting';

  const lessons = worstFirst(
    overview ?? [],
    (o) => lessonTrouble(o).weight,
    (o) => o.lesson.id,
  );
  const open = lessons.find((o) => o.lesson.id === chosen) ?? (chosen === null ? lessons[0] : undefined);
  const online = lessons.reduce((n, o) => n + receiversOf(o).filter(isOnline).length, 0);
  const troubled = lessons.filter((o) => lessonTrouble(o).weight > 0).length;
  return (
    <main data-page="admin" data-state={state === 'left' ? 'ended' : state} class="fill">
      <FinalScreen client={client} />
      {signal.phase !== 'over' && overview === null && (
        <StateScreen title={t('connectingServer')} text={t('connectingText')} busy />
      )}
      {signal.phase !== 'over' && overview !== null && (
        <div class="admin">
          <header class="admin-head">
            <h1>{t('adminTitle')}</h1>
            <p class="soft">{t('adminCount', { n: lessons.length, p: online })}</p>
            {troubled > 0 && <Lamp tone="attention" word={t('adminTroubled', { n: troubled })} />}
            {state === 'reconnecting' && <Lamp tone="attention" word={t('reconnectingTitle')} />}
            <LanguageSwitch />
          </header>
          {lessons.length === 0 && (
            <div class="admin-none">
              <p class="admin-none-title">{t('adminNone')}</p>
              <p>{t('adminNoneText')}</p>
            </div>
          )}
          {lessons.length > 0 && (
            <div class="admin-lessons">
              <table>
                <thead>
                  <tr>
                    <th>{t('colLesson')}</th>
                    <th>{t('colLead')}</th>
                    <th class="number">{t('colRooms')}</th>
                    <th>{t('colTrouble')}</th>
                    <th class="number">{t('colTime')}</th>
                  </tr>
                </thead>
                <tbody>
                  {lessons.map((o) => (
                    <LessonRow
                      key={o.lesson.id}
                      overview={o}
                      open={o === open}
                      onOpen={() => setChosen(o.lesson.id)}
                    />
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {open && <ParticipantTable overview={open} />}
        </div>
      )}
    </main>
  );
}

function LessonRow(props: { overview: LessonOverview; open: boolean; onOpen: () => void }) {
  const { lesson, participants } = props.overview;
  const trouble = lessonTrouble(props.overview);
  const what = t(trouble.word, trouble.values);
  const lead = participants.find((p) => p.participant.role === 'lead');
  const rooms = receiversOf(props.overview);
  return (
    <tr
      class={props.open ? 'open' : ''}
      data-testid="lesson-row"
      data-lesson={lesson.id}
      data-state={lesson.state}
      onClick={props.onOpen}
    >
      <td>
        <button type="button" class="row-button" aria-expanded={props.open} onClick={props.onOpen}>
          {lesson.title}
        </button>
        <span class="soft type">
          {lessonTypeName(lesson.lessonType)} · {t(STATES[lesson.state])}
        </span>
      </td>
      <td class="lead-name">{lead?.participant.name ?? '—'}</td>
      <td class="number">
        {rooms.filter(isOnline).length}/{rooms.length}
      </td>
      <td>
        <Lamp
          tone={trouble.tone}
          word={trouble.who === undefined ? what : t('troubleOf', { who: trouble.who, what })}
        />
        {trouble.more > 0 && <span class="soft more">{t('troubleMore', { n: trouble.more })}</span>}
      </td>
      <td class="number">{lesson.state === 'scheduled' ? '—' : formatDuration(lesson.runningSeconds)}</td>
    </tr>
  );
}

function receiversOf(overview: LessonOverview) {
  return overview.participants.filter((p) => p.participant.role === 'receiver');
}

function isOnline(entry: LessonOverview['participants'][number]): boolean {
  return entry.participant.presence === 'online';
}
