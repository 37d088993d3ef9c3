/**
 * The lead's stage. Who was called on is big here, because she looks at whoever answers; else what the
 * classrooms see: content or her own picture. While somebody else leads it is the stage that everybody
 * has, with the lead back in one tap.
 */
import type { ComponentChildren } from 'preact';
import type { Participant } from '../client/protocol.gen';
import { findLead, leadsNow } from '../client/room';
import { t } from '../i18n';
import { LessonStage } from '../page/lesson_stage';
import { Photo } from '../page/photo';
import { LeadIcon } from '../ui/icons';
import { SlotVideo } from '../ui/slot_video';
import { TrackVideo } from '../ui/track_video';
import { useStore } from '../ui/use_store';
import { Pointing } from './pointing';
import type { Teaching } from './teaching';

export function LiveStage(props: { teaching: Teaching; children: ComponentChildren }) {
  const { teaching } = props;
  const room = useStore(teaching.client.room);
  const lead = room ? findLead(room) : undefined;
  if (room && lead && !leadsNow(room)) return <Guest {...props} lead={lead} />;
  return <Own {...props} />;
}

/** She leads. */
function Own(props: { teaching: Teaching; children: ComponentChildren }) {
  const { teaching } = props;
  const { client } = teaching;
  const room = useStore(client.room);
  const slots = useStore(client.media.slots);
  const camera = useStore(teaching.camera.state);
  const content = teaching.content.value;
  const photo = room?.photos?.shown ?? null;
  const paused = teaching.paused.value !== null;
  const speakers = room?.floor.speakers ?? [];
  const newest = speakers.find((s) => s.onStage)?.participant;
  const guest = room?.roster.find((p) => p.id === newest);
  const slot = slots.find((s) => s.feed?.participant === newest && s.feed?.kind === 'camera');
  const speakerBig = room?.lesson.rules.layout === 'speaker';
  const showing = guest ? 'stage' : photo ? 'photo' : content ? 'content' : camera.track ? 'lead' : 'none';
  const what = t(photo ? 'stagePhoto' : content ? 'stageContent' : 'stageLead');
  const beside = (content !== null || photo !== null) && !speakerBig;
  const caption = guest
    ? t(beside ? 'stageSpeaksSmall' : 'stageSpeaks', { name: guest.name, what })
    : t('stageShowing', { what });
  // One of her own pictures stands in the corner while something else is big.
  const corner = guest ? (content ? 'content' : 'camera') : content || photo ? 'camera' : null;
  const place = (what: 'content' | 'camera') =>
    what === corner
      ? 'stage-self'
      : guest || photo || (what === 'camera' && content)
        ? 'unseen'
        : 'stage-picture';
  return (
    <section class="live-stage" data-testid="stage" data-showing={showing} aria-label={caption}>
      {guest && (
        <SlotVideo
          key={slot?.mid ?? 'none'}
          client={client}
          slot={slot}
          place="large"
          class="cover stage-guest"
          testId="stage-video"
        >
          <p class="plate-name">{guest.name}</p>
          <p class="plate-line">{t(slot ? 'pictureComing' : 'pictureNone')}</p>
        </SlotVideo>
      )}
      {content && (
        <TrackVideo
          key="content"
          track={teaching.paused.value?.track ?? content.video}
          class={place('content')}
          testId="own-content"
        />
      )}
      {photo && !guest && <Photo client={client} photo={photo} class="cover stage-photo" />}
      {!guest && (photo || content) && <Pointing client={client} />}
      {camera.track && (
        <TrackVideo key="camera" track={camera.track} class={place('camera')} testId="self-video" />
      )}
      {showing === 'none' ? (
        <div class="stage-nothing">
          <p class="stage-nothing-title">{t('stageNothing')}</p>
          <p>{t('stageNothingFix')}</p>
        </div>
      ) : (
        <p class="stage-caption">{caption}</p>
      )}
      {content && paused && !photo && !guest && (
        <p class="stage-paused" role="status">
          {t('contentPaused')}
        </p>
      )}
      {photo && (
        <button
          type="button"
          class={`button primary stage-end ${speakers.length > 0 ? 'second' : ''}`}
          data-testid="photo-away"
          onClick={() => void teaching.takePhotoAway()}
        >
          {t('photoAway')}
        </button>
      )}
      {speakers.length > 0 && (
        <button
          type="button"
          class="button primary stage-end"
          data-testid="release"
          aria-keyshortcuts="Escape"
          onClick={() => void teaching.releaseFloor()}
        >
          {t('endFloor')}
          <kbd>Esc</kbd>
        </button>
      )}
      {props.children}
    </section>
  );
}

/** Somebody else leads. */
function Guest(props: { teaching: Teaching; lead: Participant; children: ComponentChildren }) {
  const { teaching, lead } = props;
  const camera = useStore(teaching.camera.state);
  const own = camera.track ? <TrackVideo track={camera.track} class="own-video" testId="self-video" /> : null;
  return (
    <section class="live-stage" aria-label={t('stageLedBy', { name: lead.name })}>
      <LessonStage client={teaching.client} away={lead.presence === 'away'} own={own} wallElsewhere />
      <p class="stage-caption">{t('stageLedBy', { name: lead.name })}</p>
      <button
        type="button"
        class="button primary stage-end"
        data-testid="take-lead"
        onClick={() => void teaching.takeLead()}
      >
        <LeadIcon />
        {t('takeLead')}
      </button>
      {props.children}
    </section>
  );
}
