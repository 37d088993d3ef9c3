/**
 * One thumb, no attention to spare: what is live at the top, four large buttons below it. A photo's way is
 * told over the buttons, because nothing else is done meanwhile.
 */
import type { ComponentChildren } from 'preact';
import type { Trouble } from '../client/protocol.gen';
import { findLead, findSelf, leadsNow, type Room, runningSeconds, speakerOf } from '../client/room';
import type { SignalState } from '../client/signal';
import { type Key, t } from '../i18n';
import { FinalScreen } from '../page/final_screens';
import { type PageState, watcherState } from '../page/state';
import { classroomMic } from '../teach/classroom_state';
import { EarIcon, EyeIcon, HandIcon, MicIcon, SnapIcon } from '../ui/icons';
import { Lamp, type Tone } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import { StateScreen } from '../ui/state_screen';
import { formatDuration } from '../ui/time';
import { useStore, useTick } from '../ui/use_store';
import type { Phone } from './phone';
import { PhotoPanel } from './photo_panel';

const FINAL = ['replaced', 'kicked', 'ended', 'left', 'refused'];

export function PhonePage(props: { phone: Phone }) {
  const { phone } = props;
  const signal = useStore(phone.client.signal.state);
  const room = useStore(phone.client.room);
  const state = watcherState(signal, room);
  const over = FINAL.includes(state);
  return (
    <main data-page="phone" data-state={state === 'left' ? 'ended' : state} class="fill phone">
      {over && state !== 'left' && <FinalScreen client={phone.client} />}
      {state === 'left' && (
        <StateScreen
          title={t('phoneBoardLeft')}
          text={t('phoneBoardLeftText')}
          tone="attention"
          action={t('leftAction')}
          onAction={() => location.reload()}
        />
      )}
      {!over && !room && <Coming signal={signal} />}
      {!over && room && <Live phone={phone} room={room} state={state} />}
    </main>
  );
}

/** Not in the lesson yet: it depends on the board. */
function Coming({ signal }: { signal: SignalState }) {
  const refused = signal.phase === 'connecting' ? signal.error : null;
  if (refused?.code === 'unknown_participant') {
    return <StateScreen title={t('phoneNoBoard')} text={t('phoneNoBoardText')} tone="attention" busy />;
  }
  return <StateScreen title={t('connectingTitle')} text={refused?.message ?? t('connectingText')} busy />;
}

function Live(props: { phone: Phone; room: Room; state: PageState }) {
  const { phone, room, state } = props;
  const live = room.lesson.state === 'live';
  const cut = state === 'reconnecting';
  const own = findSelf(room);
  const there = own?.presence === 'online';
  const now = nowLine(room, state);
  return (
    <>
      <header class="phone-head">
        <div class="phone-title">
          <h1 class="phrases">{room.self.name}</h1>
          <LanguageSwitch />
        </div>
        <p class="phone-lesson phrases">
          {room.lesson.title}
          {live && <Clock room={room} />}
        </p>
      </header>
      <section class="phone-now" role="status" data-testid="status">
        <p class="phone-now-line">
          <Lamp tone={now.tone} word={now.word} />
        </p>
        {now.more && <p class="phone-now-more phrases">{now.more}</p>}
      </section>
      <p class="phone-notice" role="status">
        {phone.notice.value}
      </p>
      {phone.photo.value.step === 'none' ? (
        <section class="phone-buttons">
          <HandButton phone={phone} room={room} disabled={!live || cut || !there} />
          <MicButton phone={phone} room={room} disabled={cut || !there} />
          <div class="phone-pair">
            <Complaint phone={phone} kind="cannot_hear" word="cannotHear" disabled={!live || cut || !there} />
            <Complaint phone={phone} kind="cannot_see" word="cannotSee" disabled={!live || cut || !there} />
          </div>
          <PhotoButton phone={phone} disabled={!live} />
        </section>
      ) : (
        <PhotoPanel phone={phone} />
      )}
    </>
  );
}

function Clock(props: { room: Room }) {
  useTick(1_000);
  return (
    <span class="phone-clock">
      {t('running', { time: formatDuration(runningSeconds(props.room, performance.now())) })}
    </span>
  );
}

interface ButtonProps {
  phone: Phone;
  room: Room;
  disabled: boolean;
}

