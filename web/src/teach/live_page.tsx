/**
 * The lesson from the lead's side: what the classrooms see, the wall of classrooms, one row of
 * controls. Nothing opens over the stage; questions are asked in the row itself.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { MediaState } from '../client/media_link';
import { type Room, runningSeconds } from '../client/room';
import { type Key, t } from '../i18n';
import { lessonTypeName } from '../page/lesson_type';
import { SoundIcon } from '../ui/icons';
import { Lamp, type Tone } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import { leadLink, linkTone } from '../ui/link_words';
import { useSteady } from '../ui/steady';
import { formatDuration } from '../ui/time';
import { useStore, useTick } from '../ui/use_store';
import { AudienceCount, AudiencePanel } from './audience';
import { ContentMenu } from './content_menu';
import { DeviceSelect } from './device_select';
import { FloatButton } from './float_button';
import { Hands } from './hands';
import { LiveControls } from './live_controls';
import { LiveStage } from './live_stage';
import { PhotoCards } from './photo_cards';
import type { Teaching } from './teaching';
import { Wall } from './wall';

export function LivePage(props: { teaching: Teaching }) {
  const { teaching } = props;
  const { client } = teaching;
  const room = useStore(client.room);
  const media = useStore(client.media.state);
  const signal = useStore(client.signal.state);
  const blocked = useStore(teaching.sound.blocked);
  // One panel at a time stands over the wall.
  const [panel, setPanel] = useState<'devices' | 'audience' | 'content' | null>(null);
  const [ending, setEnding] = useState(false);
  useKeys(teaching, () => {
    setPanel(null);
    setEnding(false);
    return panel !== null || ending;
  });
  const limited = useStore(client.media.uplinkLimited);
  const line = useSteady(room?.link ? leadLink(room.link, limited) : 'linkGood');
  const link = linkWords(line, media, signal.phase === 'joined');
  return (
    <div class="live">
      <header class="live-head">
        <h1 title={room?.lesson.title}>{room?.lesson.title}</h1>
        {room && <p class="lesson-type">{lessonTypeName(room.lesson.lessonType)}</p>}
        <p class="live-clock">
          <Lamp tone="lost" word={t('live')} />
          {room && <Clock room={room} />}
        </p>
        <p class="live-link" data-testid="link">
          <Lamp tone={link.tone} word={t(link.word)} />
          {room?.link?.rttMs != null && JUDGED.includes(link.word) && (
            <span class="soft">{t('roundTrip', { ms: room.link.rttMs })}</span>
          )}
        </p>
        <FloatButton teaching={teaching} />
        <AudienceCount
          teaching={teaching}
          shown={panel === 'audience'}
          onTap={() => setPanel(panel === 'audience' ? null : 'audience')}
        />
        <LanguageSwitch />
      </header>
      <LiveStage teaching={teaching}>
        <PhotoCards teaching={teaching} />
        {signal.phase !== 'joined' && (
          <p class="stage-strip tone-attention" role="alert">
            ▲ {t('signalLost')}
          </p>
        )}
        {blocked && (
          <button type="button" class="button primary stage-sound" onClick={() => teaching.sound.unlock()}>
            <SoundIcon />
            {t('soundOn')}
          </button>
        )}
        {teaching.notice.value !== null && (
          <p class="stage-notice" role="status">
            {teaching.notice.value}
          </p>
        )}
      </LiveStage>
      <Hands teaching={teaching} />
      <div class="live-side">
        {panel === 'audience' && <AudiencePanel teaching={teaching} onClose={() => setPanel(null)} />}
        {panel === 'content' && <ContentMenu teaching={teaching} onClose={() => setPanel(null)} />}
        {panel === 'devices' && (
          <section class="device-panel" aria-label={t('devicesMenu')}>
            <DeviceSelect device={teaching.camera} label="chooseCamera" testId="choose-camera" />
            <DeviceSelect device={teaching.mic} label="chooseMic" testId="choose-mic" />
          </section>
        )}
        <Wall teaching={teaching} />
      </div>
      <LiveControls
        teaching={teaching}
        contentShown={panel === 'content'}
        onContent={() => setPanel(panel === 'content' ? null : 'content')}
        devicesShown={panel === 'devices'}
        onDevices={() => setPanel(panel === 'devices' ? null : 'devices')}
        ending={ending}
        onEnding={setEnding}
      />
    </div>
  );
}

function Clock(props: { room: Room }) {
  useTick(500);
  const seconds = runningSeconds(props.room, performance.now());
  return <span data-testid="clock">{t('running', { time: formatDuration(seconds) })}</span>;
}

/** Figures belong to a line that is judged by them. */
const JUDGED: readonly Key[] = ['linkGood', 'linkFair', 'linkPoor'];

function linkWords(line: Key, media: MediaState, joined: boolean): { tone: Tone; word: Key } {
  if (!joined) return { tone: 'attention', word: 'linkReconnecting' };
  if (media === 'blocked') return { tone: 'lost', word: 'mediaBlocked' };
  if (media === 'repairing') return { tone: 'attention', word: 'mediaRepairing' };
  if (media !== 'connected') return { tone: 'calm', word: 'mediaConnecting' };
  return { tone: linkTone(line), word: line };
}

/**
 * Space mutes, S shares, 1 to 9 call on, Esc goes back: first what is open here, then the floor. A button that was reached by keyboard keeps its Space; one
 * that was only clicked does not, or Space would repeat the last click instead of muting.
 */
function useKeys(teaching: Teaching, closePanels: () => boolean): void {
  // The newest one: it knows what is open now.
  const onEscape = useRef(closePanels);
  onEscape.current = closePanels;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target instanceof HTMLElement ? event.target : null;
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (target?.matches('input, select, textarea')) return;
      if (event.key === ' ') {
        if (target?.matches('button:focus-visible')) return;
        event.preventDefault();
        target?.blur();
        teaching.toggleMic();
      } else if (event.key === 's' || event.key === 'S') {
        event.preventDefault();
        if (teaching.content.value) teaching.stopShare();
        else void teaching.startShare();
      } else if (event.key === 'Escape') {
        if (!onEscape.current()) void teaching.releaseFloor();
      } else if (/^[1-9]$/.test(event.key)) {
        void teaching.toggleFloorOf(Number(event.key));
      }
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [teaching]);
}