function HandButton({ phone, room, disabled }: ButtonProps) {
  const place = room.floor.place;
  // A classroom that speaks has no hand to raise; its turn ends here.
  if (speakerOf(room, room.self.id)) {
    return (
      <Big
        testId="end-turn"
        icon={<MicIcon />}
        word={t('endOwnFloor')}
        disabled={disabled}
        on
        onTap={() => void phone.endTurn()}
      />
    );
  }
  return (
    <Big
      testId="hand"
      icon={<HandIcon />}
      word={place === null ? t('raiseHand') : t('handRaised', { n: place })}
      pressed={place !== null}
      disabled={disabled || leadsNow(room)}
      onTap={() => void phone.toggleHand()}
    />
  );
}

function MicButton({ phone, room, disabled }: ButtonProps) {
  const own = findSelf(room);
  const kept = own?.state.micKept === true;
  const none = !own || (classroomMic(own) === 'none' && !kept);
  return (
    <Big
      testId="mic"
      icon={<MicIcon off={kept || none} />}
      word={t(none ? 'stateNoMic' : kept ? 'unkeepMic' : 'keepMic')}
      pressed={kept}
      disabled={disabled || none}
      onTap={() => void phone.toggleMic()}
    />
  );
}

function Complaint(props: { phone: Phone; kind: Trouble; word: Key; disabled: boolean }) {
  const { phone, kind, word } = props;
  return (
    <Big
      testId={kind}
      icon={kind === 'cannot_hear' ? <EarIcon /> : <EyeIcon />}
      word={t(word)}
      disabled={props.disabled || phone.complained.value.includes(kind)}
      onTap={() => void phone.complain(kind)}
    />
  );
}

/** A label of a file field: the phone's own camera opens, and no permission is asked. */
function PhotoButton({ phone, disabled }: { phone: Phone; disabled: boolean }) {
  return (
    <label class={`phone-button photo ${disabled ? 'disabled' : ''}`}>
      <SnapIcon />
      <span>{t('takePhoto')}</span>
      <input
        type="file"
        accept="image/*"
        capture="environment"
        class="hidden-text"
        data-testid="photo"
        disabled={disabled}
        onChange={(event) => {
          const field = event.currentTarget;
          const file = field.files?.[0];
          // The same picture chosen again is another choice.
          if (!file) return;
          void phone.takePhoto(file).finally(() => {
            field.value = '';
          });
        }}
      />
    </label>
  );
}

interface BigProps {
  testId: string;
  icon: ComponentChildren;
  word: string;
  disabled: boolean;
  pressed?: boolean;
  on?: boolean;
  onTap: () => void;
}

function Big(props: BigProps) {
  const toggles = props.pressed !== undefined;
  return (
    <button
      type="button"
      class={`phone-button ${props.pressed || props.on ? 'active' : ''}`}
      data-testid={props.testId}
      {...(toggles ? { 'aria-pressed': props.pressed === true } : {})}
      disabled={props.disabled}
      onClick={() => {
        // Felt by who looks at the class; phones without it stay still.
        (navigator as { vibrate?: (ms: number) => boolean }).vibrate?.(20);
        props.onTap();
      }}
    >
      {props.icon}
      <span>{props.word}</span>
    </button>
  );
}

/** What is live, in one line, the most pressing first; and what to do about it. */
export function nowLine(room: Room, state: PageState): { tone: Tone; word: string; more?: string } {
  if (state === 'reconnecting') {
    return { tone: 'attention', word: t('reconnectingTitle'), more: t('reconnectingText') };
  }
  const own = findSelf(room);
  if (own && own.presence !== 'online') {
    return { tone: 'lost', word: t('phoneBoardLost'), more: t('phoneBoardLostText') };
  }
  if (room.lesson.state === 'scheduled') {
    return { tone: 'calm', word: t('boardWaiting'), more: t('boardWaitingText') };
  }
  if (leadsNow(room)) return { tone: 'good', word: t('boardLeading') };
  const ours = speakerOf(room, room.self.id);
  if (ours && own?.state.micKept) return { tone: 'attention', word: t('boardAsked'), more: t('boardKept') };
  if (ours) return { tone: 'good', word: t('boardSpeaking') };
  if (state === 'teacher-away') return { tone: 'attention', word: t('boardAway'), more: t('boardAwayText') };
  const speaker = room.floor.speakers.find((s) => s.onStage)?.participant;
  const guest = room.roster.find((p) => p.id === speaker);
  if (guest) return { tone: 'calm', word: t('stageSpeaks', { name: guest.name }) };
  const lead = findLead(room);
  return { tone: 'good', word: lead ? t('boardLead', { name: lead.name }) : t('boardNoLead') };
}
